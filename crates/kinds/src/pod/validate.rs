//! Checks of pods beyond those of their specs.

use crate::validation::check::present;
use crate::validation::pod_spec::owner::Owner;
use crate::validation::{NameRule, meta, pod_spec};
use pintle_object::{FieldErrors, Path, Value};

const SPEC: Path<'static> = Path::root("spec");
const ANNOTATIONS: Path<'static> = Path::root("metadata.annotations");

/// Marks the image of a pod that a node runs by itself.
pub const MIRROR: &str = "kubernetes.io/config.mirror";
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

/// All errors of a pod that hold on create and on update.
pub fn pod(pod: &Value, errors: &mut FieldErrors) {
    meta::validate_strict(pod, NameRule::Subdomain, errors);
    pod_spec::pod_annotations(pod, &ANNOTATIONS, errors);
    let spec = pod.get("spec").unwrap_or(&Value::Null);
    pod_spec::pod_spec(spec, Owner { pod: Some(pod) }, &SPEC, errors);
    token_volumes(spec, errors);
    for list in ["containers", "initContainers"] {
        pod_spec::only_for_pod(spec.list_at(&[list]), &SPEC.child(list), errors);
    }
}

/// Refuses parts that a new pod may not have yet.
pub fn create(pod: &Value, errors: &mut FieldErrors) {
    if !pod.list_at(&["spec", "ephemeralContainers"]).is_empty() {
        errors.forbidden(&SPEC.child("ephemeralContainers"), "cannot be set on create");
    }
    let is_gated = !pod.list_at(&["spec", "schedulingGates"]).is_empty();
    if is_gated && !pod.str_at(&["spec", "nodeName"]).is_empty() {
        let why = "cannot be set until all schedulingGates have been cleared";
        errors.forbidden(&SPEC.child("nodeName"), why);
    }
    pod_spec::same_profiles(pod, &SPEC, errors);
}

/// Tokens are those of a service account.
fn token_volumes(spec: &Value, errors: &mut FieldErrors) {
    if !spec.str_at(&["serviceAccountName"]).is_empty() {
        return;
    }
    let volumes = SPEC.child("volumes");
    for (index, volume) in spec.list_at(&["volumes"]).iter().enumerate() {
        let path = volumes.index(index);
        let path = path.child("projected");
        let path = path.child("sources");
        for (index, source) in volume.list_at(&["projected", "sources"]).iter().enumerate() {
            if present(source, &["serviceAccountToken"]).is_some() {
                let why = "must not be specified when serviceAccountName is not set";
                errors.forbidden(&path.index(index).child("serviceAccountToken"), why);
            }
        }
    }
}

/// Checks annotations with a meaning for pods; those that mark static and mirror pods never change.
pub fn annotation_update(new: &Value, old: &Value, errors: &mut FieldErrors) {
    let annotations = |pod: &Value| pod.map_at(&["metadata", "annotations"]).cloned().unwrap_or_default();
    let (after, before) = (annotations(new), annotations(old));
    for (key, _) in before.iter().filter(|(key, value)| after.get(key) != Some(*value)) {
        if let Some(what) = fixed_annotation(key) {
            errors.forbidden(&ANNOTATIONS.key(key), &format!("may not remove or update {what}"));
        }
    }
    for key in after.keys().filter(|key| !before.contains(key)) {
        if let Some(what) = fixed_annotation(key) {
            errors.forbidden(&ANNOTATIONS.key(key), &format!("may not add {what}"));
        }
    }
    pod_spec::pod_annotations(new, &ANNOTATIONS, errors);
}

/// The name in errors for an annotation that is decided at creation.
fn fixed_annotation(key: &str) -> Option<&'static str> {
    match key {
        MIRROR => Some("mirror pod annotation"),
        _ if key.starts_with(APP_ARMOR) => Some("AppArmor annotations"),
        _ => None,
    }
}
