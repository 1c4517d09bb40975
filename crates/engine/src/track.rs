//! Managed fields: which manager last set which field.

use crate::call::Call;
use crate::engine::{Engine, Target};
use pintle_object::Value;
use pintle_patch::{Filter, Tracking, Versions, reset_fields, track_update};
use pintle_schema::TypeId;

impl Engine {
    /// Accounts the difference between `live` and `new` to the manager of the call. Both are in the version of
    /// the request, with kind and apiVersion.
    pub fn track(&self, target: &Target<'_>, live: Option<&Value>, new: &mut Value, call: &Call<'_>) {
        let filter = self.filter(target);
        let api_version = target.served.api_version();
        let tracking = self.tracking(target, &api_version, &filter, call);
        track_update(&tracking, live, new);
    }

    /// What a write to the target resets whatever the client says, and no manager therefore owns.
    pub(crate) fn filter(&self, target: &Target<'_>) -> Filter {
        let served = target.served;
        let has_status = served.resource.subresource("status").is_some();
        reset_fields(&served.storage.group, &served.storage.kind, target.subresource, has_status)
    }

    pub(crate) fn tracking<'a>(
        &'a self,
        target: &Target<'a>,
        api_version: &'a str,
        filter: &'a Filter,
        call: &'a Call<'_>,
    ) -> Tracking<'a> {
        Tracking {
            schema: &self.api.schema,
            ty: target.served.resource.ty,
            api_version,
            subresource: target.subresource,
            manager: &call.manager,
            filter,
            versions: &OneVersion,
            now: call.now,
        }
    }
}

/// Managers of another version of the kind keep what they own, as if that version were not served.
struct OneVersion;

impl Versions for OneVersion {
    fn convert(&self, _: &Value, _: &str) -> Option<(TypeId, Value)> {
        None
    }
}

impl ServedVersions<'_> {
    /// The same resource in another version.
    fn version(&self, api_version: &str) -> Option<&Served> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let served = self.engine.find(group, version, &self.served.resource.plural)?;
        (served.resource.key_prefix == self.served.resource.key_prefix).then_some(served.as_ref())
    }
}
