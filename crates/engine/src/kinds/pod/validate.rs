//! Checks of pods beyond those of their specs.

use crate::validation::check::present;
use crate::validation::pod_spec::{self, Owner};
use crate::validation::{NameRule, meta};
use pintle_object::{FieldErrors, Path, Value};

const SPEC: Path<'static> = Path::root("spec");
const ANNOTATIONS: Path<'static> = Path::root("metadata.annotations");

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

/// What a new pod may not have yet.
pub fn create(pod: &Value, errors: &mut FieldErrors) {
    if !pod.list_at(&["spec", "ephemeralContainers"]).is_empty() {
        errors.forbidden(&SPEC.child("ephemeralContainers"), "cannot be set on create");
    }
    let is_gated = !pod.list_at(&["spec", "schedulingGates"]).is_empty();
    if is_gated && !pod.str_at(&["spec", "nodeName"]).is_empty() {
        let why = "cannot be set until all schedulingGates have been cleared";
        errors.forbidden(&SPEC.child("nodeName"), why);
    }
}

/// All errors of an update of a pod.
pub fn update(new: &Value, old: &Value, errors: &mut FieldErrors) {
    meta::validate_update_strict(new, old, errors);
    annotation_update(new, old, errors);
    pod(new, errors);
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

/// The annotation of mirror pods never changes.
fn annotation_update(new: &Value, old: &Value, errors: &mut FieldErrors) {
    const MIRROR: &str = "kubernetes.io/config.mirror";
    let mirror = |pod: &Value| pod.at(&["metadata", "annotations", MIRROR]).cloned();
    match (mirror(old), mirror(new)) {
        (None, Some(_)) => errors.forbidden(&ANNOTATIONS.key(MIRROR), "may not add mirror pod annotation"),
        (Some(before), after) if after.as_ref() != Some(&before) => {
            errors.forbidden(&ANNOTATIONS.key(MIRROR), "may not remove or update mirror pod annotation");
        }
        _ => {}
    }
}
