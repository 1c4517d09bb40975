//! Managed fields: which manager last set which field.

use crate::engine::Engine;
use crate::request::write_context::WriteContext;
use crate::resource::{ObjectRef, ServedResource};
use crate::write::conversions::Conversions;
use crate::write::scale;
use pintle_kinds::OwnedFields;
use pintle_object::time::Time;
use pintle_object::{GroupVersionKind, Value};
use pintle_patch::{Filter, Tracking, Versions, track_update};
use pintle_schema::TypeId;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Engine {
    /// Accounts the difference between `live` and `new` to the manager of the call. Both are in the version of
    /// the request, with kind and apiVersion.
    pub fn track(
        &self,
        target: &ObjectRef<'_>,
        live: Option<&Value>,
        new: &mut Value,
        context: &WriteContext<'_>,
    ) {
        let by = (context.manager.as_str(), &*context.conversions);
        self.tracked(target, by, context.now, |tracking| track_update(tracking, live, new));
    }

    /// Calls a function with the tracking of writes to the target.
    pub(crate) fn tracked<R>(
        &self,
        target: &ObjectRef<'_>,
        (manager, conversions): (&str, &Conversions),
        now: Time,
        run: impl FnOnce(&Tracking<'_>) -> R,
    ) -> R {
        let served = target.served;
        let (schema, ty) = served.codec.types(served, "");
        let filter = match served.codec.owned_fields(served, target.subresource) {
            OwnedFields::AllBut(paths) => Filter::excluding(paths),
            OwnedFields::Only(paths) => Filter::including(paths),
        };
        run(&Tracking {
            schema,
            ty,
            api_version: &served.api_version(),
            subresource: target.subresource,
            manager,
            filter: &filter,
            versions: &ServedVersions { engine: self, served, conversions },
            now,
        })
    }
}

impl Engine {
    /// Like `tracked`, for the Scale of the target, which is served in one version.
    pub(crate) fn tracked_scale<R>(
        &self,
        manager: &str,
        now: Time,
        run: impl FnOnce(&Tracking<'_>) -> R,
    ) -> R {
        run(&Tracking {
            schema: &self.api.schema,
            ty: self.scale_type(),
            api_version: scale::API_VERSION,
            subresource: "scale",
            manager,
            filter: &Filter::All,
            versions: &(),
            now,
        })
    }
}

impl Engine {
    /// Accounts a body that is posted to a subresource to the manager of the call: nothing was there before.
    pub(crate) fn track_body(
        &self,
        kind: &GroupVersionKind,
        subresource: &str,
        body: &mut Value,
        context: &WriteContext<'_>,
    ) {
        let Some(ty) = self.api.kind(kind) else { return };
        let api_version = kind.group_version().to_string();
        let given = ["kind", "apiVersion"].map(|field| body.get(field).cloned());
        body.set(&["kind"], kind.kind.to_string());
        body.set(&["apiVersion"], api_version.as_str());
        let tracking = Tracking {
            schema: &self.api.schema,
            ty,
            api_version: &api_version,
            subresource,
            manager: &context.manager,
            filter: &Filter::All,
            versions: &(),
            now: context.now,
        };
        track_update(&tracking, None, body);
        for (field, given) in ["kind", "apiVersion"].into_iter().zip(given) {
            if given.is_none() {
                body.remove(&[field]);
            }
        }
    }
}

/// The versions that a resource is served in.
struct ServedVersions<'a> {
    engine: &'a Engine,
    served: &'a ServedResource,
    conversions: &'a Conversions,
}

impl Versions for ServedVersions<'_> {
    fn convert(&self, object: &Value, from: &str, to: &str) -> Result<Option<(TypeId, Value)>, String> {
        if let Some(types) = self.served.codec.version_types() {
            return self.convert_custom(types, object, from, to).map(Some);
        }
        let (Some(from), Some(to)) = (self.version(from), self.version(to)) else { return Ok(None) };
        let stored = from.codec.to_storage(&from, object.clone());
        let shown = stored.and_then(|stored| to.codec.show(&to, stored));
        Ok(shown.ok().map(|shown| (to.resource.ty, shown)))
    }
}

impl ServedVersions<'_> {
    /// Nothing is dropped: a field that another version does not know makes managers uncertain.
    fn convert_custom(
        &self,
        types: &BTreeMap<String, TypeId>,
        object: &Value,
        from: &str,
        to: &str,
    ) -> Result<(TypeId, Value), String> {
        let prefix = format!("{}/", self.served.resource.group);
        let version = to.strip_prefix(&prefix).and_then(|version| types.get(version));
        let ty =
            *version.ok_or_else(|| format!("request to convert CR to an invalid group/version: {to}"))?;
        let mut shown = object.clone();
        if from != to && self.served.has_conversion_webhook() {
            shown.set(&["apiVersion"], from);
            shown.set(&["kind"], self.served.resource.kind.as_ref());
            shown = self.conversions.of(shown, to)?;
        }
        shown.set(&["apiVersion"], to);
        Ok((ty, shown))
    }

    /// The same resource in another version of its group: managers that wrote through another group are forgotten.
    fn version(&self, api_version: &str) -> Option<Arc<ServedResource>> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        if group != self.served.resource.group {
            return None;
        }
        let served = self.engine.find(group, version, &self.served.resource.plural)?;
        (served.resource.key_prefix == self.served.resource.key_prefix).then_some(served)
    }
}
