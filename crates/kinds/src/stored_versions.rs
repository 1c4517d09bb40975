//! Versions that other servers stored kinds in, and that are not stored any more, or not yet.

use pintle_object::GroupVersionKind;

/// Group, versions, kinds, and the group that stores them now: their fields have the same numbers in protobuf as those of
/// the version that is stored now, and what was stored has its defaults.
const ALIKE: &[(&str, &[&str], &[&str], &str)] = &[
    ("admissionregistration.k8s.io", &["v1beta1"], WEBHOOKS, "admissionregistration.k8s.io"),
    ("admissionregistration.k8s.io", &["v1alpha1", "v1beta1"], POLICIES, "admissionregistration.k8s.io"),
    ("admissionregistration.k8s.io", &["v1", "v1alpha1"], MUTATIONS, "admissionregistration.k8s.io"),
    ("apiregistration.k8s.io", &["v1beta1"], &["APIService"], "apiregistration.k8s.io"),
    ("apps", &["v1beta1", "v1beta2"], WORKLOADS, "apps"),
    ("autoscaling", &["v2beta2"], &["HorizontalPodAutoscaler"], "autoscaling"),
    ("batch", &["v1beta1"], &["CronJob"], "batch"),
    ("certificates.k8s.io", &["v1beta1"], &["CertificateSigningRequest"], "certificates.k8s.io"),
    ("certificates.k8s.io", &["v1alpha1"], &["ClusterTrustBundle"], "certificates.k8s.io"),
    ("coordination.k8s.io", &["v1beta1"], &["Lease"], "coordination.k8s.io"),
    ("coordination.k8s.io", &["v1alpha2"], &["LeaseCandidate"], "coordination.k8s.io"),
    ("extensions", &["v1beta1"], &["DaemonSet", "Deployment", "ReplicaSet"], "apps"),
    ("extensions", &["v1beta1"], &["NetworkPolicy"], "networking.k8s.io"),
    ("flowcontrol.apiserver.k8s.io", FLOWS, &["FlowSchema"], "flowcontrol.apiserver.k8s.io"),
    ("flowcontrol.apiserver.k8s.io", FLOWS, &["PriorityLevelConfiguration"], "flowcontrol.apiserver.k8s.io"),
    ("networking.k8s.io", &["v1alpha1", "v1beta1"], &["IPAddress", "ServiceCIDR"], "networking.k8s.io"),
    ("networking.k8s.io", &["v1beta1"], &["IngressClass"], "networking.k8s.io"),
    ("node.k8s.io", &["v1beta1"], &["RuntimeClass"], "node.k8s.io"),
    ("policy", &["v1beta1"], &["PodDisruptionBudget"], "policy"),
    ("rbac.authorization.k8s.io", &["v1beta1"], RULES, "rbac.authorization.k8s.io"),
    ("resource.k8s.io", &["v1beta2"], DEVICES, "resource.k8s.io"),
    ("scheduling.k8s.io", &["v1alpha1", "v1beta1"], &["PriorityClass"], "scheduling.k8s.io"),
    ("storage.k8s.io", &["v1alpha1", "v1beta1"], STORAGE, "storage.k8s.io"),
];
const DEVICES: &[&str] =
    &["DeviceClass", "DeviceTaintRule", "ResourceClaim", "ResourceClaimTemplate", "ResourceSlice"];
const FLOWS: &[&str] = &["v1alpha1", "v1beta1", "v1beta2", "v1beta3"];
const MUTATIONS: &[&str] = &["MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"];
const POLICIES: &[&str] = &["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"];
const RULES: &[&str] = &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"];
const STORAGE: &[&str] = &[
    "CSIDriver",
    "CSINode",
    "CSIStorageCapacity",
    "StorageClass",
    "VolumeAttachment",
    "VolumeAttributesClass",
];
const WEBHOOKS: &[&str] = &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];
const WORKLOADS: &[&str] = &["ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"];

/// Whether values of a kind that say another version than the one that is stored now are read as if they were of it.
pub fn is_stored_alike(storage: &GroupVersionKind, api_version: &str) -> bool {
    let Some((group, version)) = api_version.split_once('/') else { return false };
    ALIKE.iter().any(|(old_group, versions, kinds, now)| {
        *old_group == group
            && versions.contains(&version)
            && *now == storage.group
            && kinds.contains(&storage.kind.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_versions_are_read_where_their_fields_are_the_same() {
        let check = |kind: (&str, &str, &str), api_version: &str, expected: bool| {
            let storage = GroupVersionKind::new(kind.0, kind.1, kind.2);
            assert_eq!(is_stored_alike(&storage, api_version), expected, "{kind:?} {api_version}");
        };
        check(("apps", "v1", "Deployment"), "apps/v1beta2", true);
        check(("apps", "v1", "Deployment"), "extensions/v1beta1", true);
        check(("apps", "v1", "StatefulSet"), "extensions/v1beta1", false);
        check(("networking.k8s.io", "v1", "Ingress"), "extensions/v1beta1", false);
        check(("networking.k8s.io", "v1", "Ingress"), "networking.k8s.io/v1beta1", false);
        check(("", "v1", "Secret"), "v9", false);
        check(("batch", "v1", "CronJob"), "batch/v1beta1", true);
    }
}
