//! Update and patch: a new version of an object that is there, by compare-and-swap.

use crate::engine::Engine;
use crate::request::admission::{Attributes, Operation};
use crate::request::write_context::{WriteContext, WriteResult};
use crate::resource::{ObjectRef, ServedResource};
use crate::storage::convert;
use crate::write::create::CreateSource;
use crate::write::create::{refuse, store_failed};
use crate::write::preconditions::{
    check_name, check_uid, check_version, goes_with_update, keep_system_fields, uid_conflict,
};
use pintle_kinds::validation;
use pintle_object::meta;
use pintle_object::{Reason, Status, Value};
use pintle_store::{Change, CommitError, Key, Object, Precondition, Write};
use std::sync::Arc;

/// What the new version comes from.
pub enum Source<'a> {
    /// A whole object, in the version of the request.
    Body(Value),
    /// Computes the new version from the current one, both in the version of the request.
    /// `None` in place of the current one: there is none, and the patch may create it.
    /// Texts of warnings go into the list.
    Patch(&'a UpdateFn<'a>),
    /// Like a patch, but its new version says who manages it.
    Apply(&'a UpdateFn<'a>),
    /// Another form of the object, which is changed in the object's place.
    Scale(&'a dyn Scaling),
}

/// The steps of a write through a Scale.
pub trait Scaling: Sync {
    /// The scale of an object as it is and as it is to be, each with those who manage it.
    fn propose(&self, current: &Value, warnings: &mut Vec<String>) -> Result<(Value, Value), Status>;

    /// The object with the replicas of its next scale.
    fn rescale(&self, current: &Value, next: &Value) -> Result<Value, Status>;
}

/// The next version of an object from the current one.
pub type UpdateFn<'a> = dyn Fn(Option<&Value>, &mut Vec<String>) -> Result<Value, Status> + Sync + 'a;

/// What one attempt came to.
enum Attempt {
    Done(WriteResult),
    /// Another write came in between.
    Conflict,
}

/// Attempts before a write that is overtaken again and again gives up; each one lost means that another won.
const ATTEMPTS_MAX: usize = 1000;

/// How often a proposal is made again with what conversions have answered: once for each version that managers wrote in.
const CONVERSIONS_MAX: usize = 32;

impl Engine {
    /// Replaces an object, or one of its subresources.
    pub async fn update(
        &self,
        target: ObjectRef<'_>,
        mut body: Value,
        context: &mut WriteContext<'_>,
    ) -> Result<WriteResult, Status> {
        refuse(target.served, &body)?;
        context.default(&self.api, target.served, &mut body);
        meta::ensure_namespace(&mut body, target.namespace)?;
        check_name(&target, &body)?;
        context.dedup_owners(&mut body, false);
        self.guaranteed_update(target, Source::Body(body), false, context).await
    }

    /// Writes the next version of the target; `may_create` is for apply patches.
    pub async fn guaranteed_update(
        &self,
        target: ObjectRef<'_>,
        source: Source<'_>,
        may_create: bool,
        context: &mut WriteContext<'_>,
    ) -> Result<WriteResult, Status> {
        let served = target.served;
        target.check_name()?;
        let missing = || Status::not_found(&served.group_resource(), target.name);
        let collection = served.collection.ok_or_else(missing)?;
        let warnings = context.warnings.len();
        let mut is_current = !self.store.is_shared();
        for _ in 0..ATTEMPTS_MAX {
            // Warnings of an attempt that came to nothing are said again by the next.
            context.warnings.truncate(warnings);
            let attempt = match self.store.get(collection, &target.key()) {
                Some(existing) => self.replace(&target, &source, &existing, context).await,
                None if may_create || self.creates_on_update(&target) => {
                    self.create_by_update(&target, &source, context).await
                }
                None => Err(missing()),
            };
            match attempt {
                Ok(Attempt::Done(written)) => return Ok(written),
                Ok(Attempt::Conflict) => {}
                // A write that was not answered may have happened: tried again, it would stand in its own way. A
                // webhook that has refused is not asked twice.
                Err(status) if is_current || status.code >= 500 || status.foreign.is_some() => {
                    return Err(status);
                }
                // What was refused may have been judged by a state that another server has changed.
                Err(_) => {
                    self.store.wait_for_latest().await.map_err(store_failed)?;
                    is_current = true;
                }
            }
        }
        Err(Status::stale(&served.group_resource(), target.name))
    }

    fn creates_on_update(&self, target: &ObjectRef<'_>) -> bool {
        target.subresource.is_empty() && target.served.facts.creates_on_update
    }

    async fn replace(
        &self,
        target: &ObjectRef<'_>,
        source: &Source<'_>,
        existing: &Arc<Object>,
        context: &mut WriteContext<'_>,
    ) -> Result<Attempt, Status> {
        let served = target.served;
        let shown = self.converted(served, existing.clone()).await?;
        let current = self.tree(served, &shown)?;
        let proposed = match source {
            Source::Scale(scaling) => self.rescaled(target, *scaling, &current, context).await?,
            Source::Body(_) | Source::Patch(_) | Source::Apply(_) => {
                self.proposed(target, source, &current, context).await?
            }
        };
        let old = self.previous(served, &shown, current)?;
        let mut new = convert::to_storage(&self.api, served, proposed)?;
        let is_patch = !matches!(source, Source::Body(_));
        let attributes = context.attributes(Operation::Update, *target, Some(&old), None);
        let attributes = Attributes { is_patch, ..attributes };
        // Admission has completed a scale already, in the form that it has.
        if !matches!(source, Source::Scale(_)) {
            self.admission().mutate(self, attributes, &mut new, &mut context.warnings).await?;
        }
        context.dedup_owners(&mut new, true);
        check_version(target, &mut new, existing)?;

        let mut draw = self.draw(served, context.dry_run);
        if target.subresource.is_empty() {
            served.strategy.allocate(&mut new, Some(&old), &mut draw)?;
        }
        self.prepare_update(target, &mut new, &old, context)?;
        pintle_patch::keep_times_of_noop(&old, &mut new);
        let attributes = context.attributes(Operation::Update, *target, Some(&old), None);
        let attributes = Attributes { is_patch, ..attributes };
        self.admission().validate(self, attributes, &new, &mut context.warnings).await?;
        if goes_with_update(served, &new, &old) {
            self.delete_stored(target, existing, context).await?;
            return self.written(served, new, false).map(Attempt::Done);
        }
        meta::keep(&mut new, &old, "resourceVersion");
        if context.dry_run {
            return self.rehearsed(served, &new, false).await.map(Attempt::Done);
        }
        let Some(reserved) = self.reserve(served, &draw, &new, context.now).await? else {
            return Ok(Attempt::Conflict);
        };
        let is_apply = matches!(source, Source::Apply(_) | Source::Scale(_));
        let attempt = self.commit_update(target, &new, existing, is_apply).await?;
        match attempt {
            Attempt::Done(_) => self.settle_holdings(served, Some(&old), Some(&new), context.now).await,
            Attempt::Conflict => self.release(reserved, context.now).await,
        }
        Ok(attempt)
    }

    /// What an update replaces, as rules and admission see it. It is decoded again only where it is converted.
    fn previous(
        &self,
        served: &ServedResource,
        existing: &Object,
        mut current: Value,
    ) -> Result<Value, Status> {
        if served.is_converted() && served.custom.is_none() {
            return self.storage_tree(served, existing);
        }
        current.remove(&["kind"]);
        current.remove(&["apiVersion"]);
        Ok(current)
    }

    /// The next version of an object, and who manages it. What managers of other versions own is told by conversion,
    /// which may have to wait: with each answer the proposal is made again.
    async fn proposed(
        &self,
        target: &ObjectRef<'_>,
        source: &Source<'_>,
        current: &Value,
        context: &mut WriteContext<'_>,
    ) -> Result<Value, Status> {
        let warnings = context.warnings.len();
        for _ in 0..CONVERSIONS_MAX {
            let proposed = self.propose(target, source, current, context);
            if !context.conversions.learn(self, target.served).await {
                return proposed;
            }
            context.warnings.truncate(warnings);
        }
        self.propose(target, source, current, context)
    }

    fn propose(
        &self,
        target: &ObjectRef<'_>,
        source: &Source<'_>,
        current: &Value,
        context: &mut WriteContext<'_>,
    ) -> Result<Value, Status> {
        match source {
            Source::Body(body) => {
                check_uid(target, body, current)?;
                let mut proposed = body.clone();
                self.track(target, Some(current), &mut proposed, context);
                Ok(proposed)
            }
            Source::Patch(patch) | Source::Apply(patch) => {
                let mut proposed = patch(Some(current), &mut context.warnings)?;
                convert::default(&self.api, target.served, &mut proposed);
                if matches!(source, Source::Patch(_)) {
                    self.track(target, Some(current), &mut proposed, context);
                }
                meta::ensure_namespace(&mut proposed, target.namespace)?;
                check_name(target, &proposed)?;
                Ok(proposed)
            }
            Source::Scale(_) => Err(Status::internal("a scale is proposed in its own form")),
        }
    }

    /// The object with the replicas of the scale that admission makes of the proposed one.
    async fn rescaled(
        &self,
        target: &ObjectRef<'_>,
        scaling: &dyn Scaling,
        current: &Value,
        context: &mut WriteContext<'_>,
    ) -> Result<Value, Status> {
        let (live, mut next) = scaling.propose(current, &mut context.warnings)?;
        let attributes = context.attributes(Operation::Update, *target, Some(&live), None);
        let attributes = Attributes { has_own_form: true, ..attributes };
        self.admission().mutate(self, attributes, &mut next, &mut context.warnings).await?;
        let mut object = scaling.rescale(current, &next)?;
        convert::default(&self.api, target.served, &mut object);
        meta::ensure_namespace(&mut object, target.namespace)?;
        check_name(target, &object)?;
        Ok(object)
    }

    async fn commit_update(
        &self,
        target: &ObjectRef<'_>,
        new: &Value,
        existing: &Arc<Object>,
        is_apply: bool,
    ) -> Result<Attempt, Status> {
        let served = target.served;
        let missing = || Status::not_found(&served.group_resource(), target.name);
        let done = |stored| async { self.answered(served, stored, false).await.map(Attempt::Done) };
        let (value, attrs) = self.encode_stored(served, new).await?;
        // A write that changes nothing is none: no revision, no event. But one that encrypts with another key is.
        if value == existing.value && !self.store.is_stale(existing) {
            return done(existing.clone()).await;
        }
        let collection = served.collection.ok_or_else(missing)?;
        let write = |value, attrs| Write {
            collection,
            key: Key::new(existing.key.as_str()),
            precondition: Precondition::ModRevision(existing.mod_revision),
            change: Change::Put { value, attrs },
            ttl_seconds: self.ttl_seconds(served),
        };
        match self.commit_lean(served, new, (value, attrs), is_apply, write).await {
            Ok(stored) => done(stored).await,
            // The next attempt sees the newer object, and refuses if the write was based on this one.
            Err(CommitError::Stale(_) | CommitError::Missing) => Ok(Attempt::Conflict),
            Err(error) => Err(self.commit_failed(target, error)),
        }
    }

    /// Everything between admission's two halves: what an update may not change, the kind's own rules, validation.
    fn prepare_update(
        &self,
        target: &ObjectRef<'_>,
        new: &mut Value,
        old: &Value,
        context: &mut WriteContext<'_>,
    ) -> Result<(), Status> {
        let served = target.served;
        let namespace = if served.resource.namespaced { target.namespace } else { "" };
        meta::ensure_namespace(new, namespace)?;
        meta::set_generation(new, meta::generation(old));
        let of_kind = context.for_strategy(target);
        match target.subresource {
            // A scale changes the object itself, in one field.
            "" | "scale" => served.strategy.prepare_update(new, old, &of_kind),
            "status" => served.strategy.prepare_status(new, old, &of_kind),
            _ => served.strategy.prepare_subresource(new, old, &of_kind),
        }
        self.drop_gated(served, new, Some(old));
        // The generation counts what is wanted, which a status never is.
        let is_wanted = target.subresource != "status";
        if is_wanted && served.strategy.has_generation() && served.strategy.raises_generation(new, old) {
            meta::set_generation(new, meta::generation(old) + 1);
        }
        keep_system_fields(new, old);

        self.canonicalize(served, new);
        let mut errors = context.errors(new, |new, errors| {
            validation::meta::validate_common_update(new, old, errors);
            match target.subresource {
                "" | "scale" => served.strategy.validate_update_as(&served.gvk(), new, old, errors),
                "status" => served.strategy.validate_status(new, old, errors),
                other => served.strategy.validate_subresource(new, old, other, errors),
            }
        });
        context.warnings.append(&mut errors.take_warnings());
        if !errors.is_empty() {
            return Err(Status::invalid(&served.storage.group_kind(), meta::name(new), errors));
        }
        match target.subresource {
            "" | "scale" => served.strategy.warnings(new, Some(old), &mut context.warnings),
            "status" => served.strategy.status_warnings(new, &mut context.warnings),
            _ => {}
        }
        served.strategy.complete(new);
        Ok(())
    }

    async fn create_by_update(
        &self,
        target: &ObjectRef<'_>,
        source: &Source<'_>,
        context: &mut WriteContext<'_>,
    ) -> Result<Attempt, Status> {
        let served = target.served;
        let mut proposed = match source {
            Source::Body(body) => body.clone(),
            Source::Patch(patch) | Source::Apply(patch) => patch(None, &mut context.warnings)?,
            Source::Scale(_) => return Err(Status::not_found(&served.group_resource(), target.name)),
        };
        let uid = meta::uid(&proposed).to_string();
        let is_apply = matches!(source, Source::Apply(_));
        if !uid.is_empty() && is_apply {
            let why = format!(
                "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            );
            return Err(Status::conflict(&served.group_resource(), target.name, &why));
        }
        if !uid.is_empty() {
            return Err(uid_conflict(target, &uid, ""));
        }
        let origin = CreateSource { has_labels: meta::has_labels(&proposed), is_update: true, is_apply };
        if is_apply {
            convert::default(&self.api, served, &mut proposed);
            meta::ensure_namespace(&mut proposed, target.namespace)?;
            check_name(target, &proposed)?;
        } else {
            self.track(target, None, &mut proposed, context);
        }
        let mut draft = convert::to_storage(&self.api, served, proposed)?;
        let attributes = context.attributes(Operation::Create, *target, None, None);
        self.admission().mutate(self, attributes, &mut draft, &mut context.warnings).await?;
        context.dedup_owners(&mut draft, true);
        meta::wipe_system_fields(&mut draft);
        meta::set(&mut draft, "resourceVersion", "");
        match self.create_once(target, draft, origin, context).await {
            Err(status) if status.reason == Reason::AlreadyExists => Ok(Attempt::Conflict),
            Err(status) => Err(status),
            Ok(written) => Ok(Attempt::Done(written)),
        }
    }
}
