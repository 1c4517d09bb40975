//! PersistentVolume.

use super::{Context, Rules, cells, keep};
use crate::meta;
use crate::validation::check::{self, invalid_all, present};
use crate::validation::{claim, meta as metadata, pod_spec, resources, volume_source};
use pintle_object::time::Time;
use pintle_object::{FieldErrors, Map, Path, Value, content};

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

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        metadata::validate_strict(object, self.name_rule(), errors);
        validate_spec(object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        self.validate(new, errors);
        keep_spec(new, old, errors);
    }

    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        metadata::validate_update_strict(new, old, errors);
        if new.str_at(&["metadata", "resourceVersion"]).is_empty() {
            errors.required(&Path::root("resourceVersion"), "");
        }
    }

    fn warnings(&self, new: &Value, _old: Option<&Value>, out: &mut Vec<String>) {
        for (field, shown, since) in DEPRECATED {
            if present(new, &["spec", field]).is_some() {
                out.push(format!("spec.{shown}: {since}"));
            }
        }
        if new.str_at(&["spec", "persistentVolumeReclaimPolicy"]) == "Recycle" {
            out.push(String::from(
                "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.",
            ));
        }
        if let Some(amount) =
            new.at(&["spec", "capacity", "storage"]).filter(|amount| !resources::quantity(amount).is_whole())
        {
            let amount = amount.as_str().unwrap_or("");
            out.push(format!(
                "spec.capacity[storage]: fractional byte value \"{amount}\" is invalid, must be an integer"
            ));
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

/// Sources of drivers that are no more: field, name in warnings, since when.
pub(super) const DEPRECATED: [(&str, &str, &str); 8] = [
    ("photonPersistentDisk", "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("flocker", "flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "quobyte", "deprecated in v1.22, non-functional in v1.25+"),
];

const SPEC: Path<'static> = Path::root("spec");

/// Sources of volumes, in upstream's order.
const SOURCES: [&str; 22] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "storageos",
    "csi",
];

fn validate_spec(object: &Value, errors: &mut FieldErrors) {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    claim::access_modes(spec, "", &SPEC, errors);
    capacity(spec, &SPEC.child("capacity"), errors);
    let policy = spec.str_at(&["persistentVolumeReclaimPolicy"]);
    if !matches!(policy, "" | "Delete" | "Recycle" | "Retain") {
        let path = SPEC.child("persistentVolumeReclaimPolicy");
        errors.not_supported(&path, policy, &["Delete", "Recycle", "Retain"]);
    }
    let has_affinity = node_affinity(spec, errors);
    sources(object, spec, has_affinity, errors);
    if spec.str_at(&["hostPath", "path"]) == "/" && policy == "Recycle" {
        let path = SPEC.child("persistentVolumeReclaimPolicy");
        errors.forbidden(&path, "may not be 'recycle' for a hostPath mount of '/'");
    }
    for field in ["storageClassName", "volumeAttributesClassName"] {
        let class = spec.str_at(&[field]);
        if !class.is_empty() && field == "storageClassName" {
            invalid_all(content::dns1123_subdomain(class), class, &SPEC.child(field), errors);
        }
        if field == "storageClassName" {
            pod_spec::optional_one_of(spec, "volumeMode", &claim::VOLUME_MODES, &SPEC, errors);
        } else if !class.is_empty() {
            invalid_all(content::dns1123_subdomain(class), class, &SPEC.child(field), errors);
        }
    }
}

fn capacity(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let given = spec.map_at(&["capacity"]).filter(|capacity| !capacity.is_empty());
    if given.is_none() {
        errors.required(path, "");
    }
    if given.is_none_or(|capacity| !capacity.contains("storage") || capacity.len() > 1) {
        let shown = spec.get("capacity").unwrap_or(&Value::Null);
        errors.not_supported(path, shown, &["storage"]);
    }
    for (name, amount) in given.into_iter().flat_map(|capacity| capacity.iter()) {
        resources::resource_name(name, &path.key(name), errors);
        resources::positive(amount, &path.key(name), errors);
    }
}

fn node_affinity(spec: &Value, errors: &mut FieldErrors) -> bool {
    let Some(affinity) = present(spec, &["nodeAffinity"]) else { return false };
    let path = SPEC.child("nodeAffinity");
    let path = path.child("required");
    match present(affinity, &["required"]) {
        Some(required) => pod_spec::node_selector(required, &path, errors),
        None => errors.required(&path, "must specify required node constraints"),
    }
    true
}

fn sources(object: &Value, spec: &Value, has_affinity: bool, errors: &mut FieldErrors) {
    let mut count = 0;
    for field in SOURCES {
        let Some(source) = present(spec, &[field]) else { continue };
        let path = SPEC.child(field);
        if count > 0 {
            errors.forbidden(&path, "may not specify more than 1 volume type");
            continue;
        }
        count += 1;
        match field {
            "csi" => csi(source, &path, errors),
            "local" => {
                match source.str_at(&["path"]) {
                    "" => errors.required(&path.child("path"), ""),
                    place => pod_spec::no_backsteps(place, &path.child("path"), errors),
                }
                if !has_affinity {
                    errors
                        .required(&Path::root("metadata.annotations"), "Local volume requires node affinity");
                }
            }
            _ => volume_source::validate(field, source, true, &path, errors),
        }
        if field == "iscsi" {
            let with_name = Value::Map(
                [("iscsi", source.clone()), ("name", Value::from(object.str_at(&["metadata", "name"])))]
                    .into_iter()
                    .collect(),
            );
            volume_source::name_limits(field, &with_name, &SPEC, errors);
        }
    }
    if count == 0 {
        errors.required(&SPEC, "must specify a volume type");
    }
}

fn csi(source: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    volume_source::csi_driver(source.str_at(&["driver"]), &path.child("driver"), errors);
    if source.str_at(&["volumeHandle"]).is_empty() {
        errors.required(&path.child("volumeHandle"), "");
    }
    for field in [
        "controllerPublishSecretRef",
        "controllerExpandSecretRef",
        "nodePublishSecretRef",
        "nodeExpandSecretRef",
    ] {
        volume_source::secret_reference(source, field, path, errors);
    }
}

/// The source, mode and nodes of a volume do not change once they are set.
fn keep_spec(new: &Value, old: &Value, errors: &mut FieldErrors) {
    let source = |object: &Value| -> Vec<Option<Value>> {
        SOURCES.iter().map(|field| present(object, &["spec", field]).cloned()).collect()
    };
    if source(new) != source(old) {
        let path = SPEC.child("persistentvolumesource");
        errors.forbidden(&path, "spec.persistentvolumesource is immutable after creation");
    }
    check::immutable(
        present(new, &["spec", "volumeMode"]),
        present(old, &["spec", "volumeMode"]),
        &Path::root("volumeMode"),
        errors,
    );
    let (now, before) = (present(new, &["spec", "nodeAffinity"]), present(old, &["spec", "nodeAffinity"]));
    if before.is_some() && now != before {
        let why = "field is immutable, except for updating from beta label to GA";
        errors.invalid(&Path::root("nodeAffinity"), now.unwrap_or(&Value::Null), why);
    }
}
