//! Bindings: an object that is not stored, but changes the pod that it names.

use crate::engine::Engine;
use crate::request::admission::Operation;
use crate::request::write_context::WriteContext;
use crate::resource::ObjectRef;
use pintle_kinds::binding;
use pintle_object::meta;
use pintle_object::{FieldError, FieldErrors, GroupResource, GroupVersionKind, Reason, Status, Value};
use pintle_store::{Change, CommitError, Key, Precondition, Write};

const ATTEMPTS_MAX: usize = 5;

impl Engine {
    /// Assigns the pod of `pod` to the node that the binding names. `asked` is what the request is about: the pod's
    /// subresource, or the bindings of old.
    pub async fn bind(
        &self,
        pod: ObjectRef<'_>,
        asked: ObjectRef<'_>,
        mut body: Value,
        context: &mut WriteContext<'_>,
    ) -> Result<(), Status> {
        pod.check_name()?;
        meta::ensure_namespace(&mut body, pod.namespace)?;
        if meta::name(&body) != pod.name {
            return Err(Status::bad_request("name in URL does not match name in Binding object"));
        }
        self.track_body(&GroupVersionKind::new("", "v1", "Binding"), asked.subresource, &mut body, context);
        let attributes = context.attributes(Operation::Create, asked, None, None);
        self.admission().mutate(self, attributes, &mut body, &mut context.warnings).await?;
        let mut errors = FieldErrors::new();
        binding::validate(&body, &mut errors);
        if !errors.is_empty() {
            let texts: Vec<String> = errors.iter().map(FieldError::to_string).collect();
            let text = if texts.len() == 1 { texts.concat() } else { format!("[{}]", texts.join(", ")) };
            return Err(Status::new(500, Reason::Unknown, text));
        }
        let attributes = context.attributes(Operation::Create, asked, None, None);
        self.admission().validate(self, attributes, &body, &mut context.warnings).await?;
        for _ in 0..ATTEMPTS_MAX {
            if self.bind_once(&pod, &body, context).await? {
                return Ok(());
            }
        }
        Err(Status::stale(&pod.served.group_resource(), pod.name))
    }

    /// One attempt; false when another write came in between.
    async fn bind_once(
        &self,
        pod: &ObjectRef<'_>,
        body: &Value,
        context: &WriteContext<'_>,
    ) -> Result<bool, Status> {
        let served = pod.served;
        let missing = || Status::not_found(&served.group_resource(), pod.name);
        let collection = served.collection.ok_or_else(missing)?;
        let existing = self.store.get(collection, &pod.key()).ok_or_else(missing)?;
        let mut object = self.storage_tree(served, &existing)?;
        crate::write::preconditions::check_uid(pod, body, &object)?;
        let conflict = |why: String| {
            let resource = GroupResource::new(
                served.resource.group.as_ref(),
                format!("{}/binding", served.resource.plural),
            );
            Status::conflict(&resource, pod.name, &why)
        };
        binding::bind(&mut object, body, context.now).map_err(conflict)?;
        if context.dry_run {
            return Ok(true);
        }
        let (value, attrs) = self.to_stored(served, &object);
        let write = Write {
            collection,
            key: Key::new(existing.key.as_str()),
            precondition: Precondition::ModRevision(existing.mod_revision),
            change: Change::Put { value, attrs },
            ttl_seconds: None,
        };
        match self.store.commit(write).await {
            Ok(_) => Ok(true),
            Err(CommitError::Stale(_)) => Ok(false),
            Err(error) => Err(self.commit_failed(pod, error)),
        }
    }
}

/// The Status that answers a create of something that is not stored.
pub fn created() -> Value {
    let mut status = Value::map();
    status.set(&["kind"], "Status");
    status.set(&["apiVersion"], "v1");
    status.set(&["metadata"], pintle_object::Map::new());
    status.set(&["status"], "Success");
    status.set(&["code"], 201_i64);
    status
}
