//! Delete: at once, or by steps when finalizers or a grace period hold the object.

use crate::engine::Engine;
use crate::request::admission::Operation;
use crate::request::options::DeleteOptions;
use crate::request::write_context::{Answer, WriteContext};
use crate::resource::{ObjectRef, ServedResource};
use crate::write::deletion::{self, Step};
use crate::write::failure::store_failed;
use crate::write::guaranteed_update::{Next, UpdateFn};
use pintle_object::meta;
use pintle_object::{FieldErrors, GroupKind, GroupResource, Map, Path, Status, Value};
use pintle_store::{CommitError, Object, Revision};
use std::sync::Arc;
use std::time::Instant;

/// The outcome of a delete.
#[derive(Clone, Debug)]
pub enum Deleted {
    /// The object is gone; the answer is a Status about it.
    Gone { uid: String },
    /// The object is gone, and could not be read.
    Unread,
    /// The object as it is, or was. `is_gone` when it has left the store.
    Object { answer: Answer, is_gone: bool },
}

const ORPHANS: &str = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning";

impl Engine {
    /// Deletes an object, or begins to.
    pub async fn delete(
        &self,
        target: ObjectRef<'_>,
        options: &DeleteOptions,
        context: &mut WriteContext<'_>,
    ) -> Result<Deleted, Status> {
        self.delete_asked(target, options, true, context).await
    }

    /// A deletion with admission, unless that has already judged it.
    pub(crate) async fn delete_asked(
        &self,
        target: ObjectRef<'_>,
        options: &DeleteOptions,
        asks: bool,
        context: &mut WriteContext<'_>,
    ) -> Result<Deleted, Status> {
        let served = target.served;
        if let Some(why) = served.strategy.undeletable(target.name) {
            return Err(Status::forbidden(&served.group_resource(), target.name, why));
        }
        if options.ignores_read_errors {
            self.store.wait_for_latest().await.map_err(store_failed)?;
            return self.guaranteed_update(&target, false, &mut UnreadDeletion { target }).await;
        }
        warn_of_orphans(served, options, context);
        let dry_run = context.dry_run;
        let (marked, pending) = (None, Pending::Nothing);
        let mut deletion = Deletion { target, options, asks, context, marked, pending };
        self.guaranteed_update(&target, dry_run, &mut deletion).await
    }
}

/// The deletion of one object.
struct Deletion<'a, 'c> {
    target: ObjectRef<'a>,
    options: &'a DeleteOptions,
    asks: bool,
    context: &'a mut WriteContext<'c>,
    /// The revision at which this deletion has marked the object, which goes now, and the options that admission saw.
    marked: Option<(Revision, DeleteOptions)>,
    pending: Pending,
}

/// A write that is on its way to the store.
enum Pending {
    Nothing,
    Mark { then_go: bool, shown_options: DeleteOptions },
    Go { last: Value },
}

impl UpdateFn for Deletion<'_, '_> {
    type Answer = Deleted;

    async fn next(
        &mut self,
        engine: &Engine,
        current: Option<&Arc<Object>>,
    ) -> Result<Next<Deleted>, Status> {
        let served = self.target.served;
        let existing = current.ok_or_else(|| self.target.missing())?;
        engine.check_readable(served, existing)?;
        let shown = engine.converted(served, existing.clone()).await?;
        let old = engine.storage_tree(served, &shown)?;
        if let Some((revision, options)) = self.marked.take()
            && revision == existing.mod_revision
        {
            self.admit(engine, &old, &options).await?;
            return Ok(self.go(old));
        }
        check_preconditions(served, &old, self.options)?;
        let options = shown_options(served, &old, self.options);
        self.admit(engine, &old, &options).await?;
        match deletion::step(served, &old, self.options, self.context.now) {
            Step::Pending => Ok(unchanged(shown)),
            Step::Go => Ok(self.go(old)),
            Step::Mark { mut object, then_go } => {
                if object == old && !self.context.dry_run {
                    if !then_go {
                        return Ok(unchanged(shown));
                    }
                    self.admit(engine, &old, &options).await?;
                    return Ok(self.go(old));
                }
                let (value, attrs) = engine.encode_stored(served, &mut object).await?;
                self.pending = Pending::Mark { then_go, shown_options: options };
                Ok(Next::Put(value, attrs))
            }
        }
    }

    fn stored_since(&self, began: Instant) {
        self.context.stored_since(began);
    }

    async fn done(&mut self, engine: &Engine, stored: Arc<Object>) -> Result<Option<Deleted>, Status> {
        let (served, dry_run, now) = (self.target.served, self.context.dry_run, self.context.now);
        let is_gone = match std::mem::replace(&mut self.pending, Pending::Nothing) {
            Pending::Nothing => return Ok(None),
            Pending::Mark { then_go: true, shown_options } if !dry_run => {
                self.marked = Some((stored.mod_revision, shown_options));
                return Ok(None);
            }
            Pending::Mark { then_go, .. } => then_go,
            Pending::Go { last } => {
                if !dry_run {
                    engine.settle_holdings(served, Some(&last), None, now).await;
                }
                if !served.facts.returns_deleted {
                    return Ok(Some(Deleted::Gone { uid: stored.attrs.uid.to_string() }));
                }
                true
            }
        };
        let answer = engine.answered(served, stored, dry_run).await?;
        Ok(Some(Deleted::Object { answer, is_gone }))
    }
}

impl Deletion<'_, '_> {
    /// Has admission judge the deletion: of an object that is marked and goes at once, both steps.
    async fn admit(&mut self, engine: &Engine, old: &Value, options: &DeleteOptions) -> Result<(), Status> {
        if !self.asks {
            return Ok(());
        }
        let context = &mut *self.context;
        let attributes = context.attributes(Operation::Delete, self.target, Some(old), Some(options));
        let mut nothing = Value::Null;
        engine.admission().mutate(engine, attributes, &mut nothing, &mut context.warnings).await?;
        engine.admission().validate(engine, attributes, &nothing, &mut context.warnings).await
    }

    fn go(&mut self, last: Value) -> Next<Deleted> {
        self.pending = Pending::Go { last };
        Next::Delete
    }
}

fn unchanged(shown: Arc<Object>) -> Next<Deleted> {
    Next::Answer(Deleted::Object { answer: Answer::Stored(shown), is_gone: false })
}

/// The deletion of an object that cannot be read, without asking anybody: neither finalizers nor plugins can say anything of
/// it. One that can be read, or is not there, is not deleted like this.
struct UnreadDeletion<'a> {
    target: ObjectRef<'a>,
}

impl UpdateFn for UnreadDeletion<'_> {
    type Answer = Deleted;

    async fn next(
        &mut self,
        engine: &Engine,
        current: Option<&Arc<Object>>,
    ) -> Result<Next<Deleted>, Status> {
        let served = self.target.served;
        if current.is_some_and(|found| engine.check_readable(served, found).is_err()) {
            return Ok(Next::Delete);
        }
        let mut errors = FieldErrors::new();
        let why = "is exclusively used to delete corrupt object(s), try again by removing this option";
        let path = Path::root("ignoreStoreReadErrorWithClusterBreakingPotential");
        errors.invalid(&path, true, why);
        let GroupResource { group, resource } = served.group_resource();
        Err(Status::invalid(&GroupKind::new(group, resource), self.target.name, errors))
    }

    async fn done(&mut self, _: &Engine, stored: Arc<Object>) -> Result<Option<Deleted>, Status> {
        tracing::warn!(key = %stored.key, "deleted an object that could not be read");
        Ok(Some(Deleted::Unread))
    }

    async fn undo(&mut self, _: &Engine, error: &CommitError) -> Result<Option<Deleted>, Status> {
        Ok(matches!(error, CommitError::Missing).then_some(Deleted::Unread))
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

/// The Status that answers the deletion of an unreadable object.
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
