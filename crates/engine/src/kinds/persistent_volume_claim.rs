//! PersistentVolumeClaim.

use super::persistent_volume::{access_modes, phase, storage_class};
use super::{Context, Rules, cells, keep};
use pintle_object::{Map, Value};

pub struct PersistentVolumeClaim;

impl Rules for PersistentVolumeClaim {
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        object.set(&["status"], [("phase", "Pending")].into_iter().collect::<Map>());
        align_data_source(object);
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "status");
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let is_bound = !object.str_at(&["spec", "volumeName"]).is_empty();
        let modes = if is_bound { object.list_at(&["status", "accessModes"]) } else { &[] };
        let capacity = match object.str_at(&["status", "capacity", "storage"]) {
            _ if !is_bound => "",
            "" => "0",
            capacity => capacity,
        };
        vec![
            cells::name(object),
            phase(object),
            cells::text(object, &["spec", "volumeName"]),
            Value::from(capacity),
            Value::from(access_modes(modes)),
            Value::from(storage_class(object)),
            cells::text_or(object, &["spec", "volumeAttributesClassName"], cells::UNSET),
            cells::age(object, now_seconds),
            cells::text_or(object, &["spec", "volumeMode"], cells::UNSET),
        ]
    }
}

/// `dataSource` and `dataSourceRef` mirror each other while neither reaches into another namespace.
fn align_data_source(object: &mut Value) {
    let source = object.at(&["spec", "dataSource"]).filter(|source| !source.is_null()).cloned();
    let reference = object.at(&["spec", "dataSourceRef"]).filter(|source| !source.is_null()).cloned();
    match (source, reference) {
        (Some(source), None) => object.set(&["spec", "dataSourceRef"], source),
        (None, Some(mut reference)) if reference.str_at(&["namespace"]).is_empty() => {
            reference.remove(&["namespace"]);
            object.set(&["spec", "dataSource"], reference);
        }
        _ => {}
    }
}
