//! `OwnedFields`: the fields that a write to a resource or subresource can own, as upstream's strategies declare them
//! (`GetResetFields` and `GetResetFieldsFilter`).

use OwnedFields::{AllBut, Only};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnedFields {
    /// All but those below these paths, which such a write resets anyway.
    AllBut(&'static [&'static str]),
    /// Only fields below these paths; `*` stands for any element.
    Only(&'static [&'static str]),
}

/// The fields of a kind that a write can own; `has_status`: whether the resource has a status subresource.
///
/// By the rule of most kinds the object's own endpoint resets the status, and `/status` resets the spec; the table
/// holds the exceptions.
pub fn owned_fields(group: &str, kind: &str, subresource: &str, has_status: bool) -> OwnedFields {
    let listed = OWNED.iter().find(|(g, k, s, _)| *g == group && *k == kind && *s == subresource);
    match (listed, subresource) {
        (Some((.., fields)), _) => *fields,
        (None, "status") => AllBut(&["spec"]),
        (None, "") if has_status => AllBut(&["status"]),
        (None, _) => AllBut(&[]),
    }
}

/// The same of a custom resource, or of one of its subresources.
pub fn owned_fields_of_custom(subresource: &str, has_status: bool) -> OwnedFields {
    match subresource {
        "status" => SPEC_AND_METADATA,
        "" if has_status => AllBut(&["status"]),
        _ => AllBut(&[]),
    }
}

const SPEC_AND_METADATA: OwnedFields = AllBut(&["spec", "metadata"]);

/// Group, kind, subresource, and the fields that a write there can own.
const OWNED: &[(&str, &str, &str, OwnedFields)] = &[
    ("", "Namespace", "finalize", AllBut(&["status"])),
    ("", "Pod", "ephemeralcontainers", Only(&["spec.ephemeralContainers"])),
    (
        "",
        "Pod",
        "resize",
        Only(&[
            "spec.containers.*.resources",
            "spec.containers.*.resizePolicy",
            "spec.initContainers.*.resources",
            "spec.initContainers.*.resizePolicy",
        ]),
    ),
    ("", "Pod", "status", AllBut(&["spec", "metadata.deletionTimestamp", "metadata.ownerReferences"])),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy", "status", SPEC_AND_METADATA),
    ("apiregistration.k8s.io", "APIService", "status", SPEC_AND_METADATA),
    ("apps", "Deployment", "status", AllBut(&["spec", "metadata.labels"])),
    ("certificates.k8s.io", "CertificateSigningRequest", "", AllBut(&["spec", "status"])),
    ("certificates.k8s.io", "CertificateSigningRequest", "approval", AllBut(&["spec", "status.certificate"])),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_comes_before_the_rule_of_most_kinds() {
        for (group, kind, subresource, expected) in [
            ("", "Pod", "", AllBut(&["status"])),
            ("", "Pod", "ephemeralcontainers", Only(&["spec.ephemeralContainers"])),
            ("", "Service", "status", AllBut(&["spec"])),
            ("", "Service", "scale", AllBut(&[])),
            ("apps", "Deployment", "status", AllBut(&["spec", "metadata.labels"])),
        ] {
            assert_eq!(owned_fields(group, kind, subresource, true), expected, "{kind}/{subresource}");
        }
        assert_eq!(owned_fields("", "ConfigMap", "", false), AllBut(&[]));
    }
}
