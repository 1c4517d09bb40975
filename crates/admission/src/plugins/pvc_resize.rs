//! PersistentVolumeClaimResize: only bound claims of a class that allows expansion may grow.

use crate::plugin::Plugin;
use crate::request::Request;
use pintle_object::quantity::Quantity;
use pintle_object::{Status, Value};

const SIZE: [&str; 4] = ["spec", "resources", "requests", "storage"];

pub struct PersistentVolumeClaimResize;

impl Plugin for PersistentVolumeClaimResize {
    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        let Some(old) = request.attributes.old else { return Ok(()) };
        if !request.is_update() || !request.is_object("", "persistentvolumeclaims") {
            return Ok(());
        }
        if size(object).cmp(&size(old)).is_le() {
            return Ok(());
        }
        if old.str_at(&["status", "phase"]) != "Bound" {
            return Err(request.forbidden(object, "Only bound persistent volume claims can be expanded"));
        }
        let class = class_name(old);
        let class = request.view.get("storage.k8s.io", "storageclasses", "", class);
        if class.is_some_and(|class| class.bool_at(&["allowVolumeExpansion"])) {
            return Ok(());
        }
        let why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc \
                   must support resize";
        Err(request.forbidden(object, why))
    }
}

fn size(claim: &Value) -> Quantity {
    Quantity::parse(claim.str_at(&SIZE)).unwrap_or(Quantity::ZERO)
}

fn class_name(claim: &Value) -> &str {
    let beta = claim.str_at(&["metadata", "annotations", "volume.beta.kubernetes.io/storage-class"]);
    if beta.is_empty() { claim.str_at(&["spec", "storageClassName"]) } else { beta }
}
