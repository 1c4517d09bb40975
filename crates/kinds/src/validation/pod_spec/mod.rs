//! Pod specs, of pods and of the templates of workloads.

mod affinity;
mod annotations;
mod container;
mod downward;
mod env;
mod lifecycle;
mod network;
mod overlap;
pub(crate) mod owner;
mod placement;
mod resources;
mod security;
pub(crate) mod values;
mod volumes;
mod warnings;

pub use affinity::node_selector;
pub use annotations::{Unsaid, pod_annotations, same_profiles, unsaid};
pub use container::only_for_pod;
pub use placement::tolerations;
pub use resources::requirements;
pub use warnings::{APP_ARMOR_DEPRECATED, warnings};

use super::check::{invalid_all, present};
use super::{meta, resources as names};
use pintle_object::{FieldErrors, Path, Value, content};

/// Checks the pod template at a path: labels and annotations, then the spec.
pub fn template(template: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    meta::labels(template, path, errors);
    meta::annotations(template, path, errors);
    pod_annotations(template, &path.child("annotations"), errors);
    let spec = template.get("spec").unwrap_or(&Value::Null);
    pod_spec(spec, Owner { pod: None }, &path.child("spec"), errors);
    same_profiles(template, &path.child("spec"), errors);
    if !spec.list_at(&["ephemeralContainers"]).is_empty() {
        let path = path.child("spec");
        errors.forbidden(
            &path.child("ephemeralContainers"),
            "ephemeral containers not allowed in pod template",
        );
    }
}

/// Checks a spec in upstream's order.
pub fn pod_spec(spec: &Value, owner: Owner<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    let volumes = volumes::validate(spec, owner, &path.child("volumes"), errors);
    let claims = placement::resource_claims(spec, &path.child("resourceClaims"), errors);
    let shared = container::PodParts { spec, volumes: &volumes, claims: &claims };
    container::containers(&shared, &path.child("containers"), errors);
    container::init_containers(&shared, &path.child("initContainers"), errors);
    container::ephemeral_containers(&shared, &path.child("ephemeralContainers"), errors);
    resources::pod_level(spec, &claims, &path.child("resources"), errors);
    network::host_ports(spec, owner, path, errors);
    one_of(spec, "restartPolicy", &["Always", "OnFailure", "Never"], path, errors);
    let dns = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    one_of(spec, "dnsPolicy", &dns, path, errors);
    if let Some(selector) = spec.map_at(&["nodeSelector"]) {
        content::labels(selector, &path.child("nodeSelector"), errors);
    }
    security::pod(spec, path, errors);
    affinity::validate(spec, &path.child("affinity"), errors);
    network::dns_config(spec, &path.child("dnsConfig"), errors);
    placement::readiness_gates(spec, &path.child("readinessGates"), errors);
    placement::scheduling_gates(spec, &path.child("schedulingGates"), errors);
    placement::spread(spec, &path.child("topologySpreadConstraints"), errors);
    security::host_process(spec, path, errors);
    security::host_users(spec, path, errors);
    scalars(spec, path, errors);
    if let Some(overhead) = spec.map_at(&["overhead"]) {
        let as_limits: Value = Value::Map([("limits", overhead.clone())].into_iter().collect());
        resources::container(&as_limits, &[], &path.child("overhead"), errors);
    }
    security::os(spec, &path.child("os"), path, errors);
    network::hostname_override(spec, path, errors);
}

/// Fields of one value, between `hostUsers` and `overhead`.
fn scalars(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    type Check = fn(&str) -> Vec<String>;
    let text = |field: &str, check: Check, errors: &mut FieldErrors| {
        let value = spec.str_at(&[field]);
        if !value.is_empty() {
            invalid_all(check(value), value, &path.child(field), errors);
        }
    };
    text("serviceAccountName", content::dns1123_subdomain, errors);
    text("nodeName", content::dns1123_subdomain, errors);
    if let Some(seconds) = spec.int_at(&["activeDeadlineSeconds"])
        && !(1..=i64::from(i32::MAX)).contains(&seconds)
    {
        let why = content::inclusive_range_error(1, i32::MAX.into());
        errors.invalid(&path.child("activeDeadlineSeconds"), seconds, &why);
    }
    text("hostname", content::dns1123_label, errors);
    text("subdomain", content::dns1123_label, errors);
    placement::tolerations(spec.list_at(&["tolerations"]), &path.child("tolerations"), errors);
    network::host_aliases(spec, &path.child("hostAliases"), errors);
    text("priorityClassName", content::dns1123_subdomain, errors);
    if let Some(class) = present(spec, &["runtimeClassName"]).and_then(Value::as_str) {
        invalid_all(content::dns1123_subdomain(class), class, &path.child("runtimeClassName"), errors);
    }
    if let Some(policy) = present(spec, &["preemptionPolicy"]).and_then(Value::as_str) {
        match policy {
            "PreemptLowerPriority" | "Never" => {}
            "" => errors.required(&path.child("preemptionPolicy"), ""),
            other => {
                errors.not_supported(
                    &path.child("preemptionPolicy"),
                    other,
                    &["Never", "PreemptLowerPriority"],
                );
            }
        }
    }
}

use crate::validation::pod_spec::owner::Owner;
use crate::validation::pod_spec::values::one_of;
pub(super) use names::quantity;
