//! The steps between mutating and validating admission: fields that the system sets or keeps, the kind's own
//! preparation, validation.

use crate::engine::Engine;
use crate::request::write_context::WriteContext;
use crate::resource::{ObjectRef, ServedResource};
use pintle_kinds::Context;
use pintle_kinds::validation::{self, NameRule};
use pintle_object::{FieldErrors, Map, Path, Status, Value, meta};

impl Engine {
    /// Prepares and validates a new object: names, uid, the kind's own rules.
    pub(super) fn prepare_create(
        &self,
        target: &ObjectRef<'_>,
        draft: &mut Value,
        has_labels: bool,
        context: &mut WriteContext<'_>,
    ) -> Result<(), Status> {
        let served = target.served;
        draft.set(&["metadata", "creationTimestamp"], context.now.to_seconds_text());
        draft.set(&["metadata", "uid"], self.generator.uid());
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
        let mut errors = context.errors(self.rules, draft, |draft, errors| {
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

    /// Prepares and validates a new version: immutable fields, the kind's own rules.
    pub(super) fn prepare_update(
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
        // The generation counts changes of the desired state, not of the status.
        let is_wanted = target.subresource != "status";
        if is_wanted && served.strategy.has_generation() && served.strategy.raises_generation(new, old) {
            meta::set_generation(new, meta::generation(old) + 1);
        }
        meta::keep_system_fields(new, old);

        self.canonicalize(served, new);
        let mut errors = context.errors(self.rules, new, |new, errors| {
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

    /// Restores fields that the JSON of the stored type always has, and rules or patches removed.
    pub(crate) fn canonicalize(&self, served: &ServedResource, draft: &mut Value) {
        pintle_schema::decode::canonicalize(&self.api.schema, served.storage_ty, draft);
    }

    fn labels_of_namespace(&self, name: &str) -> Option<Map> {
        let namespaces = self.find("", "v1", "namespaces")?;
        let stored = self.store.get(namespaces.collection()?, &namespaces.key("", name))?;
        let namespace = self.storage_tree(&namespaces, &stored).ok()?;
        namespace.map_at(&["metadata", "labels"]).cloned()
    }
}
