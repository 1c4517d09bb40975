//! The objects in bodies of requests, and their copies for the audit.

use crate::engine::Engine;
use crate::request::body::{self, Body};
use crate::request::options::FieldValidation;
use crate::request::write_context::WriteContext;
use crate::resource::{Expected, ObjectRef};
use pintle_object::{AuditContext, Status, Value};
use pintle_schema::{TypeId, defaults};

impl Engine {
    /// Reads the body of a create or update, and leaves it for the audit.
    pub fn read_body(
        &self,
        target: &ObjectRef<'_>,
        body: Body<'_>,
        validation: FieldValidation,
        context: &mut WriteContext<'_>,
    ) -> Result<Value, Status> {
        let (ty, mut kind) = target.body_kind();
        // An eviction is taken in the version that clients older than policy/v1 send, too.
        if target.subresource == "eviction" && body::api_version(body) == "policy/v1beta1" {
            kind.version = "v1beta1".into();
        }
        let (expected, codec) = (Expected { ty, kind }, self.codec(target.served, target.subresource));
        let (warnings, empties) = (&mut context.warnings, &mut context.empties);
        let object = codec.decode(body, &expected, validation, warnings, empties)?;
        if target.subresource == "scale" {
            // Messages are about the object that is scaled.
            context.empties.clear();
        }
        self.note_request(target, ty, &object, context);
        Ok(object)
    }

    /// Leaves the object of a create or update for the audit: as it was decoded, with its defaults, and before anything
    /// else is done to it. `ty` is its type where it is of a built-in kind.
    fn note_request(&self, target: &ObjectRef<'_>, ty: TypeId, object: &Value, context: &WriteContext<'_>) {
        let Some(audit) = context.audit else { return };
        audit.set_request(object, || {
            let mut object = object.clone();
            let served = target.served;
            let codec = self.codec(served, target.subresource);
            if ty == served.resource.ty {
                // An object that cannot be filled in is refused right after, and shows here as far as it came.
                let _ = context.default(served, &mut object);
            } else {
                defaults::apply(&self.api.schema, ty, &mut object);
            }
            if audit.omits_managed_fields() {
                object.remove(&["metadata", "managedFields"]);
            }
            let mut out = Vec::with_capacity(1024);
            codec.write_tree(ty, &object, &mut out);
            out
        });
    }

    /// Adds the options of a delete to the audit, in the version that upstream records.
    pub fn note_delete_options(&self, options: &Value, audit: &AuditContext) {
        audit.set_request_object(|| {
            let mut options = options.clone();
            options.set(&["apiVersion"], "meta.k8s.io/__internal");
            options.set(&["kind"], "DeleteOptions");
            self.tree_json(self.meta_type("DeleteOptions"), &options)
        });
    }
}
