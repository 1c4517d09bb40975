//! The table of plugins, in the order of their calls.

mod always;
mod always_pull_images;
mod anti_affinity;
pub(crate) mod certificates;
mod cluster_trust_bundle;
mod default_class;
mod deny_external_ips;
mod event_rate_limit;
mod extended_resource_toleration;
mod image_policy;
mod limit_ranger;
mod namespace_auto_provision;
mod namespace_exists;
mod namespace_lifecycle;
mod node_restriction;
mod owner_permission;
mod pod_node_selector;
mod pod_references;
mod pod_resize;
mod pod_security;
mod pod_toleration_restriction;
mod pod_topology_labels;
mod priority;
mod pvc_resize;
mod quota;
mod runtime_class;
mod service_account;
mod storage_protection;
mod taint_nodes;
mod tolerations;

use crate::outward::Outward;
use crate::plugin::Plugin;
use crate::policy::mutating::MutatingAdmissionPolicy;
use crate::policy::validating::ValidatingAdmissionPolicy;
use crate::settings::{AdmissionSettings, Section, Setup};
use crate::webhook::{self, MutatingAdmissionWebhook, ValidatingAdmissionWebhook};

/// A plugin's line in the table.
pub struct PluginRow {
    pub name: &'static str,
    pub is_default: bool,
    pub(crate) section: Section,
    how: How,
}

/// The way to make a plugin.
enum How {
    Plain(fn() -> Box<dyn Plugin>),
    SetUp(fn(&Setup<'_>) -> Result<Box<dyn Plugin>, String>),
    /// Its feature is alpha in this release, and off.
    Idle,
}

impl PluginRow {
    /// Whether the plugin is never made.
    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.how, How::Idle)
    }

    /// The plugin, as it is set up; none for one that is idle.
    pub(crate) fn make(
        &self,
        settings: &AdmissionSettings,
        outward: &Outward,
    ) -> Result<Option<Box<dyn Plugin>>, String> {
        match self.how {
            How::Plain(make) => Ok(Some(make())),
            How::SetUp(make) => {
                let made = make(&settings.setup(self.name, outward)).map(Some);
                made.map_err(|why| format!("couldn't init admission plugin {:?}: {why}", self.name))
            }
            How::Idle => Ok(None),
        }
    }
}

const fn on(name: &'static str, make: fn() -> Box<dyn Plugin>) -> PluginRow {
    PluginRow { name, is_default: true, section: Section::None, how: How::Plain(make) }
}

const fn off(name: &'static str, make: fn() -> Box<dyn Plugin>) -> PluginRow {
    PluginRow { name, is_default: false, section: Section::None, how: How::Plain(make) }
}

const fn idle(name: &'static str) -> PluginRow {
    PluginRow { name, is_default: true, section: Section::None, how: How::Idle }
}

const fn set_up(
    name: &'static str,
    is_default: bool,
    section: Section,
    make: fn(&Setup<'_>) -> Result<Box<dyn Plugin>, String>,
) -> PluginRow {
    PluginRow { name, is_default, section, how: How::SetUp(make) }
}

const ON: bool = true;
const OFF: bool = false;

/// All plugins of upstream, in its order.
pub static PLUGINS: &[PluginRow] = &[
    off("AlwaysAdmit", || Box::new(always::AlwaysAdmit)),
    off("NamespaceAutoProvision", || Box::new(namespace_auto_provision::NamespaceAutoProvision)),
    on("NamespaceLifecycle", || Box::new(namespace_lifecycle::NamespaceLifecycle)),
    off("NamespaceExists", || Box::new(namespace_exists::NamespaceExists)),
    off("LimitPodHardAntiAffinityTopology", || Box::new(anti_affinity::LimitPodHardAntiAffinityTopology)),
    on("LimitRanger", || Box::new(limit_ranger::LimitRanger)),
    on("ServiceAccount", || Box::new(service_account::ServiceAccount)),
    off("NodeRestriction", || Box::new(node_restriction::NodeRestriction)),
    on("TaintNodesByCondition", || Box::new(taint_nodes::TaintNodesByCondition)),
    off("AlwaysPullImages", || Box::new(always_pull_images::AlwaysPullImages)),
    set_up("ImagePolicyWebhook", OFF, Section::Unversioned(image_policy::SECTION), |setup| {
        Ok(Box::new(image_policy::ImagePolicyWebhook::new(setup)?))
    }),
    set_up("PodSecurity", ON, Section::Versioned(&[pod_security::KIND]), |setup| {
        Ok(Box::new(pod_security::PodSecurity::new(setup)?))
    }),
    set_up("PodNodeSelector", OFF, Section::Unversioned(pod_node_selector::SECTION), |setup| {
        Ok(Box::new(pod_node_selector::PodNodeSelector::new(setup)))
    }),
    on("Priority", || Box::new(priority::Priority)),
    set_up("DefaultTolerationSeconds", ON, Section::None, |setup| {
        Ok(Box::new(tolerations::DefaultTolerationSeconds::new(setup.settings)))
    }),
    set_up(
        "PodTolerationRestriction",
        OFF,
        Section::Versioned(&[pod_toleration_restriction::KIND]),
        |setup| Ok(Box::new(pod_toleration_restriction::PodTolerationRestriction::new(setup))),
    ),
    set_up("EventRateLimit", OFF, Section::Versioned(&[event_rate_limit::KIND]), |setup| {
        Ok(Box::new(event_rate_limit::EventRateLimit::new(setup)?))
    }),
    off("ExtendedResourceToleration", || Box::new(extended_resource_toleration::ExtendedResourceToleration)),
    on("DefaultStorageClass", || Box::new(default_class::DefaultStorageClass)),
    on("StorageObjectInUseProtection", || Box::new(storage_protection::StorageObjectInUseProtection)),
    idle("PodGroupProtection"),
    off("OwnerReferencesPermissionEnforcement", || {
        Box::new(owner_permission::OwnerReferencesPermissionEnforcement)
    }),
    on("PersistentVolumeClaimResize", || Box::new(pvc_resize::PersistentVolumeClaimResize)),
    on("RuntimeClass", || Box::new(runtime_class::RuntimeClass)),
    on("CertificateApproval", || Box::new(certificates::CertificateApproval)),
    on("CertificateSigning", || Box::new(certificates::CertificateSigning)),
    on("ClusterTrustBundleAttest", || Box::new(cluster_trust_bundle::ClusterTrustBundleAttest)),
    on("CertificateSubjectRestriction", || Box::new(certificates::CertificateSubjectRestriction)),
    on("DefaultIngressClass", || Box::new(default_class::DefaultIngressClass)),
    off("DenyServiceExternalIPs", || Box::new(deny_external_ips::DenyServiceExternalIPs)),
    on("PodTopologyLabels", || Box::new(pod_topology_labels::PodTopologyLabels)),
    idle("PodGroupWorkloadExists"),
    on("NodeDeclaredFeatureValidator", || Box::new(pod_resize::NodeDeclaredFeatureValidator)),
    idle("JobValidation"),
    on("PodResizeValidator", || Box::new(pod_resize::PodResizeValidator)),
    on("MutatingAdmissionPolicy", || Box::new(MutatingAdmissionPolicy::default())),
    set_up("MutatingAdmissionWebhook", ON, Section::Versioned(webhook::KINDS), |setup| {
        Ok(Box::new(MutatingAdmissionWebhook::new(setup)?))
    }),
    on("ValidatingAdmissionPolicy", || Box::new(ValidatingAdmissionPolicy::default())),
    set_up("ValidatingAdmissionWebhook", ON, Section::Versioned(webhook::KINDS), |setup| {
        Ok(Box::new(ValidatingAdmissionWebhook::new(setup)?))
    }),
    on("ResourceQuota", || Box::new(quota::ResourceQuota::default())),
    off("AlwaysDeny", || Box::new(always::AlwaysDeny)),
];
