//! PersistentVolume.

use super::{Context, Rules, cells, keep};
use crate::meta;
use pintle_object::time::Time;
use pintle_object::{Map, Value};

pub struct PersistentVolume;

impl Rules for PersistentVolume {
    fn prepare_create(&self, object: &mut Value, context: &Context<'_>) {
        let mut status = Map::new();
        status.insert("phase", "Pending");
        status.insert("lastPhaseTransitionTime", now(context));
        object.set(&["status"], status);
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "status");
    }

    fn prepare_status(&self, new: &mut Value, old: &Value, context: &Context<'_>) {
        keep(new, old, "spec");
        let has_moved = new.str_at(&["status", "phase"]) != old.str_at(&["status", "phase"]);
        let is_untold =
            new.at(&["status", "lastPhaseTransitionTime"]) == old.at(&["status", "lastPhaseTransitionTime"]);
        if has_moved && is_untold {
            new.set(&["status", "lastPhaseTransitionTime"], now(context));
        }
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let claim = object.map_at(&["spec", "claimRef"]).map_or_else(String::new, |_| {
            let at = |field: &str| object.str_at(&["spec", "claimRef", field]);
            format!("{}/{}", at("namespace"), at("name"))
        });
        let phase = phase(object);
        vec![
            cells::name(object),
            cells::text(object, &["spec", "capacity", "storage"]),
            Value::from(access_modes(object.list_at(&["spec", "accessModes"]))),
            cells::text(object, &["spec", "persistentVolumeReclaimPolicy"]),
            phase,
            Value::from(claim),
            Value::from(storage_class(object)),
            cells::text_or(object, &["spec", "volumeAttributesClassName"], cells::UNSET),
            cells::text(object, &["status", "reason"]),
            cells::age(object, now_seconds),
            cells::text_or(object, &["spec", "volumeMode"], cells::UNSET),
        ]
    }
}

fn now(context: &Context<'_>) -> Value {
    Value::from(Time { seconds: context.now_seconds, nanos: 0 }.to_seconds_text())
}

/// The phase, or `Terminating` for what is being deleted.
pub(super) fn phase(object: &Value) -> Value {
    if meta::is_deleting(object) {
        Value::from("Terminating")
    } else {
        cells::text(object, &["status", "phase"])
    }
}

/// `RWO,ROX,RWX,RWOP`, in this order.
pub(super) fn access_modes(modes: &[Value]) -> String {
    const SHORT: [(&str, &str); 4] = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let has = |long: &str| modes.iter().any(|mode| mode.as_str() == Some(long));
    let shown: Vec<&str> = SHORT.iter().filter(|(long, _)| has(long)).map(|(_, short)| *short).collect();
    shown.join(",")
}

/// The class of a volume or claim: the annotation of old, else the field.
pub(super) fn storage_class(object: &Value) -> &str {
    match object.at(&["metadata", "annotations", "volume.beta.kubernetes.io/storage-class"]) {
        Some(class) => class.as_str().unwrap_or(""),
        None => object.str_at(&["spec", "storageClassName"]),
    }
}
