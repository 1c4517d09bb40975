//! Fields that a way of writing resets anyway, and that its manager therefore never owns.

use crate::fields::{Element, FieldSet};

/// Which fields a write can own.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Filter {
    #[default]
    All,
    /// All but these and what is below them.
    Exclude(FieldSet),
    /// Only what is below one of these paths, or on the way to it; `*` stands for any element.
    Include(Vec<Vec<&'static str>>),
}

impl Filter {
    pub fn apply(&self, mut set: FieldSet) -> FieldSet {
        match self {
            Filter::All => set,
            Filter::Exclude(excluded) => {
                set.subtract_below(excluded);
                set
            }
            Filter::Include(paths) => include(&set, &paths.iter().map(Vec::as_slice).collect::<Vec<_>>()),
        }
    }
}

fn include(set: &FieldSet, paths: &[&[&str]]) -> FieldSet {
    if paths.iter().any(|path| path.is_empty()) {
        return set.clone();
    }
    let mut out = FieldSet::new();
    for node in set.nodes() {
        let matches =
            |step: &str| step == "*" || matches!(&node.element, Element::Field(name) if name == step);
        let below: Vec<&[&str]> = paths
            .iter()
            .filter_map(|path| path.split_first().filter(|(step, _)| matches(step)).map(|(_, rest)| rest))
            .collect();
        if !below.is_empty() {
            out.push(node.element.clone(), node.is_member, include(&node.children, &below));
        }
    }
    out
}

/// The filter of a kind's resource or subresource, as upstream's strategies declare it; `has_status` tells
/// whether the resource has a status subresource.
///
/// The rule of most kinds is that the object's own endpoint resets the status, and `/status` resets the spec;
/// the table holds what kinds do besides.
pub fn reset_fields(group: &str, kind: &str, subresource: &str, has_status: bool) -> Filter {
    if let Some((.., paths)) =
        INCLUDED.iter().find(|(g, k, s, _)| *g == group && *k == kind && *s == subresource)
    {
        return Filter::Include(paths.iter().map(|path| path.split('.').collect()).collect());
    }
    let listed = RESET.iter().find(|(g, k, s, _)| *g == group && *k == kind && *s == subresource);
    let paths: &[&str] = match (listed, subresource) {
        (Some((.., paths)), _) => paths,
        (None, "status") => &["spec"],
        (None, "") if has_status => &["status"],
        (None, _) => &[],
    };
    if paths.is_empty() {
        return Filter::All;
    }
    Filter::Exclude(FieldSet::of_fields(paths.iter().copied()))
}

/// Group, kind, subresource, and the only paths that a write there can own.
const INCLUDED: &[(&str, &str, &str, &[&str])] = &[
    ("", "Pod", "ephemeralcontainers", &["spec.ephemeralContainers"]),
    (
        "",
        "Pod",
        "resize",
        &[
            "spec.containers.*.resources",
            "spec.containers.*.resizePolicy",
            "spec.initContainers.*.resources",
            "spec.initContainers.*.resizePolicy",
        ],
    ),
];

/// Group, kind, subresource, and the paths that a write there resets.
const RESET: &[(&str, &str, &str, &[&str])] = &[
    ("", "Namespace", "finalize", &["status"]),
    ("", "Pod", "status", &["spec", "metadata.deletionTimestamp", "metadata.ownerReferences"]),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy", "status", SPEC_AND_METADATA),
    ("apiregistration.k8s.io", "APIService", "status", SPEC_AND_METADATA),
    ("apps", "Deployment", "status", &["spec", "metadata.labels"]),
    ("certificates.k8s.io", "CertificateSigningRequest", "", &["spec", "status"]),
    ("certificates.k8s.io", "CertificateSigningRequest", "approval", &["spec", "status.certificate"]),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema", "status", SPEC_AND_METADATA),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration", "status", SPEC_AND_METADATA),
    ("internal.apiserver.k8s.io", "StorageVersion", "status", SPEC_AND_METADATA),
    ("networking.k8s.io", "ServiceCIDR", "status", SPEC_AND_METADATA),
    ("resource.k8s.io", "DeviceTaintRule", "status", SPEC_AND_METADATA),
    ("resource.k8s.io", "ResourceClaim", "status", SPEC_AND_METADATA),
    ("resource.k8s.io", "ResourcePoolStatusRequest", "status", SPEC_AND_METADATA),
    ("scheduling.k8s.io", "PodGroup", "status", SPEC_AND_METADATA),
    ("storage.k8s.io", "VolumeAttachment", "status", SPEC_AND_METADATA),
    ("storagemigration.k8s.io", "StorageVersionMigration", "status", SPEC_AND_METADATA),
];

const SPEC_AND_METADATA: &[&str] = &["spec", "metadata"];

/// The filter of a custom resource, or of one of its subresources.
pub fn reset_fields_of_custom(subresource: &str, has_status: bool) -> Filter {
    match subresource {
        "status" => Filter::Exclude(FieldSet::of_fields(SPEC_AND_METADATA.iter().copied())),
        "" if has_status => Filter::Exclude(FieldSet::of_fields(["status"])),
        _ => Filter::All,
    }
}
