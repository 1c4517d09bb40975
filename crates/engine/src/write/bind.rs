//! Bindings: an object that is not stored, but changes the pod that it names.

use crate::engine::Engine;
use crate::request::write_context::WriteContext;
use crate::resource::ObjectRef;
use crate::write::preconditions::check_uid;
use pintle_kinds::binding;
use pintle_object::meta;
use pintle_object::{FieldError, FieldErrors, GroupResource, GroupVersionKind, Reason, Status, Value};

impl Engine {
    /// Assigns the pod of `pod` to the node that the binding names. `asked` is the resource of the request: the pod's
    /// subresource, or the old `bindings`.
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
        self.complete_posted(asked, &mut body, context).await?;
        let mut errors = FieldErrors::new();
        binding::validate(&body, &mut errors);
        if !errors.is_empty() {
            let texts: Vec<String> = errors.iter().map(FieldError::to_string).collect();
            let text = if texts.len() == 1 { texts.concat() } else { format!("[{}]", texts.join(", ")) };
            return Err(Status::new(500, Reason::Unknown, text));
        }
        self.judge_posted(asked, &body, context).await?;
        let resource = &pod.served.resource;
        let conflict = |why: String| {
            let resource =
                GroupResource::new(resource.group.as_ref(), format!("{}/binding", resource.plural));
            Status::conflict(&resource, pod.name, &why)
        };
        self.rewrite(&pod, context, |object| {
            check_uid(&pod, &body, object)?;
            binding::bind(object, &body, context.now).map_err(conflict)
        })
        .await
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
