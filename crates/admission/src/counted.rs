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

/// The letters of steps and operations, in the order in which their types have them.
const STEPS: &str = "av";
const OPERATIONS: &str = "cudx";

/// The part of a plugin: a bit for each step and each operation.
#[derive(Clone, Copy)]
pub struct CountedPart {
    steps: u8,
    operations: u8,
}

impl CountedPart {
    pub fn of(plugin: &str) -> CountedPart {
        let row = PARTS.iter().find(|(name, ..)| *name == plugin);
        let (_, steps, operations) = row.copied().unwrap_or_default();
        CountedPart { steps: bits(steps, STEPS), operations: bits(operations, OPERATIONS) }
    }

    pub fn has(self, step: AdmissionStep, operation: Operation) -> bool {
        self.steps >> step as u8 & self.operations >> operation as u8 & 1 == 1
    }
}

/// A bit for each of all letters that is among these.
fn bits(letters: &str, all: &str) -> u8 {
    all.chars().rev().fold(0, |bits, letter| bits << 1 | u8::from(letters.contains(letter)))
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

    #[test]
    fn a_part_is_what_its_row_says() {
        let part = CountedPart::of("PersistentVolumeClaimResize");
        assert!(part.has(AdmissionStep::Validate, Operation::Update));
        assert!(!part.has(AdmissionStep::Admit, Operation::Update));
        assert!(!part.has(AdmissionStep::Validate, Operation::Create));
        let part = CountedPart::of("MutatingAdmissionWebhook");
        let all = [Operation::Create, Operation::Update, Operation::Delete, Operation::Connect];
        assert!(all.into_iter().all(|operation| part.has(AdmissionStep::Admit, operation)));
        assert!(!CountedPart::of("").has(AdmissionStep::Admit, Operation::Create));
    }
}
