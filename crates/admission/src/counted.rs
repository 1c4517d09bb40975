//! In which steps and for which operations a plugin is counted: where upstream's takes part.

use crate::metrics::AdmissionStep;
use pintle_engine::admission::Operation;

/// Plugin, steps (`a` admits, `v` validates) and operations by their first letters (`x` connects).
const PARTS: &[(&str, &str, &str)] = &[
    ("AlwaysAdmit", "av", "cudx"),
    ("NamespaceAutoProvision", "a", "c"),
    ("NamespaceLifecycle", "a", "cud"),
    ("NamespaceExists", "v", "cud"),
    ("LimitPodHardAntiAffinityTopology", "v", "cu"),
    ("LimitRanger", "av", "cu"),
    ("ServiceAccount", "av", "cu"),
    ("NodeRestriction", "a", "cud"),
    ("TaintNodesByCondition", "a", "c"),
    ("AlwaysPullImages", "av", "cu"),
    ("ImagePolicyWebhook", "v", "cu"),
    ("PodSecurity", "v", "cu"),
    ("PodNodeSelector", "av", "c"),
    ("Priority", "av", "cud"),
    ("DefaultTolerationSeconds", "a", "cu"),
    ("PodTolerationRestriction", "av", "cu"),
    ("EventRateLimit", "v", "cu"),
    ("ExtendedResourceToleration", "a", "cu"),
    ("DefaultStorageClass", "a", "c"),
    ("StorageObjectInUseProtection", "a", "c"),
    ("OwnerReferencesPermissionEnforcement", "v", "cu"),
    ("PersistentVolumeClaimResize", "v", "u"),
    ("RuntimeClass", "av", "c"),
    ("CertificateApproval", "v", "u"),
    ("CertificateSigning", "v", "u"),
    ("ClusterTrustBundleAttest", "v", "cu"),
    ("CertificateSubjectRestriction", "v", "c"),
    ("DefaultIngressClass", "a", "c"),
    ("DenyServiceExternalIPs", "v", "cu"),
    ("PodTopologyLabels", "a", "cu"),
    ("NodeDeclaredFeatureValidator", "v", "u"),
    ("PodResizeValidator", "v", "u"),
    ("MutatingAdmissionPolicy", "a", "cudx"),
    ("MutatingAdmissionWebhook", "a", "cudx"),
    ("ValidatingAdmissionPolicy", "v", "cudx"),
    ("ValidatingAdmissionWebhook", "v", "cudx"),
    ("ResourceQuota", "v", "cu"),
    ("AlwaysDeny", "av", "cudx"),
];

/// The part of a plugin.
#[derive(Clone, Copy)]
pub struct CountedPart {
    steps: &'static str,
    operations: &'static str,
}

impl CountedPart {
    pub fn of(plugin: &str) -> CountedPart {
        let row = PARTS.iter().find(|(name, ..)| *name == plugin);
        let (steps, operations) = row.map_or(("", ""), |(_, steps, operations)| (*steps, *operations));
        CountedPart { steps, operations }
    }

    pub fn has(self, step: AdmissionStep, operation: Operation) -> bool {
        let step = match step {
            AdmissionStep::Admit => 'a',
            AdmissionStep::Validate => 'v',
        };
        let operation = match operation {
            Operation::Create => 'c',
            Operation::Update => 'u',
            Operation::Delete => 'd',
            Operation::Connect => 'x',
        };
        self.steps.contains(step) && self.operations.contains(operation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::PLUGINS;

    #[test]
    fn every_plugin_that_can_be_on_has_a_part_and_none_other() {
        let named: Vec<&str> = PARTS.iter().map(|(name, ..)| *name).collect();
        let plugins = PLUGINS.iter().filter(|entry| !entry.is_idle()).map(|entry| entry.name);
        assert_eq!(plugins.collect::<Vec<_>>(), named);
    }
}
