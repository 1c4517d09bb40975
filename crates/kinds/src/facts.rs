//! Facts about the creation, replacement and deletion of objects of each kind, one row a kind.

use pintle_object::GroupVersionKind;
use pintle_schema::Resource;
use std::borrow::Cow;

/// The fate of dependents when a delete does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dependents {
    #[default]
    Delete,
    Orphan,
    /// The kind has no part in garbage collection: policies are ignored.
    Unsupported,
}

/// Facts about how objects of a kind are created, replaced and deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindFacts {
    /// An update of an object that does not exist creates it.
    pub creates_on_update: bool,
    /// An update must say which version of the object it is based on.
    pub needs_version: bool,
    pub dependents: Dependents,
    /// A delete answers with the deleted object instead of a Status.
    pub returns_deleted: bool,
    /// Whether a delete without a choice about dependents gets a warning that they stay.
    pub warns_of_orphans: bool,
    /// Whether a delete applies only to the object that exists when it begins, even without preconditions.
    pub pins_deletions: bool,
    /// Objects expire after the time that `--event-ttl` gives.
    pub expires: bool,
}

/// The facts of a kind; a kind without a row has none.
pub fn facts(group: &str, kind: &str) -> KindFacts {
    let mut found = KindFacts::default();
    let row = TABLE.iter().find(|(row_group, row_kind, _)| *row_group == group && *row_kind == kind);
    for fact in row.map(|(_, _, facts)| *facts).unwrap_or("").split_whitespace() {
        match fact {
            "creates" => found.creates_on_update = true,
            "versioned" => found.needs_version = true,
            "returns" => found.returns_deleted = true,
            "warned" => found.warns_of_orphans = true,
            "pinned" => found.pins_deletions = true,
            "expires" => found.expires = true,
            "orphans" => found.dependents = Dependents::Orphan,
            "ungarbaged" => found.dependents = Dependents::Unsupported,
            _ => unreachable!("the table has no other words"),
        }
    }
    found
}

/// Group, kind, facts. Kinds that have none are not listed.
const TABLE: &[(&str, &str, &str)] = &[
    ("", "Endpoints", "creates"),
    ("", "Event", "creates expires ungarbaged"),
    ("", "LimitRange", "creates"),
    ("", "Namespace", "pinned returns"),
    ("", "PersistentVolume", "returns"),
    ("", "PersistentVolumeClaim", "returns"),
    ("", "Pod", "returns"),
    ("", "PodTemplate", "returns"),
    ("", "ReplicationController", "orphans"),
    ("", "ResourceQuota", "returns"),
    ("", "Service", "creates returns"),
    ("", "ServiceAccount", "returns"),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy", "versioned"),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding", "versioned"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration", "versioned"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy", "versioned"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding", "versioned"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "versioned"),
    ("apiextensions.k8s.io", "CustomResourceDefinition", "pinned versioned"),
    ("apiregistration.k8s.io", "APIService", "versioned"),
    ("batch", "Job", "orphans warned"),
    ("coordination.k8s.io", "Lease", "creates versioned"),
    ("node.k8s.io", "RuntimeClass", "creates versioned"),
    ("policy", "PodDisruptionBudget", "versioned"),
    ("rbac.authorization.k8s.io", "ClusterRole", "creates"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding", "creates"),
    ("rbac.authorization.k8s.io", "Role", "creates"),
    ("rbac.authorization.k8s.io", "RoleBinding", "creates"),
    ("resource.k8s.io", "DeviceClass", "returns"),
    ("resource.k8s.io", "ResourceClaim", "returns"),
    ("resource.k8s.io", "ResourceClaimTemplate", "returns"),
    ("resource.k8s.io", "ResourceSlice", "returns"),
    ("storage.k8s.io", "CSIDriver", "versioned returns"),
    ("storage.k8s.io", "CSINode", "versioned returns"),
    ("storage.k8s.io", "CSIStorageCapacity", "versioned returns"),
    ("storage.k8s.io", "StorageClass", "returns"),
    ("storage.k8s.io", "VolumeAttachment", "versioned returns"),
    ("storage.k8s.io", "VolumeAttributesClass", "returns"),
];

/// The minor version of Kubernetes 1 whose behaviour this is.
const MINOR: u16 = 36;

/// The warning that every answer about a deprecated kind carries.
pub fn deprecation(resource: &Resource) -> Option<Cow<'static, str>> {
    match (resource.group.as_ref(), resource.version.as_ref(), resource.kind.as_ref()) {
        ("", "v1", "ComponentStatus") => Some(Cow::Borrowed("v1 ComponentStatus is deprecated in v1.19+")),
        ("", "v1", "Endpoints") => {
            Some(Cow::Borrowed("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"))
        }
        (group, version, kind) if (1..=MINOR).contains(&resource.life.deprecated) => {
            let life = &resource.life;
            let mut words = format!("{group}/{version} {kind} is deprecated in v1.{}+", life.deprecated);
            if life.removed > 0 {
                words.push_str(&format!(", unavailable in v1.{}+", life.removed));
            }
            if let Some((instead, kind)) = life.instead.rsplit_once('/') {
                words.push_str(&format!("; use {instead} {kind}"));
            }
            Some(Cow::Owned(words))
        }
        _ => None,
    }
}

/// The error of a field label that cannot be selected by, in the words of the kind's conversion upstream.
pub fn unknown_label(gvk: &GroupVersionKind, has_labels: bool, label: &str) -> String {
    let quoted = pintle_object::field::quote(label);
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("batch", "Job") => format!("field label {quoted} not supported for Job"),
        ("resource.k8s.io", "ResourceSlice") => format!("field label not supported for {gvk}: {label}"),
        ("apps", "ReplicaSet") => default_label_error(&quoted),
        _ if has_labels => format!("field label not supported: {label}"),
        _ => default_label_error(&quoted),
    }
}

fn default_label_error(quoted: &str) -> String {
    format!("{quoted} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
}

/// The label under which the stored version knows a field label of a served version.
pub fn stored_label<'a>(served: &GroupVersionKind, label: &'a str) -> Cow<'a, str> {
    if served.group != "events.k8s.io" {
        return Cow::Borrowed(label);
    }
    match label.strip_prefix("regarding.") {
        Some(rest) => Cow::Owned(format!("involvedObject.{rest}")),
        None if label == "reportingController" => Cow::Borrowed("reportingComponent"),
        None => Cow::Borrowed(label),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_reads() {
        for (group, kind, _) in TABLE {
            assert_ne!(facts(group, kind), KindFacts::default(), "{group} {kind}");
        }
        assert_eq!(facts("", "ConfigMap"), KindFacts::default());
    }
}
