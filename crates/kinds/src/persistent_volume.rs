//! PersistentVolume.

use super::{Context, Strategy, cells, keep, set_default};
use crate::validation::check::{self, invalid_all, present};
use crate::validation::pod_spec::values;
use crate::validation::{
    claim, internal_type, meta as metadata, node_labels, pod_spec, resources, volume_source,
};
use pintle_object::time::Time;
use pintle_object::{FieldErrors, Map, Path, Value, content, meta};

pub struct PersistentVolume;

impl Strategy for PersistentVolume {
    /// These are defaults of the kind and not of the type of its spec, which attachments hold too.
    fn default(&self, object: &mut Value) {
        if object.map_at(&["spec"]).is_some() {
            set_default(object, &["spec"], "persistentVolumeReclaimPolicy", "Retain");
            set_default(object, &["spec"], "volumeMode", "Filesystem");
        }
    }

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
        let time = |object: &Value| object.at(&["status", "lastPhaseTransitionTime"]).cloned();
        let has_moved = new.str_at(&["status", "phase"]) != old.str_at(&["status", "phase"]);
        let (told, before) = (time(new).filter(|time| !time.is_null()), time(old));
        if has_moved && (told.is_none() || told == before) {
            new.set(&["status", "lastPhaseTransitionTime"], now(context));
        } else if told.is_none()
            && let Some(before) = before
        {
            new.set(&["status", "lastPhaseTransitionTime"], before);
        }
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        metadata::validate_strict(object, self.name_rule(), errors);
        validate_spec(object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        // Upstream's strategy and its check of updates both check the new volume.
        self.validate(new, errors);
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
        for (key, why) in OLD_ANNOTATIONS {
            if new.at(&["metadata", "annotations", key]).is_some() {
                out.push(format!("metadata.annotations[{key}]: {why}"));
            }
        }
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
        let path = SPEC.child("nodeAffinity");
        let path = path.child("required");
        let path = path.child("nodeSelectorTerms");
        let terms = new.list_at(&["spec", "nodeAffinity", "required", "nodeSelectorTerms"]);
        for (index, term) in terms.iter().enumerate() {
            node_labels::warn_term(term, false, &path.index(index), out);
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

/// The phase, or `Terminating` while it is being deleted.
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

/// The class of a volume or claim: the old annotation, else the field.
pub(super) fn storage_class(object: &Value) -> &str {
    match object.at(&["metadata", "annotations", "volume.beta.kubernetes.io/storage-class"]) {
        Some(class) => class.as_str().unwrap_or(""),
        None => object.str_at(&["spec", "storageClassName"]),
    }
}

/// Sources of drivers that are no more: field, name in warnings, since when.
const DEPRECATED: [(&str, &str, &str); 6] = [
    ("photonPersistentDisk", "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
];

/// Annotations that are fields now.
pub(super) const OLD_ANNOTATIONS: [(&str, &str); 2] = [
    (
        "volume.beta.kubernetes.io/storage-class",
        "deprecated since v1.8; use \"storageClassName\" attribute instead",
    ),
    (
        "volume.beta.kubernetes.io/mount-options",
        "deprecated since v1.31; use \"mountOptions\" attribute instead",
    ),
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
    let is_root = |path: &str| !path.is_empty() && path.split('/').all(|part| matches!(part, "" | "."));
    if is_root(spec.str_at(&["hostPath", "path"])) && policy == "Recycle" {
        let path = SPEC.child("persistentVolumeReclaimPolicy");
        errors.forbidden(&path, "may not be 'recycle' for a hostPath mount of '/'");
    }
    let class = spec.str_at(&["storageClassName"]);
    if !class.is_empty() {
        invalid_all(content::dns1123_subdomain(class), class, &SPEC.child("storageClassName"), errors);
    }
    values::optional_one_of(spec, "volumeMode", &claim::VOLUME_MODES, &SPEC, errors);
    attributes_class(spec, errors);
}

fn attributes_class(spec: &Value, errors: &mut FieldErrors) {
    let Some(class) = present(spec, &["volumeAttributesClassName"]).and_then(Value::as_str) else { return };
    let path = SPEC.child("volumeAttributesClassName");
    if class.is_empty() {
        errors.required(&path, "an empty string is disallowed");
    } else {
        invalid_all(content::dns1123_subdomain(class), class, &path, errors);
    }
    if present(spec, &["csi"]).is_none() {
        errors.required(&SPEC.child("csi"), "has to be specified when using volumeAttributesClassName");
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
        if count > 0 && field != "flexVolume" {
            let shown = if field == "cephfs" { "cephFS" } else { field };
            errors.forbidden(&SPEC.child(shown), "may not specify more than 1 volume type");
            continue;
        }
        count += 1;
        match field {
            "csi" => csi(source, &path, errors),
            "local" => {
                match source.str_at(&["path"]) {
                    "" => errors.required(&path.child("path"), ""),
                    place => values::no_backsteps(place, &path.child("path"), errors),
                }
                if !has_affinity {
                    errors.required(&SPEC.child("nodeAffinity"), "Local volume requires node affinity");
                }
            }
            _ => volume_source::validate(field, source, true, &path, errors),
        }
        if field == "iscsi" {
            volume_source::iscsi_name(source, object.str_at(&["metadata", "name"]), &path, errors);
        }
    }
    if count == 0 {
        errors.required(&SPEC, "must specify a volume type");
    }
}

/// A volume that an attachment holds itself, which is one of a CSI driver.
pub(super) fn inline_spec(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    const INLINE: &str = "may not be specified in the context of inline volumes";
    if present(spec, &["claimRef"]).is_some() {
        errors.forbidden(&path.child("claimRef"), INLINE);
    }
    if spec.map_at(&["capacity"]).is_some_and(|capacity| !capacity.is_empty()) {
        errors.forbidden(&path.child("capacity"), INLINE);
    }
    let source = present(spec, &["csi"]);
    if source.is_none() {
        errors.required(&path.child("csi"), "has to be specified in the context of inline volumes");
    }
    claim::access_modes(spec, "", path, errors);
    if let Some(source) = source {
        csi(source, &path.child("csi"), errors);
    }
    if !SOURCES.iter().any(|field| present(spec, &[field]).is_some()) {
        errors.required(path, "must specify a volume type");
    }
    if !spec.str_at(&["storageClassName"]).is_empty() {
        errors.forbidden(&path.child("storageClassName"), INLINE);
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
    const SECRET: [&str; 2] = ["csi", "controllerExpandSecretRef"];
    let spec = |object: &Value| object.get("spec").cloned().unwrap_or_else(Value::map);
    let (mut new_source, old_source) = (spec(new), spec(old));
    if present(&old_source, &["csi"]).is_some() && present(&old_source, &SECRET).is_none() {
        new_source.remove(&SECRET);
    }
    let is_same = |field: &&str| present(&new_source, &[field]) == present(&old_source, &[field]);
    if !SOURCES.iter().all(is_same) {
        let difference = internal_type::difference(&old_source, &new_source, "PersistentVolumeSource");
        let why = format!("spec.persistentvolumesource is immutable after creation\n{difference}");
        errors.forbidden(&SPEC.child("persistentvolumesource"), &why);
    }
    check::immutable(
        present(new, &["spec", "volumeMode"]),
        present(old, &["spec", "volumeMode"]),
        &Path::root("volumeMode"),
        errors,
    );
    let (now, before) = (present(new, &["spec", "nodeAffinity"]), present(old, &["spec", "nodeAffinity"]));
    if let Some(before) = before
        && now.is_none_or(|now| !same_nodes(now, before))
    {
        let why = "field is immutable, except for updating from beta label to GA";
        let shown = internal_type::shown(now.unwrap_or(&Value::Null), "VolumeNodeAffinity");
        errors.invalid(&Path::root("nodeAffinity"), shown, why);
    }
    let class = |object: &Value| present(object, &["spec", "volumeAttributesClassName"]).is_some();
    if class(old) && !class(new) {
        let path = SPEC.child("volumeAttributesClassName");
        errors.forbidden(&path, "update from non-nil value to nil is forbidden");
    }
}

/// Whether two affinities are the same, but for labels that have their newer names in the new one.
fn same_nodes(new: &Value, old: &Value) -> bool {
    const TERMS: [&str; 2] = ["required", "nodeSelectorTerms"];
    let mut renamed = old.clone();
    let terms = renamed.at_mut(&TERMS).and_then(Value::as_list_mut).into_iter().flatten();
    for (term, new) in terms.zip(new.list_at(&TERMS)) {
        for list in ["matchExpressions", "matchFields"] {
            let requirements = term.at_mut(&[list]).and_then(Value::as_list_mut).into_iter().flatten();
            for (requirement, new) in requirements.zip(new.list_at(&[list])) {
                let key = new.str_at(&["key"]);
                if node_labels::newer(requirement.str_at(&["key"])) == Some(key) {
                    requirement.set(&["key"], key);
                }
            }
        }
    }
    renamed == *new
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(new: &str, old: &str, expected: &[&str]) {
        let parse = |spec: &str| {
            let json = format!(r#"{{"spec":{spec}}}"#);
            pintle_object::json::parse(json.as_bytes()).expect("test data is JSON")
        };
        let mut errors = FieldErrors::new();
        keep_spec(&parse(new), &parse(old), &mut errors);
        let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(shown, expected, "{old} -> {new}");
    }

    #[test]
    fn labels_of_nodes_may_get_their_newer_names() {
        let affinity = |key: &str| {
            format!(
                r#"{{"nodeAffinity":{{"required":{{"nodeSelectorTerms":[{{"matchExpressions":[{{"key":"{key}","operator":"Exists"}}]}}]}}}}}}"#
            )
        };
        check(&affinity("kubernetes.io/os"), &affinity("beta.kubernetes.io/os"), &[]);
        check(
            &affinity("a"),
            &affinity("beta.kubernetes.io/os"),
            &[
                "nodeAffinity: Invalid value: {\"Required\":{\"NodeSelectorTerms\":[{\"MatchExpressions\":[{\"Key\":\"a\",\"Operator\":\"Exists\",\"Values\":null}],\"MatchFields\":null}]}}: field is immutable, except for updating from beta label to GA",
            ],
        );
    }

    #[test]
    fn a_secret_for_expansion_may_be_added() {
        check(
            r#"{"csi":{"driver":"d","controllerExpandSecretRef":{"name":"s","namespace":"n"}}}"#,
            r#"{"csi":{"driver":"d"}}"#,
            &[],
        );
    }
}
