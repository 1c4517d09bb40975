//! StorageObjectInUseProtection: claims, volumes and attribute classes stay while something uses them.

use super::tolerations::push;
use crate::plugin::Plugin;
use crate::request::Request;
use pintle_object::{Status, Value};

/// Group, resource and the finalizer that a controller removes when nothing uses the object.
const FINALIZERS: [(&str, &str, &str); 3] = [
    ("", "persistentvolumeclaims", "kubernetes.io/pvc-protection"),
    ("", "persistentvolumes", "kubernetes.io/pv-protection"),
    ("storage.k8s.io", "volumeattributesclasses", "kubernetes.io/vac-protection"),
];

pub struct StorageObjectInUseProtection;

impl Plugin for StorageObjectInUseProtection {
    fn mutate(&self, request: &Request<'_>, object: &mut Value) -> Result<(), Status> {
        let Some((_, _, finalizer)) =
            FINALIZERS.iter().find(|(group, plural, _)| request.creates(group, plural))
        else {
            return Ok(());
        };
        let path = ["metadata", "finalizers"];
        if !object.list_at(&path).iter().any(|known| known.as_str() == Some(finalizer)) {
            push(object, &path, Value::from(*finalizer));
        }
        Ok(())
    }
}
