//! Create: from a decoded body to a durable object.

use crate::allocate::record::Reserved;
use crate::engine::Engine;
use crate::request::admission::{Attributes, Operation};
use crate::request::write_context::{Answer, WriteContext, WriteResult};
use crate::resource::{ObjectRef, ServedResource};
use crate::spans;
use crate::write::failure::store_failed;
use crate::write::guaranteed_update::{Next, Swap, UpdateFn};
use crate::write::source::CreateSource;
use bytes::Bytes;
use pintle_kinds::validation::NameRule;
use pintle_object::field::quote;
use pintle_object::{Details, Reason, Status, Value, meta, parse_uint};
use pintle_store::{Attrs, CollectionId, CommitError, Object};
use pintle_traces::{Entered, event};
use std::sync::Arc;
use std::time::Instant;

/// Names that are generated for one object: a collision of eight random names means that the base has a million objects.
const NAMES_MAX: usize = 8;

impl Engine {
    /// Creates the object of a decoded body; `target.name` may be empty.
    pub async fn create(
        &self,
        target: ObjectRef<'_>,
        mut object: Value,
        context: &mut WriteContext<'_>,
    ) -> Result<WriteResult, Status> {
        let served = target.served;
        refuse(served, &object)?;
        let origin =
            CreateSource { has_labels: meta::has_labels(&object), is_update: false, is_apply: false };
        context.default(served, &mut object)?;
        meta::wipe_system_fields(&mut object);
        meta::ensure_namespace(&mut object, target.namespace)?;
        context.dedup_owners(&mut object, false);
        self.track(&target, None, &mut object, context);
        let mut draft = served.codec.to_storage(served, object)?;
        let name = meta::name(&draft).to_string();
        let named = ObjectRef { name: if target.name.is_empty() { &name } else { target.name }, ..target };
        let attributes = context.attributes(Operation::Create, named, None, None);
        self.complete(attributes, &mut draft, &mut context.warnings).await?;
        context.dedup_owners(&mut draft, true);
        self.create_draft(&named, draft, origin, context).await
    }

    /// Lets plugins complete a draft. What one of them misses, another server may just have made.
    async fn complete(
        &self,
        attributes: Attributes<'_>,
        draft: &mut Value,
        warnings: &mut Vec<String>,
    ) -> Result<(), Status> {
        if !self.store.is_shared() {
            return self.admission().mutate(self, attributes, draft, warnings).await;
        }
        let (before, warned) = (draft.clone(), warnings.len());
        match self.admission().mutate(self, attributes, draft, warnings).await {
            Err(status) if status.reason == Reason::NotFound => {
                self.store.wait_for_latest().await.map_err(store_failed)?;
                *draft = before;
                warnings.truncate(warned);
                self.admission().mutate(self, attributes, draft, warnings).await
            }
            result => result,
        }
    }

    /// Prepares, validates and stores a draft that plugins have completed.
    pub(crate) async fn create_draft(
        &self,
        target: &ObjectRef<'_>,
        mut draft: Value,
        origin: CreateSource,
        context: &mut WriteContext<'_>,
    ) -> Result<WriteResult, Status> {
        let served = target.served;
        let version = meta::resource_version(&draft);
        if origin.is_update && !version.is_empty() {
            parse_uint(version).map_err(|why| Status::new(500, Reason::Unknown, why))?;
        }
        let unstored = || Status::method_not_supported(&served.group_resource(), "create");
        let collection = served.collection().ok_or_else(unstored)?;
        self.name(target, collection, &mut draft);
        let key = served.key(target.namespace, meta::name(&draft));
        let (ttl_seconds, dry_run) = (self.ttl_seconds(served), context.dry_run);
        let swap = Swap { collection, key: &key, ttl_seconds, dry_run, is_create: true };
        let warned = context.warnings.len();
        let (reserved, span) = (Reserved::default(), Entered::default());
        let mut create = Create { target, draft, origin, context, warned, reserved, span };
        let written = self.compare_and_swap(&swap, &mut create).await?;
        written.ok_or_else(|| Status::internal("other requests took the allocated addresses again and again"))
    }

    /// Gives a draft without a name one that is free, if its name is to be generated.
    fn name(&self, target: &ObjectRef<'_>, collection: CollectionId, draft: &mut Value) {
        let base = draft.str_at(&["metadata", "generateName"]);
        if !meta::name(draft).is_empty() || base.is_empty() {
            return;
        }
        let mut name = base.to_string();
        if target.served.strategy.name_rule() != NameRule::Ip {
            for _ in 0..NAMES_MAX {
                name = self.generator.name(base);
                if self.store.get(collection, &target.served.key(target.namespace, &name)).is_none() {
                    break;
                }
            }
        }
        draft.set(&["metadata", "name"], name);
    }

    /// The answer to a create of a name that is taken.
    fn exists(&self, target: &ObjectRef<'_>, draft: &Value, existing: &Arc<Object>) -> Status {
        let served = target.served;
        let name = meta::name(draft);
        let mut status = Status::already_exists(&served.group_resource(), name);
        if !draft.str_at(&["metadata", "generateName"]).is_empty() {
            let resource = served.group_resource();
            let unable = "the server was not able to generate a unique name for the object";
            status.message = format!("{resource} {} already exists, {unable}", quote(name));
            let details =
                Details { retry_after_seconds: 1, ..status.details.map(|d| *d).unwrap_or_default() };
            status.details = Some(Box::new(details));
        }
        // The refusal is the same in all versions.
        let existing = served.codec.as_stored(served, &existing.value).ok();
        let is_deleting = existing.is_some_and(|existing| meta::is_deleting(&existing));
        if is_deleting {
            status.message = format!("object is being deleted: {}", status.message);
        }
        status
    }

    /// The answer to a write: the stored object, from its bytes as by a get.
    pub(crate) async fn answered(
        &self,
        served: &ServedResource,
        stored: Arc<Object>,
        dry_run: bool,
    ) -> Result<Answer, Status> {
        let shown = if dry_run {
            self.converted_alone(served, stored).await
        } else {
            self.converted(served, stored).await
        };
        shown.map(Answer::Stored)
    }
}

/// The creation of one object.
struct Create<'a, 'c> {
    target: &'a ObjectRef<'a>,
    draft: Value,
    origin: CreateSource,
    context: &'a mut WriteContext<'c>,
    /// Warnings before the first attempt: those of one that came to nothing are said again by the next.
    warned: usize,
    reserved: Reserved,
    /// From the encoding of the draft on.
    span: Entered,
}

impl UpdateFn for Create<'_, '_> {
    type Answer = WriteResult;

    async fn next(
        &mut self,
        engine: &Engine,
        current: Option<&Arc<Object>>,
    ) -> Result<Next<WriteResult>, Status> {
        let (target, served, dry_run) = (self.target, self.target.served, self.context.dry_run);
        self.context.warnings.truncate(self.warned);
        // Only an allocation may make another attempt necessary.
        let again = served.strategy.allocates().then(|| self.draft.clone());
        let mut tx = engine.begin_allocation(served, dry_run);
        served.strategy.allocate(&mut self.draft, None, &mut tx)?;
        engine.prepare_create(target, &mut self.draft, self.origin.has_labels, self.context)?;
        let has_generated_name = target.name.is_empty();
        let named = ObjectRef {
            name: if has_generated_name { meta::name(&self.draft) } else { target.name },
            ..*target
        };
        let attributes = self.context.attributes(Operation::Create, named, None, None);
        let is_by_update = self.origin.is_update;
        let attributes = Attributes { is_by_update, has_generated_name, ..attributes };
        engine.admission().validate(engine, attributes, &self.draft, &mut self.context.warnings).await?;

        // A version that is no number, or zero, counts as none.
        let version = Some(meta::resource_version(&self.draft)).filter(|version| !version.is_empty());
        if !dry_run && version.is_some_and(|version| parse_uint(version).is_ok_and(|version| version != 0)) {
            let message = "resourceVersion should not be set on objects to be created";
            return Err(Status::new(500, Reason::Unknown, message));
        }
        if let Some(existing) = current {
            return Err(engine.exists(target, &self.draft, existing));
        }
        if !dry_run {
            let Some(reserved) = engine.reserve(served, &tx, &self.draft, self.context.now).await? else {
                self.draft = again.unwrap_or_default();
                return Ok(Next::Again);
            };
            self.reserved = reserved;
        }
        // The former attempt's, if there is one, ends first.
        self.span = Entered::default();
        self.span =
            spans::write("Create etcd3", served, || served.key(target.namespace, meta::name(&self.draft)));
        event("About to Encode", |_| ());
        let (value, attrs) = engine.encode_stored(served, &mut self.draft).await?;
        spans::encoded(value.len());
        Ok(Next::Put(value, attrs))
    }

    fn stored_since(&self, began: Instant) {
        self.context.stored_since(began);
    }

    async fn done(&mut self, engine: &Engine, stored: Arc<Object>) -> Result<Option<WriteResult>, Status> {
        let answer = engine.answered(self.target.served, stored, self.context.dry_run).await?;
        Ok(Some(WriteResult { answer, created: true }))
    }

    async fn undo(&mut self, engine: &Engine, error: &CommitError) -> Result<Option<WriteResult>, Status> {
        engine.release(std::mem::take(&mut self.reserved), self.context.now).await;
        match error {
            CommitError::Exists(existing) => Err(engine.exists(self.target, &self.draft, existing)),
            _ => Ok(None),
        }
    }

    async fn leaner(&mut self, engine: &Engine) -> Option<(Bytes, Attrs)> {
        if self.origin.is_apply {
            None
        } else {
            engine.encode_lean(self.target.served, &mut self.draft).await
        }
    }
}

/// Refuses a body that its type allows and its kind does not.
pub(crate) fn refuse(served: &ServedResource, body: &Value) -> Result<(), Status> {
    served.strategy.refuse(body).map_err(|why| {
        let (kind, version) = (&served.resource.kind, quote(&served.resource.version));
        Status::bad_request(format!("{kind} in version {version} cannot be handled as a {kind}: {why}"))
    })
}
