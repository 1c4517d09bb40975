//! Managed fields: which manager last set which field.

use crate::call::Call;
use crate::convert;
use crate::engine::{Engine, Served, Target};
use pintle_object::{Status, Value};
use pintle_patch::{Tracking, Versions, reset_fields, track_update};
use pintle_schema::TypeId;

impl Engine {
    /// Accounts the difference between `live` and `new`, both in the request's version, to the manager of the call.
    pub(crate) fn track(
        &self,
        target: &Target<'_>,
        live: Option<&Value>,
        new: &mut Value,
        call: &Call<'_>,
    ) -> Result<(), Status> {
        let served = target.served;
        let gvk = served.gvk();
        let has_status = served.resource.subresource("status").is_some();
        let tracking = Tracking {
            schema: &self.api.schema,
            ty: served.resource.ty,
            api_version: &gvk.group_version().to_string(),
            subresource: target.subresource,
            manager: &call.manager,
            filter: &reset_fields(&gvk.group, &gvk.kind, target.subresource, has_status),
            versions: &ServedVersions { engine: self, served },
            now: call.now,
        };
        track_update(&tracking, live, new);
        Ok(())
    }
}

/// The versions that a resource is served in.
struct ServedVersions<'a> {
    engine: &'a Engine,
    served: &'a Served,
}

impl Versions for ServedVersions<'_> {
    fn convert(&self, object: &Value, api_version: &str) -> Option<(TypeId, Value)> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let other = self.engine.find(group, version, &self.served.resource.plural)?;
        if other.resource.key_prefix != self.served.resource.key_prefix {
            return None;
        }
        let stored = convert::to_storage(&self.engine.api, self.served, object.clone()).ok()?;
        let shown = convert::from_storage(&self.engine.api, other, stored).ok()?;
        Some((other.resource.ty, shown))
    }
}
