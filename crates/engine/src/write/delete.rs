//! Delete: at once, or by steps when finalizers or a grace period hold the object.

use crate::engine::Engine;
use crate::request::admission::Operation;
use crate::request::options::DeleteOptions;
use crate::request::write_context::WriteContext;
use crate::resource::{ObjectRef, ServedResource};
use crate::write::create::store_failed;
use crate::write::deletion::{self, Step};
use pintle_object::meta;
use pintle_object::{FieldErrors, GroupKind, GroupResource, Map, Path, Status, Value};
use pintle_store::{Change, CommitError, Key, Object, Precondition, Write};
use std::sync::Arc;

/// What a delete answers.
#[derive(Clone, Debug)]
pub enum Deleted {
    /// The object is gone; the answer is a Status about it.
    Gone { uid: String },
    /// The object is gone, and nobody knows what it was.
    Unread,
    /// The object as it is, or was: with kind and apiVersion of the request. `is_gone` when it has left the store.
    Object { object: Value, is_gone: bool },
}

/// Attempts before a deletion that is overtaken again and again gives up; each one lost means that another won.
const ATTEMPTS_MAX: usize = 1000;

const ORPHANS: &str = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning";

impl Engine {
    pub async fn delete(
        &self,
        target: ObjectRef<'_>,
        options: &DeleteOptions,
        context: &mut WriteContext<'_>,
    ) -> Result<Deleted, Status> {
        self.delete_asked(target, options, true, context).await
    }

    /// A deletion that admission has judged already.
    pub(crate) async fn delete_judged(
        &self,
        target: ObjectRef<'_>,
        options: &DeleteOptions,
        context: &mut WriteContext<'_>,
    ) -> Result<Deleted, Status> {
        self.delete_asked(target, options, false, context).await
    }

    async fn delete_asked(
        &self,
        target: ObjectRef<'_>,
        options: &DeleteOptions,
        asks: bool,
        context: &mut WriteContext<'_>,
    ) -> Result<Deleted, Status> {
        let served = target.served;
        target.check_name()?;
        if let Some(why) = served.strategy.undeletable(target.name) {
            return Err(Status::forbidden(&served.group_resource(), target.name, why));
        }
        if options.ignores_read_errors {
            return self.delete_unreadable(&target).await;
        }
        warn_of_orphans(served, options, context);
        let missing = || Status::not_found(&served.group_resource(), target.name);
        let collection = served.collection.ok_or_else(missing)?;
        let mut is_current = !self.store.is_shared();
        for _ in 0..ATTEMPTS_MAX {
            let attempt = match self.store.get(collection, &target.key()) {
                Some(existing) => self.delete_once(&target, &existing, options, asks, context).await,
                None => Err(missing()),
            };
            match attempt {
                Ok(Some(deleted)) => return Ok(deleted),
                Ok(None) => {}
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

    /// Takes an object out of the store that cannot be read, without asking anybody: neither finalizers nor plugins can
    /// say anything of it. One that can be read, or is not there, is not deleted like this.
    async fn delete_unreadable(&self, target: &ObjectRef<'_>) -> Result<Deleted, Status> {
        let served = target.served;
        self.store.wait_for_latest().await.map_err(store_failed)?;
        let found = served.collection.and_then(|collection| self.store.get(collection, &target.key()));
        let Some(existing) = found.filter(|found| self.check_readable(served, found).is_err()) else {
            let mut errors = FieldErrors::new();
            let why = "is exclusively used to delete corrupt object(s), try again by removing this option";
            let path = Path::root("ignoreStoreReadErrorWithClusterBreakingPotential");
            errors.invalid(&path, true, why);
            let GroupResource { group, resource } = served.group_resource();
            return Err(Status::invalid(&GroupKind::new(group, resource), target.name, errors));
        };
        match self.store.commit(self.deletion(target, &existing)?).await {
            Ok(_) | Err(CommitError::Missing) => {
                tracing::warn!(key = %existing.key, "deleted an object that could not be read");
                Ok(Deleted::Unread)
            }
            Err(error) => Err(self.commit_failed(target, error)),
        }
    }

    /// One attempt; `None` when another write came in between.
    async fn delete_once(
        &self,
        target: &ObjectRef<'_>,
        existing: &Arc<Object>,
        options: &DeleteOptions,
        asks: bool,
        context: &mut WriteContext<'_>,
    ) -> Result<Option<Deleted>, Status> {
        let served = target.served;
        self.check_readable(served, existing)?;
        let shown = self.converted(served, existing.clone()).await?;
        let old = self.storage_tree(served, &shown)?;
        check_preconditions(served, &old, options)?;
        let shown = shown_options(served, &old, options);
        if asks {
            self.admit_deletion(target, &old, &shown, context).await?;
        }

        match deletion::step(served, &old, options, context.now) {
            Step::Pending => {
                let object = self.written(served, old, false)?.into_tree(self, served)?;
                Ok(Some(Deleted::Object { object, is_gone: false }))
            }
            Step::Go => self.go(target, existing, old, context).await,
            Step::Mark { object, then_go } => {
                let again = (then_go && asks).then_some(&shown);
                self.mark(target, existing, (&old, object), (then_go, again), context).await
            }
        }
    }

    /// Has admission judge a deletion: of an object that is marked and goes at once, both steps.
    async fn admit_deletion(
        &self,
        target: &ObjectRef<'_>,
        old: &Value,
        options: &DeleteOptions,
        context: &mut WriteContext<'_>,
    ) -> Result<(), Status> {
        let attributes = context.attributes(Operation::Delete, *target, Some(old), Some(options));
        let mut nothing = Value::Null;
        self.admission().mutate(self, attributes, &mut nothing, &mut context.warnings).await?;
        self.admission().validate(self, attributes, &nothing, &mut context.warnings).await
    }

    async fn go(
        &self,
        target: &ObjectRef<'_>,
        existing: &Arc<Object>,
        mut last: Value,
        context: &mut WriteContext<'_>,
    ) -> Result<Option<Deleted>, Status> {
        let served = target.served;
        if !context.dry_run {
            match self.store.commit(self.deletion(target, existing)?).await {
                Ok(gone) => {
                    self.settle_holdings(served, Some(&last), None, context.now).await;
                    meta::set_resource_version(&mut last, gone.mod_revision.0);
                }
                Err(CommitError::Stale(_)) => return Ok(None),
                Err(error) => return Err(self.commit_failed(target, error)),
            }
        }
        if !served.facts.returns_deleted {
            return Ok(Some(Deleted::Gone { uid: existing.attrs.uid.to_string() }));
        }
        let object = self.written(served, last, false)?.into_tree(self, served)?;
        Ok(Some(Deleted::Object { object, is_gone: true }))
    }

    /// Stores the state of an object whose deletion has begun.
    async fn mark(
        &self,
        target: &ObjectRef<'_>,
        existing: &Arc<Object>,
        (old, mut object): (&Value, Value),
        (then_go, again): (bool, Option<&DeleteOptions>),
        context: &mut WriteContext<'_>,
    ) -> Result<Option<Deleted>, Status> {
        let served = target.served;
        if context.dry_run {
            let object = self.rehearsed(served, &object, false).await?.into_tree(self, served)?;
            return Ok(Some(Deleted::Object { object, is_gone: then_go }));
        }
        let mut stored = existing.clone();
        if object != *old {
            let (value, attrs) = self.encode_stored(served, &object).await?;
            let write = Write { change: Change::Put { value, attrs }, ..self.deletion(target, existing)? };
            match self.store.commit(write).await {
                Ok(written) => stored = written,
                Err(CommitError::Stale(_) | CommitError::Missing) => return Ok(None),
                Err(error) => return Err(self.commit_failed(target, error)),
            }
        }
        meta::set_resource_version(&mut object, stored.mod_revision.0);
        if then_go {
            if let Some(options) = again {
                self.admit_deletion(target, &object, options, context).await?;
            }
            return self.go(target, &stored, object, context).await;
        }
        let object = self.written(served, object, false)?.into_tree(self, served)?;
        Ok(Some(Deleted::Object { object, is_gone: false }))
    }

    fn deletion(&self, target: &ObjectRef<'_>, existing: &Object) -> Result<Write, Status> {
        let served = target.served;
        let missing = || Status::not_found(&served.group_resource(), target.name);
        Ok(Write {
            collection: served.collection.ok_or_else(missing)?,
            key: Key::new(existing.key.as_str()),
            precondition: Precondition::ModRevision(existing.mod_revision),
            change: Change::Delete,
            ttl_seconds: None,
        })
    }

    /// Takes an object out of the store after an update let it go; one that is gone already is fine.
    pub(crate) async fn delete_stored(
        &self,
        target: &ObjectRef<'_>,
        existing: &Arc<Object>,
        context: &WriteContext<'_>,
    ) -> Result<(), Status> {
        if context.dry_run {
            return Ok(());
        }
        match self.store.commit(self.deletion(target, existing)?).await {
            Ok(_) => {
                if !target.served.strategy.allocates() {
                    return Ok(());
                }
                let last = self.storage_tree(target.served, existing)?;
                self.settle_holdings(target.served, Some(&last), None, context.now).await;
                Ok(())
            }
            Err(CommitError::Missing) => Ok(()),
            Err(error) => Err(self.commit_failed(target, error)),
        }
    }
}

/// The options of a deletion as admission sees them: completed as upstream's stores do it.
fn shown_options(served: &ServedResource, old: &Value, options: &DeleteOptions) -> DeleteOptions {
    let mut shown = options.clone();
    if let Some(seconds) = deletion::grace_seconds(served, old, options) {
        shown.grace_period_seconds = Some(seconds);
    }
    if served.facts.pins_deletions {
        shown.preconditions.uid.get_or_insert_with(|| meta::uid(old).to_owned());
    }
    shown
}

/// The Status that answers the deletion of an object that nobody could read.
pub fn unread(kind: &str, name: &str) -> Value {
    let mut status = Value::map();
    status.set(&["kind"], "Status");
    status.set(&["apiVersion"], "v1");
    status.set(&["metadata"], Map::new());
    status.set(&["status"], "Success");
    status.set(&["details"], Map::from_iter([("name", name), ("kind", kind)]));
    status.set(&["code"], 200_i64);
    status
}

/// The Status that answers the deletion of an object that is gone.
pub fn success(resource: &GroupResource, name: &str, uid: &str) -> Value {
    let mut details = Map::new();
    let parts = [("name", name), ("group", &resource.group), ("kind", &resource.resource), ("uid", uid)];
    for (key, text) in parts.into_iter().filter(|(_, text)| !text.is_empty()) {
        details.insert(key, text);
    }
    let mut status = Value::map();
    status.set(&["kind"], "Status");
    status.set(&["apiVersion"], "v1");
    status.set(&["metadata"], Map::new());
    status.set(&["status"], "Success");
    status.set(&["details"], details);
    status
}

pub(crate) fn check_preconditions(
    served: &ServedResource,
    old: &Value,
    options: &DeleteOptions,
) -> Result<(), Status> {
    let wanted = &options.preconditions;
    let refuse = |why: String| {
        let kind = &served.storage.kind;
        let about = GroupResource::new(served.storage.group.clone(), kind.clone());
        Err(Status::conflict(&about, meta::name(old), &why))
    };
    if let Some(uid) = wanted.uid.as_deref().filter(|uid| *uid != meta::uid(old)) {
        let found = meta::uid(old);
        return refuse(format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({found}). The object might have \
             been deleted and then recreated"
        ));
    }
    let version = wanted.resource_version.as_deref();
    if let Some(version) = version.filter(|version| *version != meta::resource_version(old)) {
        let found = meta::resource_version(old);
        return refuse(format!(
            "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record \
             ({found}). The object might have been modified"
        ));
    }
    Ok(())
}

/// Says once that dependents stay, where upstream says it.
pub(crate) fn warn_of_orphans(
    served: &ServedResource,
    options: &DeleteOptions,
    context: &mut WriteContext<'_>,
) {
    let is_said = options.propagation.is_some() || options.orphan_dependents.is_some();
    if served.facts.warns_of_orphans && !is_said && !context.warnings.iter().any(|text| text == ORPHANS) {
        context.warnings.push(String::from(ORPHANS));
    }
}
