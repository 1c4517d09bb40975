//! The table of plugins, in the order in which they are asked.

mod certificates;
mod default_class;
mod limit_ranger;
mod namespace_lifecycle;
mod node_restriction;
pub(crate) mod pod_security;
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

pub type Make = fn(&Settings) -> Box<dyn Plugin>;

/// A plugin's line in the table.
pub struct Entry {
    pub name: &'static str,
    pub is_default: bool,
    /// Absent for a plugin that is not built yet.
    pub make: Option<Make>,
}

const fn on(name: &'static str, make: Make) -> Entry {
    Entry { name, is_default: true, make: Some(make) }
}

const fn off(name: &'static str, make: Make) -> Entry {
    Entry { name, is_default: false, make: Some(make) }
}

const fn planned(name: &'static str, is_default: bool) -> Entry {
    Entry { name, is_default, make: None }
}

/// All plugins of upstream by name. `ResourceQuota` is listed where it is asked, though the chain holds it apart.
pub static PLUGINS: &[Entry] = &[
    planned("AlwaysAdmit", false),
    planned("NamespaceAutoProvision", false),
    on("NamespaceLifecycle", |_| Box::new(namespace_lifecycle::NamespaceLifecycle)),
    planned("NamespaceExists", false),
    planned("LimitPodHardAntiAffinityTopology", false),
    on("LimitRanger", |_| Box::new(limit_ranger::LimitRanger)),
    on("ServiceAccount", |_| Box::new(service_account::ServiceAccount)),
    off("NodeRestriction", |_| Box::new(node_restriction::NodeRestriction)),
    on("TaintNodesByCondition", |_| Box::new(taint_nodes::TaintNodesByCondition)),
    planned("AlwaysPullImages", false),
    planned("ImagePolicyWebhook", false),
    on("PodSecurity", |settings| Box::new(pod_security::PodSecurity(settings.pod_security.clone()))),
    planned("PodNodeSelector", false),
    on("Priority", |_| Box::new(priority::Priority)),
    on("DefaultTolerationSeconds", |settings| Box::new(tolerations::DefaultTolerationSeconds::new(settings))),
    planned("PodTolerationRestriction", false),
    planned("EventRateLimit", false),
    planned("ExtendedResourceToleration", false),
    on("DefaultStorageClass", |_| Box::new(default_class::DefaultStorageClass)),
    on("StorageObjectInUseProtection", |_| Box::new(storage_protection::StorageObjectInUseProtection)),
    planned("OwnerReferencesPermissionEnforcement", false),
    on("PersistentVolumeClaimResize", |_| Box::new(pvc_resize::PersistentVolumeClaimResize)),
    on("RuntimeClass", |_| Box::new(runtime_class::RuntimeClass)),
    on("CertificateApproval", |_| Box::new(certificates::CertificateApproval)),
    on("CertificateSigning", |_| Box::new(certificates::CertificateSigning)),
    planned("ClusterTrustBundleAttest", true),
    on("CertificateSubjectRestriction", |_| Box::new(certificates::CertificateSubjectRestriction)),
    on("DefaultIngressClass", |_| Box::new(default_class::DefaultIngressClass)),
    planned("DenyServiceExternalIPs", false),
    on("PodTopologyLabels", |_| Box::new(pod_topology_labels::PodTopologyLabels)),
    planned("NodeDeclaredFeatureValidator", true),
    planned("MutatingAdmissionPolicy", true),
    planned("MutatingAdmissionWebhook", true),
    planned("ValidatingAdmissionPolicy", true),
    planned("ValidatingAdmissionWebhook", true),
    planned("ResourceQuota", true),
    planned("AlwaysDeny", false),
];

/// Whether a plugin is upstream's, but not built yet.
pub fn is_planned(name: &str) -> bool {
    PLUGINS
        .iter()
        .any(|entry| entry.name == name && entry.make.is_none() && name != quota::ResourceQuota::NAME)
}
