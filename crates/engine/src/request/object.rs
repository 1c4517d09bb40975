//! What the audit of a request is told of its object.

use crate::engine::Engine;
use crate::request::write_context::WriteContext;
use crate::resource::ObjectRef;
use pintle_object::{AuditContext, Value, json};
use pintle_schema::{TypeId, defaults};

impl Engine {
    /// Leaves the object of a create or update for the audit: as it was decoded, with its defaults, and before anything
    /// else is done to it. `ty` is its type where it is of a built-in kind.
    pub fn note_request(
        &self,
        target: &ObjectRef<'_>,
        ty: TypeId,
        object: &Value,
        context: &WriteContext<'_>,
    ) {
        let Some(audit) = context.audit else { return };
        audit.set_request(object, || {
            let mut object = object.clone();
            let served = target.served;
            if ty == served.resource.ty || served.custom.is_some() {
                context.default(&self.api, served, &mut object);
            } else {
                defaults::apply(&self.api.schema, ty, &mut object);
            }
            if audit.omits_managed_fields() {
                object.remove(&["metadata", "managedFields"]);
            }
            match served.custom {
                Some(_) => json::to_string(&object).into_bytes(),
                None => self.tree_json(ty, &object),
            }
        });
    }

    /// Leaves the options of a delete, in the version that upstream tells them in.
    pub fn note_delete_options(&self, options: &Value, audit: &AuditContext) {
        audit.set_request_object(|| {
            let mut options = options.clone();
            options.set(&["apiVersion"], "meta.k8s.io/__internal");
            options.set(&["kind"], "DeleteOptions");
            self.tree_json(self.meta_type("DeleteOptions"), &options)
        });
    }
}
