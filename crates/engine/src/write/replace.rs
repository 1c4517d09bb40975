//! The replacement of one object by its next version: proposed, admitted, prepared, judged, encoded.

use crate::allocate::record::Reserved;
use crate::engine::Engine;
use crate::request::admission::{Attributes, Operation};
use crate::request::write_context::{Answer, WriteContext, WriteResult};
use crate::resource::ObjectRef;
use crate::spans;
use crate::write::guaranteed_update::{Next, UpdateFn};
use crate::write::preconditions::{check_name, check_uid, check_version, goes_with_update, uid_conflict};
use crate::write::source::{CreateSource, Scaling, UpdateSource};
use bytes::Bytes;
use pintle_object::{Reason, Status, Value, meta, parse_uint};
use pintle_store::{Attrs, CommitError, Object};
use pintle_traces::event;
use std::sync::Arc;
use std::time::Instant;

/// The number of times that a proposal is made again with answers of conversions: once for each version that managers
/// wrote in.
const CONVERSIONS_MAX: usize = 32;

/// The replacement of one object.
pub(super) struct Replace<'a, 'c> {
    target: ObjectRef<'a>,
    source: UpdateSource<'a>,
    may_create: bool,
    has_one_attempt: bool,
    context: &'a mut WriteContext<'c>,
    /// Warnings before the first attempt: those of one that came to nothing are said again by the next.
    warned: usize,
    pending: Pending,
}

/// A write that is on its way to the store.
enum Pending {
    Nothing,
    Put {
        old: Value,
        new: Value,
        reserved: Reserved,
    },
    /// The object goes with this update.
    Delete {
        old: Value,
        new: Value,
    },
}

impl<'a, 'c> Replace<'a, 'c> {
    pub(super) fn new(
        target: ObjectRef<'a>,
        source: UpdateSource<'a>,
        may_create: bool,
        is_store_shared: bool,
        context: &'a mut WriteContext<'c>,
    ) -> Replace<'a, 'c> {
        // An update with a resourceVersion has one attempt, unless it has to be judged or allocated again.
        let is_versioned =
            |body: &Value| parse_uint(meta::resource_version(body)).is_ok_and(|found| found != 0);
        let has_one_attempt = matches!(&source, UpdateSource::Body(body) if is_versioned(body))
            && !may_create
            && !is_store_shared
            && !target.served.strategy.allocates()
            && !target.served.has_conversion_webhook();
        let warned = context.warnings.len();
        Replace { target, source, may_create, has_one_attempt, context, warned, pending: Pending::Nothing }
    }
}

impl UpdateFn for Replace<'_, '_> {
    type Answer = WriteResult;

    async fn next(
        &mut self,
        engine: &Engine,
        current: Option<&Arc<Object>>,
    ) -> Result<Next<WriteResult>, Status> {
        self.context.warnings.truncate(self.warned);
        let (target, served) = (self.target, self.target.served);
        let Some(existing) = current else {
            return if self.may_create { self.create(engine).await } else { Err(target.missing()) };
        };
        let shown = engine.converted(served, existing.clone()).await?;
        let current = engine.tree(served, &shown)?;
        event("initial value restored", |_| ());
        let proposed = match self.source {
            UpdateSource::Scale(scaling) => self.rescaled(engine, scaling, &current).await?,
            UpdateSource::Body(_) | UpdateSource::Patch(_) | UpdateSource::Apply(_) => {
                self.proposed(engine, &current).await?
            }
        };
        // Decoded again only where it is converted.
        let old = match served.previous(current) {
            Some(old) => old,
            None => engine.storage_tree(served, &shown)?,
        };
        let mut new = served.codec.to_storage(served, proposed)?;
        let is_patch = !matches!(self.source, UpdateSource::Body(_));
        let context = &mut *self.context;
        let attributes = context.attributes(Operation::Update, target, Some(&old), None);
        let attributes = Attributes { is_patch, ..attributes };
        // Admission has completed a scale already, in the form that it has.
        if !matches!(self.source, UpdateSource::Scale(_)) {
            event("About to check admission control", |_| ());
            engine.admission().mutate(engine, attributes, &mut new, &mut context.warnings).await?;
        }
        context.dedup_owners(&mut new, true);
        check_version(&target, &mut new, existing)?;

        let mut tx = engine.begin_allocation(served, context.dry_run);
        if target.subresource.is_empty() {
            served.strategy.allocate(&mut new, Some(&old), &mut tx)?;
        }
        engine.prepare_update(&target, &mut new, &old, context)?;
        engine.keep_times(&old, &mut new);
        engine.admission().validate(engine, attributes, &new, &mut context.warnings).await?;
        if goes_with_update(served, &new, &old) {
            self.pending = Pending::Delete { old, new };
            return Ok(Next::Delete);
        }
        let reserved = match context.dry_run {
            true => Some(Reserved::default()),
            false => engine.reserve(served, &tx, &new, context.now).await?,
        };
        let Some(reserved) = reserved else { return Ok(Next::Again) };
        event("About to Encode", |_| ());
        let (value, attrs) = engine.encode_stored(served, &mut new).await?;
        spans::encoded(value.len());
        self.pending = Pending::Put { old, new, reserved };
        Ok(Next::Put(value, attrs))
    }

    async fn done(&mut self, engine: &Engine, stored: Arc<Object>) -> Result<Option<WriteResult>, Status> {
        let (served, dry_run, now) = (self.target.served, self.context.dry_run, self.context.now);
        let (old, new, is_gone) = match std::mem::replace(&mut self.pending, Pending::Nothing) {
            Pending::Put { old, new, .. } => (old, new, false),
            Pending::Delete { old, new } => (old, new, true),
            Pending::Nothing => return Ok(None),
        };
        if !dry_run {
            engine.settle_holdings(served, Some(&old), (!is_gone).then_some(&new), now).await;
        }
        let answer = match is_gone {
            true => Answer::Tree(engine.shown_as(served, new)?),
            false => engine.answered(served, stored, dry_run).await?,
        };
        Ok(Some(WriteResult { answer, created: false }))
    }

    async fn undo(&mut self, engine: &Engine, error: &CommitError) -> Result<Option<WriteResult>, Status> {
        match (std::mem::replace(&mut self.pending, Pending::Nothing), error) {
            (Pending::Put { reserved, .. }, _) => engine.release(reserved, self.context.now).await,
            // Another request was quicker: the object is gone, as the update wants.
            (Pending::Delete { new, .. }, CommitError::Missing) => {
                let answer = Answer::Tree(engine.shown_as(self.target.served, new)?);
                return Ok(Some(WriteResult { answer, created: false }));
            }
            (Pending::Delete { .. } | Pending::Nothing, _) => {}
        }
        Ok(None)
    }

    fn stored_since(&self, began: Instant) {
        self.context.stored_since(began);
    }

    async fn leaner(&mut self, engine: &Engine) -> Option<(Bytes, Attrs)> {
        match (&self.source, &mut self.pending) {
            (UpdateSource::Body(_) | UpdateSource::Patch(_), Pending::Put { new, .. }) => {
                engine.encode_lean(self.target.served, new).await
            }
            _ => None,
        }
    }
}

impl Replace<'_, '_> {
    /// The next version of an object, and its managers. Fields of managers in other versions may have to be converted
    /// by a webhook: with each answer the proposal is made again.
    async fn proposed(&mut self, engine: &Engine, current: &Value) -> Result<Value, Status> {
        let warnings = self.context.warnings.len();
        for _ in 0..CONVERSIONS_MAX {
            let proposed = self.propose(engine, current);
            if !engine.learn(&self.context.conversions, self.target.served).await {
                return proposed;
            }
            self.context.warnings.truncate(warnings);
        }
        self.propose(engine, current)
    }

    fn propose(&mut self, engine: &Engine, current: &Value) -> Result<Value, Status> {
        let target = &self.target;
        match &mut self.source {
            UpdateSource::Body(Value::Null) => {
                Err(Status::stale(&target.served.group_resource(), target.name))
            }
            UpdateSource::Body(body) => {
                check_uid(target, body, current)?;
                let mut proposed = if self.has_one_attempt { std::mem::take(body) } else { body.clone() };
                engine.track(target, Some(current), &mut proposed, self.context);
                Ok(proposed)
            }
            UpdateSource::Patch(patch) | UpdateSource::Apply(patch) => {
                event("About to apply patch", |_| ());
                let mut proposed = patch(Some(current), &mut self.context.warnings)?;
                target.served.codec.default(target.served, &mut proposed)?;
                if matches!(self.source, UpdateSource::Patch(_)) {
                    engine.track(target, Some(current), &mut proposed, self.context);
                }
                meta::ensure_namespace(&mut proposed, target.namespace)?;
                check_name(target, &proposed)?;
                Ok(proposed)
            }
            UpdateSource::Scale(_) => Err(Status::internal("a scale is proposed in its own form")),
        }
    }

    /// The object with the replicas of the scale, after mutating admission of the scale.
    async fn rescaled(
        &mut self,
        engine: &Engine,
        scaling: &dyn Scaling,
        current: &Value,
    ) -> Result<Value, Status> {
        let (target, context) = (self.target, &mut *self.context);
        let (live, mut next) = scaling.propose(current, &mut context.warnings)?;
        let attributes = context.attributes(Operation::Update, target, Some(&live), None);
        let attributes = Attributes { has_own_form: true, ..attributes };
        engine.admission().mutate(engine, attributes, &mut next, &mut context.warnings).await?;
        let mut object = scaling.rescale(current, &next)?;
        target.served.codec.default(target.served, &mut object)?;
        meta::ensure_namespace(&mut object, target.namespace)?;
        check_name(&target, &object)?;
        Ok(object)
    }

    /// Creates the object of an update or a patch that found none.
    async fn create(&mut self, engine: &Engine) -> Result<Next<WriteResult>, Status> {
        let (target, served, context) = (self.target, self.target.served, &mut *self.context);
        let mut proposed = match &self.source {
            UpdateSource::Body(body) => body.clone(),
            UpdateSource::Patch(patch) | UpdateSource::Apply(patch) => patch(None, &mut context.warnings)?,
            UpdateSource::Scale(_) => return Err(target.missing()),
        };
        let uid = meta::uid(&proposed).to_string();
        let is_apply = matches!(self.source, UpdateSource::Apply(_));
        if !uid.is_empty() && is_apply {
            let why = format!(
                "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            );
            return Err(Status::conflict(&served.group_resource(), target.name, &why));
        }
        if !uid.is_empty() {
            return Err(uid_conflict(&target, &uid, ""));
        }
        let origin = CreateSource { has_labels: meta::has_labels(&proposed), is_update: true, is_apply };
        if is_apply {
            served.codec.default(served, &mut proposed)?;
            meta::ensure_namespace(&mut proposed, target.namespace)?;
            check_name(&target, &proposed)?;
        } else {
            engine.track(&target, None, &mut proposed, context);
        }
        let mut draft = served.codec.to_storage(served, proposed)?;
        let attributes = context.attributes(Operation::Create, target, None, None);
        engine.admission().mutate(engine, attributes, &mut draft, &mut context.warnings).await?;
        context.dedup_owners(&mut draft, true);
        meta::wipe_system_fields(&mut draft);
        meta::set(&mut draft, "resourceVersion", "");
        // Boxed, since it is seldom, and as large as all the rest.
        match Box::pin(engine.create_draft(&target, draft, origin, context)).await {
            Err(status) if status.reason == Reason::AlreadyExists => Ok(Next::Again),
            result => result.map(Next::Answer),
        }
    }
}
