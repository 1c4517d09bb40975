//! Create: from a decoded body to a durable object.

use crate::engine::Engine;
use crate::request::admission::{Attributes, Operation};
use crate::request::options::parse_uint;
use crate::request::write_context::{Answer, WriteContext, WriteResult};
use crate::resource::{ObjectRef, ServedResource};
use crate::storage::{convert, encoding, undecodable};
use bytes::Bytes;
use pintle_kinds::Context;
use pintle_kinds::validation::{self, NameRule};
use pintle_object::field::quote;
use pintle_object::meta;
use pintle_object::{Details, FieldErrors, Map, Path, Reason, Status, Value, json};
use pintle_store::{Attrs, Change, CommitError, Key, Object, Precondition, Write};
use std::sync::Arc;

/// A generated name that is taken is replaced this many times: a collision in eight random names means that the
/// base has a million objects.
const NAME_ATTEMPTS_MAX: usize = 8;

/// Drafts of one create whose share of the pools another server takes; each one lost means that another won.
const DRAWS_MAX: usize = 100;

/// What an object that is to be created comes from.
#[derive(Clone, Copy)]
pub(crate) struct CreateSource {
    /// Whether the body had labels, before defaults.
    pub has_labels: bool,
    /// Whether it was an update or a patch, of an object that is not there.
    pub is_update: bool,
    pub is_apply: bool,
}

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
        context.default(&self.api, served, &mut object);
        meta::wipe_system_fields(&mut object);
        meta::ensure_namespace(&mut object, target.namespace)?;
        context.dedup_owners(&mut object, false);
        self.track(&target, None, &mut object, context);
        let mut draft = convert::to_storage(&self.api, served, object)?;
        let name = meta::name(&draft).to_string();
        let named = ObjectRef { name: if target.name.is_empty() { &name } else { target.name }, ..target };
        let attributes = context.attributes(Operation::Create, named, None, None);
        self.complete(attributes, &mut draft, &mut context.warnings).await?;
        context.dedup_owners(&mut draft, true);

        let is_generated =
            meta::name(&draft).is_empty() && !draft.str_at(&["metadata", "generateName"]).is_empty();
        for _ in 1..if is_generated { NAME_ATTEMPTS_MAX } else { 1 } {
            match self.create_once(&named, draft.clone(), origin, context).await {
                Err(status) if status.reason == Reason::AlreadyExists => {}
                result => return result,
            }
        }
        self.create_once(&named, draft, origin, context).await
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

    /// Creates a draft, once more whenever another server has taken what was drawn for it.
    pub(crate) async fn create_once(
        &self,
        target: &ObjectRef<'_>,
        draft: Value,
        origin: CreateSource,
        context: &mut WriteContext<'_>,
    ) -> Result<WriteResult, Status> {
        let taken = || Status::internal("what was drawn from the pools was taken by others again and again");
        if !target.served.strategy.allocates() {
            return self.create_attempt(target, draft, origin, context).await?.ok_or_else(taken);
        }
        let warnings = context.warnings.len();
        for _ in 0..DRAWS_MAX {
            context.warnings.truncate(warnings);
            if let Some(written) = self.create_attempt(target, draft.clone(), origin, context).await? {
                return Ok(written);
            }
        }
        Err(taken())
    }

    /// One attempt: fills, prepares, validates and stores a draft. `None` when what was drawn is taken.
    async fn create_attempt(
        &self,
        target: &ObjectRef<'_>,
        mut draft: Value,
        origin: CreateSource,
        context: &mut WriteContext<'_>,
    ) -> Result<Option<WriteResult>, Status> {
        let served = target.served;
        let version = meta::resource_version(&draft);
        if origin.is_update && !version.is_empty() {
            parse_uint(version).map_err(|why| Status::new(500, Reason::Unknown, why))?;
        }
        let mut draw = self.draw(served, context.dry_run);
        served.strategy.allocate(&mut draft, None, &mut draw)?;
        self.prepare_create(target, &mut draft, origin.has_labels, context)?;
        let attributes = context.attributes(Operation::Create, self.at_name(target, &draft), None, None);
        let has_generated_name = target.name.is_empty();
        let attributes = Attributes { is_by_update: origin.is_update, has_generated_name, ..attributes };
        self.admission().validate(self, attributes, &draft, &mut context.warnings).await?;

        let key = served.key(meta::namespace(&draft), meta::name(&draft));
        let Some(collection) = served.collection else {
            return self.written(served, draft, true).map(Some);
        };
        if context.dry_run {
            return match self.store.get(collection, &key) {
                Some(existing) => Err(self.exists(target, &draft, &existing)),
                None => self.rehearsed(served, &draft, true).await.map(Some),
            };
        }
        // A version that is no number, or zero, counts as none.
        if parse_uint(meta::resource_version(&draft)).is_ok_and(|version| version != 0) {
            let message = "resourceVersion should not be set on objects to be created";
            return Err(Status::new(500, Reason::Unknown, message));
        }
        let Some(reserved) = self.reserve(served, &draw, &draft, context.now).await? else {
            return match self.store.get(collection, &key) {
                Some(existing) => Err(self.exists(target, &draft, &existing)),
                None => Ok(None),
            };
        };
        let write = |value, attrs| Write {
            collection,
            key: Key::new(&key),
            precondition: Precondition::NotExists,
            change: Change::Put { value, attrs },
            ttl_seconds: self.ttl_seconds(served),
        };
        let encoded = self.encode_stored(served, &draft).await?;
        match self.commit_lean(served, &draft, encoded, origin.is_apply, write).await {
            Ok(stored) => self.answered(served, stored, true).await.map(Some),
            Err(CommitError::Exists(existing)) => {
                self.release(reserved, context.now).await;
                Err(self.exists(target, &draft, &existing))
            }
            Err(error @ CommitError::TooLarge(_)) => {
                self.release(reserved, context.now).await;
                Err(self.commit_failed(target, error))
            }
            // It may have happened: what was recorded for it stays, and is looked after later.
            Err(error) => Err(self.commit_failed(target, error)),
        }
    }

    /// Commits an object; one that is too large is tried again without managed fields, which can be given up, unless
    /// an apply is what made them.
    pub(crate) async fn commit_lean(
        &self,
        served: &ServedResource,
        object: &Value,
        (value, attrs): (Bytes, Attrs),
        is_apply: bool,
        write: impl Fn(Bytes, Attrs) -> Write,
    ) -> Result<Arc<Object>, CommitError> {
        let result = self.store.commit(write(value, attrs)).await;
        if is_apply || !matches!(result, Err(CommitError::TooLarge(_))) {
            return result;
        }
        let mut lean = object.clone();
        if lean.remove(&["metadata", "managedFields"]).is_none() {
            return result;
        }
        // A conversion that fails now changes nothing: the object stays too large.
        let Ok((value, attrs)) = self.encode_stored(served, &lean).await else { return result };
        self.store.commit(write(value, attrs)).await
    }

    /// Everything between admission's two halves: names, uid, the kind's own rules, validation.
    fn prepare_create(
        &self,
        target: &ObjectRef<'_>,
        draft: &mut Value,
        has_labels: bool,
        context: &mut WriteContext<'_>,
    ) -> Result<(), Status> {
        let served = target.served;
        draft.set(&["metadata", "creationTimestamp"], context.now.to_seconds_text());
        draft.set(&["metadata", "uid"], self.generator.uid());
        let base = draft.str_at(&["metadata", "generateName"]);
        if meta::name(draft).is_empty() && !base.is_empty() {
            let name = match served.strategy.name_rule() {
                NameRule::Ip => base.to_string(),
                _ => self.generator.name(base),
            };
            draft.set(&["metadata", "name"], name);
        }
        let namespace = if served.resource.namespaced { target.namespace } else { "" };
        meta::ensure_namespace(draft, namespace)?;
        if served.strategy.has_generation() {
            meta::set_generation(draft, 1);
        }
        served.strategy.prepare_warnings(draft, &mut context.warnings);
        self.drop_gated(served, draft, None);
        served.strategy.prepare_create(draft, &Context { has_labels, ..context.for_strategy(target) });
        self.canonicalize(served, draft);

        let labels = || self.labels_of_namespace(target.namespace);
        let mut errors = context.errors(draft, |draft, errors| {
            served.strategy.validate_in_namespace(draft, &labels, errors);
            served.strategy.validate_as(&served.gvk(), draft, errors);
        });
        if errors.is_empty() {
            validation::meta::validate(draft, NameRule::PathSegment, &mut errors);
        }
        if served.resource.namespaced && namespace.is_empty() {
            let mut first = FieldErrors::new();
            first.required(&Path::root("metadata").child("namespace"), "");
            first.extend(errors);
            errors = first;
        }
        if !errors.is_empty() {
            return Err(Status::invalid(&served.storage.group_kind(), meta::name(draft), errors));
        }
        served.strategy.warnings(draft, None, &mut context.warnings);
        served.strategy.complete(draft);
        Ok(())
    }

    /// Shows again what the JSON of the stored type always shows, and rules or patches took away.
    pub(crate) fn canonicalize(&self, served: &ServedResource, draft: &mut Value) {
        pintle_schema::decode::canonicalize(&self.api.schema, served.storage_ty, draft);
    }

    fn labels_of_namespace(&self, name: &str) -> Option<Map> {
        let namespaces = self.find("", "v1", "namespaces")?;
        let stored = self.store.get(namespaces.collection?, &namespaces.key("", name))?;
        let namespace = self.storage_tree(&namespaces, &stored).ok()?;
        namespace.map_at(&["metadata", "labels"]).cloned()
    }

    fn at_name<'a>(&self, target: &ObjectRef<'a>, draft: &'a Value) -> ObjectRef<'a> {
        ObjectRef { name: if target.name.is_empty() { meta::name(draft) } else { target.name }, ..*target }
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
        let existing = match &served.custom {
            // Its metadata is the same in all versions.
            Some(_) => json::parse(&existing.value).ok(),
            None => self.storage_tree(served, existing).ok(),
        };
        let is_deleting = existing.is_some_and(|existing| meta::is_deleting(&existing));
        if is_deleting {
            status.message = format!("object is being deleted: {}", status.message);
        }
        status
    }

    /// A draft in the storage version as the answer to a write.
    pub(crate) fn written(
        &self,
        served: &ServedResource,
        draft: Value,
        created: bool,
    ) -> Result<WriteResult, Status> {
        let mut object = convert::from_storage(&self.api, served, draft)?;
        encoding::set_kind(served, &mut object);
        Ok(WriteResult { answer: Answer::Tree(object), created })
    }

    /// The answer to a write that is stored: nothing is decoded again only to be shown.
    pub(crate) async fn answered(
        &self,
        served: &ServedResource,
        stored: Arc<Object>,
        created: bool,
    ) -> Result<WriteResult, Status> {
        let stored = self.converted(served, stored).await?;
        Ok(WriteResult { answer: Answer::Stored(stored), created })
    }

    /// What a write would answer: the object as it would be stored, and read again.
    pub(crate) async fn rehearsed(
        &self,
        served: &ServedResource,
        draft: &Value,
        created: bool,
    ) -> Result<WriteResult, Status> {
        let rehearsal = self.rehearsal(served, draft).await?;
        let mut object = self.tree(served, &rehearsal)?;
        meta::set(&mut object, "resourceVersion", meta::resource_version(draft));
        Ok(WriteResult { answer: Answer::Tree(object), created })
    }

    pub(crate) fn commit_failed(&self, target: &ObjectRef<'_>, error: CommitError) -> Status {
        let resource = target.served.group_resource();
        match error {
            CommitError::Exists(_) => Status::already_exists(&resource, target.name),
            CommitError::Missing => Status::not_found(&resource, target.name),
            CommitError::Stale(_) => Status::stale(&resource, target.name),
            CommitError::NotEncrypted(_)
            | CommitError::TooLarge(_)
            | CommitError::ReadOnly(_)
            | CommitError::Refused(_)
            | CommitError::Unavailable(_) => store_failed(error),
        }
    }
}

/// A failure of the store itself, whatever was asked of it.
pub fn store_failed(error: CommitError) -> Status {
    let unavailable =
        |message: &str, why| Status::new(503, Reason::ServiceUnavailable, message).with_internal(why);
    match error {
        // As kube-apiserver does: etcd's words, which operators know.
        CommitError::NotEncrypted(error) => undecodable::internal(&error.0),
        CommitError::TooLarge(why) | CommitError::Refused(why) => Status::new(500, Reason::Unknown, why),
        CommitError::ReadOnly(why) => unavailable("the store does not take writes", why),
        CommitError::Unavailable(why) => unavailable("the store cannot be reached", why),
        CommitError::Exists(_) | CommitError::Missing | CommitError::Stale(_) => {
            Status::internal("a write did not find what it expected")
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
