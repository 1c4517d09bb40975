//! ClusterTrustBundleAttest: a trust bundle of a signer needs a permission for that signer.

use super::certificates::is_permitted;
use crate::plugin::Plugin;
use crate::request::Request;
use pintle_access::rbac::changes_only_owners;
use pintle_object::field::quote;
use pintle_object::{Status, Value};

pub struct ClusterTrustBundleAttest;

impl Plugin for ClusterTrustBundleAttest {
    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        let is_write = request.is_create() || request.is_update();
        let signer = object.str_at(&["spec", "signerName"]);
        if !is_write
            || !request.is_resource("certificates.k8s.io", "clustertrustbundles")
            || signer.is_empty()
        {
            return Ok(());
        }
        // Garbage collection and storage migration leave the bundle unchanged; labels decide who uses it.
        let is_same = request.attributes.old.is_some_and(|old| changes_only_owners(object, old));
        if is_same || is_permitted(request, signer, "attest") {
            return Ok(());
        }
        Err(request
            .forbidden(object, format!("user not permitted to attest for signerName {}", quote(signer))))
    }
}
