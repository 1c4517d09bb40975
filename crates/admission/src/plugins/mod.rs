//! The table of plugins, in the order in which they are asked.

mod always;
mod always_pull_images;
mod anti_affinity;
pub(crate) mod certificates;
mod cluster_trust_bundle;
mod default_class;
mod deny_external_ips;
pub(crate) mod event_rate_limit;
mod extended_resource_toleration;
pub(crate) mod image_policy;
mod limit_ranger;
pub(crate) mod namespace_auto_provision;
mod namespace_exists;
mod namespace_lifecycle;
mod node_restriction;
mod owner_permission;
pub(crate) mod pod_node_selector;
mod pod_references;
mod pod_resize;
pub(crate) mod pod_security;
pub(crate) mod pod_toleration_restriction;
mod pod_topology_labels;
mod priority;
mod pvc_resize;
pub(crate) mod quota;
mod runtime_class;
mod service_account;
mod storage_protection;
mod taint_nodes;
mod tolerations;

use crate::chain::{Plugin, Settings};
use crate::policy::mutating::MutatingAdmissionPolicy;
use crate::policy::validating::ValidatingAdmissionPolicy;
use crate::webhook::{MutatingAdmissionWebhook, ValidatingAdmissionWebhook};

pub type Make = fn(&Settings) -> Box<dyn Plugin>;

/// A plugin's line in the table.
pub struct Entry {
    pub name: &'static str,
    pub is_default: bool,
    pub how: How,
}

/// How a plugin comes to be.
pub enum How {
    Made(Make),
    /// It writes, which a `Plugin` does not: the chain knows it by its name.
    Apart,
    /// Its feature is alpha in this release, and off.
    Idle,
}

const fn on(name: &'static str, make: Make) -> Entry {
    Entry { name, is_default: true, how: How::Made(make) }
}

const fn off(name: &'static str, make: Make) -> Entry {
    Entry { name, is_default: false, how: How::Made(make) }
}

const fn entry(name: &'static str, is_default: bool, how: How) -> Entry {
    Entry { name, is_default, how }
}

/// All plugins of upstream, in its order.
pub static PLUGINS: &[Entry] = &[
    off("AlwaysAdmit", |_| Box::new(always::AlwaysAdmit)),
    entry(namespace_auto_provision::NAME, false, How::Apart),
    on("NamespaceLifecycle", |_| Box::new(namespace_lifecycle::NamespaceLifecycle)),
    off("NamespaceExists", |_| Box::new(namespace_exists::NamespaceExists)),
    off("LimitPodHardAntiAffinityTopology", |_| Box::new(anti_affinity::LimitPodHardAntiAffinityTopology)),
    on("LimitRanger", |_| Box::new(limit_ranger::LimitRanger)),
    on("ServiceAccount", |_| Box::new(service_account::ServiceAccount)),
    off("NodeRestriction", |_| Box::new(node_restriction::NodeRestriction)),
    on("TaintNodesByCondition", |_| Box::new(taint_nodes::TaintNodesByCondition)),
    off("AlwaysPullImages", |_| Box::new(always_pull_images::AlwaysPullImages)),
    entry(image_policy::NAME, false, How::Apart),
    on("PodSecurity", |settings| Box::new(pod_security::PodSecurity(settings.pod_security.clone()))),
    off("PodNodeSelector", |settings| {
        Box::new(pod_node_selector::PodNodeSelector(settings.pod_node_selector.clone()))
    }),
    on("Priority", |_| Box::new(priority::Priority)),
    on("DefaultTolerationSeconds", |settings| Box::new(tolerations::DefaultTolerationSeconds::new(settings))),
    off("PodTolerationRestriction", |settings| {
        Box::new(pod_toleration_restriction::PodTolerationRestriction(settings.pod_tolerations.clone()))
    }),
    off(event_rate_limit::NAME, |settings| {
        Box::new(event_rate_limit::EventRateLimit::new(&settings.event_rate))
    }),
    off("ExtendedResourceToleration", |_| Box::new(extended_resource_toleration::ExtendedResourceToleration)),
    on("DefaultStorageClass", |_| Box::new(default_class::DefaultStorageClass)),
    on("StorageObjectInUseProtection", |_| Box::new(storage_protection::StorageObjectInUseProtection)),
    entry("PodGroupProtection", true, How::Idle),
    off("OwnerReferencesPermissionEnforcement", |_| {
        Box::new(owner_permission::OwnerReferencesPermissionEnforcement)
    }),
    on("PersistentVolumeClaimResize", |_| Box::new(pvc_resize::PersistentVolumeClaimResize)),
    on("RuntimeClass", |_| Box::new(runtime_class::RuntimeClass)),
    on("CertificateApproval", |_| Box::new(certificates::CertificateApproval)),
    on("CertificateSigning", |_| Box::new(certificates::CertificateSigning)),
    on("ClusterTrustBundleAttest", |_| Box::new(cluster_trust_bundle::ClusterTrustBundleAttest)),
    on("CertificateSubjectRestriction", |_| Box::new(certificates::CertificateSubjectRestriction)),
    on("DefaultIngressClass", |_| Box::new(default_class::DefaultIngressClass)),
    off("DenyServiceExternalIPs", |_| Box::new(deny_external_ips::DenyServiceExternalIPs)),
    on("PodTopologyLabels", |_| Box::new(pod_topology_labels::PodTopologyLabels)),
    entry("PodGroupWorkloadExists", true, How::Idle),
    on("NodeDeclaredFeatureValidator", |_| Box::new(pod_resize::NodeDeclaredFeatureValidator)),
    entry("JobValidation", true, How::Idle),
    on("PodResizeValidator", |_| Box::new(pod_resize::PodResizeValidator)),
    on("MutatingAdmissionPolicy", |_| Box::new(MutatingAdmissionPolicy::default())),
    on("MutatingAdmissionWebhook", |_| Box::new(MutatingAdmissionWebhook::default())),
    on("ValidatingAdmissionPolicy", |_| Box::new(ValidatingAdmissionPolicy::default())),
    on("ValidatingAdmissionWebhook", |_| Box::new(ValidatingAdmissionWebhook::default())),
    entry(quota::ResourceQuota::NAME, true, How::Apart),
    off("AlwaysDeny", |_| Box::new(always::AlwaysDeny)),
];
