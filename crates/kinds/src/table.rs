//! Which rules a kind has.

use super::*;

/// The rules of a kind, by the group and kind that it is stored as.
pub fn strategy(group: &str, kind: &str) -> &'static dyn Strategy {
    let row = TABLE.iter().find(|(row_group, row_kind, _)| *row_group == group && *row_kind == kind);
    row.map_or(&plain::Plain as &'static dyn Strategy, |(_, _, strategy)| *strategy)
}

/// Group, kind, rules. Kinds that are not listed, custom resources among them, are plain.
const TABLE: &[(&str, &str, &dyn Strategy)] = &[
    ("", "ComponentStatus", &component_status::ComponentStatus),
    ("", "ConfigMap", &config_map::ConfigMap),
    ("", "Endpoints", &endpoints::Endpoints),
    ("", "Event", &event::Event),
    ("", "LimitRange", &limit_range::LimitRange),
    ("", "Namespace", &namespace::Namespace),
    ("", "Node", &node::Node),
    ("", "PersistentVolume", &persistent_volume::PersistentVolume),
    ("", "PersistentVolumeClaim", &persistent_volume_claim::PersistentVolumeClaim),
    ("", "Pod", &pod::Pod),
    ("", "PodTemplate", &pod_template::PodTemplate),
    ("", "ReplicationController", &replication_controller::ReplicationController),
    ("", "ResourceQuota", &resource_quota::ResourceQuota),
    ("", "Secret", &secret::Secret),
    ("", "Service", &service::Service),
    ("", "ServiceAccount", &service_account::ServiceAccount),
    ("apps", "ControllerRevision", &controller_revision::ControllerRevision),
    ("apps", "DaemonSet", &daemon_set::DaemonSet),
    ("apps", "Deployment", &deployment::Deployment),
    ("apps", "ReplicaSet", &replica_set::ReplicaSet),
    ("apps", "StatefulSet", &stateful_set::StatefulSet),
    (
        "admissionregistration.k8s.io",
        "MutatingAdmissionPolicy",
        &mutating_admission_policy::MutatingAdmissionPolicy,
    ),
    (
        "admissionregistration.k8s.io",
        "MutatingAdmissionPolicyBinding",
        &policy_binding::PolicyBinding { has_actions: false },
    ),
    (
        "admissionregistration.k8s.io",
        "MutatingWebhookConfiguration",
        &webhook_configuration::WebhookConfiguration,
    ),
    (
        "admissionregistration.k8s.io",
        "ValidatingAdmissionPolicy",
        &validating_admission_policy::ValidatingAdmissionPolicy,
    ),
    (
        "admissionregistration.k8s.io",
        "ValidatingAdmissionPolicyBinding",
        &policy_binding::PolicyBinding { has_actions: true },
    ),
    (
        "admissionregistration.k8s.io",
        "ValidatingWebhookConfiguration",
        &webhook_configuration::WebhookConfiguration,
    ),
    (
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        &custom_resource_definition::CustomResourceDefinition,
    ),
    ("apiregistration.k8s.io", "APIService", &api_service::APIService),
    ("autoscaling", "HorizontalPodAutoscaler", &horizontal_pod_autoscaler::HorizontalPodAutoscaler),
    ("batch", "CronJob", &cron_job::CronJob),
    ("batch", "Job", &job::Job),
    (
        "certificates.k8s.io",
        "CertificateSigningRequest",
        &certificate_signing_request::CertificateSigningRequest,
    ),
    ("certificates.k8s.io", "ClusterTrustBundle", &cluster_trust_bundle::ClusterTrustBundle),
    ("certificates.k8s.io", "PodCertificateRequest", &pod_certificate_request::PodCertificateRequest),
    ("discovery.k8s.io", "EndpointSlice", &endpoint_slice::EndpointSlice),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema", &flow_schema::FlowSchema),
    (
        "flowcontrol.apiserver.k8s.io",
        "PriorityLevelConfiguration",
        &priority_level_configuration::PriorityLevelConfiguration,
    ),
    ("networking.k8s.io", "IPAddress", &ip_address::IPAddress),
    ("networking.k8s.io", "Ingress", &ingress::Ingress),
    ("networking.k8s.io", "IngressClass", &ingress_class::IngressClass),
    ("networking.k8s.io", "NetworkPolicy", &network_policy::NetworkPolicy),
    ("networking.k8s.io", "ServiceCIDR", &service_cidr::ServiceCIDR),
    ("policy", "PodDisruptionBudget", &pod_disruption_budget::PodDisruptionBudget),
    ("rbac.authorization.k8s.io", "ClusterRole", &role::Role { is_namespaced: false }),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding", &role_binding::RoleBinding { is_namespaced: false }),
    ("rbac.authorization.k8s.io", "Role", &role::Role { is_namespaced: true }),
    ("rbac.authorization.k8s.io", "RoleBinding", &role_binding::RoleBinding { is_namespaced: true }),
    ("resource.k8s.io", "DeviceClass", &device_class::DeviceClass),
    ("resource.k8s.io", "ResourceClaim", &resource_claim::ResourceClaim),
    ("resource.k8s.io", "ResourceClaimTemplate", &resource_claim_template::ResourceClaimTemplate),
    ("resource.k8s.io", "ResourceSlice", &resource_slice::ResourceSlice),
    ("coordination.k8s.io", "Lease", &lease::Lease),
    ("node.k8s.io", "RuntimeClass", &runtime_class::RuntimeClass),
    ("scheduling.k8s.io", "PriorityClass", &priority_class::PriorityClass),
    ("storage.k8s.io", "CSIDriver", &csi_driver::CsiDriver),
    ("storage.k8s.io", "CSINode", &csi_node::CsiNode),
    ("storage.k8s.io", "CSIStorageCapacity", &csi_storage_capacity::CsiStorageCapacity),
    ("storage.k8s.io", "StorageClass", &storage_class::StorageClass),
    ("storage.k8s.io", "VolumeAttachment", &volume_attachment::VolumeAttachment),
    ("storage.k8s.io", "VolumeAttributesClass", &volume_attributes_class::VolumeAttributesClass),
];
