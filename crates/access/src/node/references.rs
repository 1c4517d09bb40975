//! The objects that a pod or a volume refers to by name.

use crate::node::source::NodeSource;
use pintle_object::{Map, Text, Value};

const MIRROR: &str = "kubernetes.io/config.mirror";

/// Objects of a pod's namespace, each once.
#[derive(Debug, Default)]
pub struct References(Vec<(NodeSource, Text)>);

impl References {
    pub fn iter(&self) -> impl Iterator<Item = (NodeSource, &Text)> {
        self.0.iter().map(|(what, name)| (*what, name))
    }

    fn add(&mut self, what: NodeSource, name: &str) {
        let entry = (what, Text::from(name));
        if !name.is_empty() && !self.0.contains(&entry) {
            self.0.push(entry);
        }
    }
}

/// All that is read of a pod here and for its node: other fields need not be decoded.
pub const POD_FIELDS: [&[&str]; 14] = [
    &["metadata", "name"],
    &["metadata", "annotations"],
    &["spec", "nodeName"],
    &["spec", "serviceAccountName"],
    &["spec", "imagePullSecrets"],
    &["spec", "initContainers", "env", "valueFrom"],
    &["spec", "initContainers", "envFrom"],
    &["spec", "containers", "env", "valueFrom"],
    &["spec", "containers", "envFrom"],
    &["spec", "ephemeralContainers"],
    &["spec", "volumes"],
    &["spec", "resourceClaims"],
    &["status", "resourceClaimStatuses"],
    &["status", "extendedResourceClaimStatus"],
];

/// Objects that a pod opens to its node. A mirror pod, which a kubelet may make itself, opens nothing.
pub fn opened_by_pod(pod: &Value) -> References {
    if pod.at(&["metadata", "annotations", MIRROR]).is_some() {
        return References::default();
    }
    pod_references(pod)
}

/// Objects that a pod refers to.
pub fn pod_references(pod: &Value) -> References {
    let mut found = References::default();
    found.add(NodeSource::ServiceAccount, pod.str_at(&["spec", "serviceAccountName"]));
    for secret in pod.list_at(&["spec", "imagePullSecrets"]) {
        found.add(NodeSource::Secret, secret.str_at(&["name"]));
    }
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for container in pod.list_at(&["spec", list]) {
            of_container(container, &mut found);
        }
    }
    for volume in pod.list_at(&["spec", "volumes"]) {
        of_pod_volume(pod, volume, &mut found);
    }
    of_resource_claims(pod, &mut found);
    found
}

fn of_container(container: &Value, found: &mut References) {
    for env in container.list_at(&["env"]) {
        found.add(NodeSource::Secret, env.str_at(&["valueFrom", "secretKeyRef", "name"]));
        found.add(NodeSource::ConfigMap, env.str_at(&["valueFrom", "configMapKeyRef", "name"]));
    }
    for source in container.list_at(&["envFrom"]) {
        found.add(NodeSource::Secret, source.str_at(&["secretRef", "name"]));
        found.add(NodeSource::ConfigMap, source.str_at(&["configMapRef", "name"]));
    }
}

fn of_pod_volume(pod: &Value, volume: &Value, found: &mut References) {
    let source = volume.as_map().into_iter().flat_map(Map::values);
    for source in source {
        found.add(NodeSource::Secret, source.str_at(&["secretRef", "name"]));
        found.add(NodeSource::Secret, source.str_at(&["nodePublishSecretRef", "name"]));
        // Of `secret` and `azureFile`.
        found.add(NodeSource::Secret, source.str_at(&["secretName"]));
    }
    found.add(NodeSource::ConfigMap, volume.str_at(&["configMap", "name"]));
    for source in volume.list_at(&["projected", "sources"]) {
        found.add(NodeSource::Secret, source.str_at(&["secret", "name"]));
        found.add(NodeSource::ConfigMap, source.str_at(&["configMap", "name"]));
    }
    found.add(NodeSource::Claim, volume.str_at(&["persistentVolumeClaim", "claimName"]));
    if volume.get("ephemeral").is_some_and(|source| !source.is_null()) {
        let (pod, volume) = (pod.str_at(&["metadata", "name"]), volume.str_at(&["name"]));
        found.add(NodeSource::Claim, &format!("{pod}-{volume}"));
    }
}

/// Claims that are named, or were made from a template for the pod.
fn of_resource_claims(pod: &Value, found: &mut References) {
    for claim in pod.list_at(&["spec", "resourceClaims"]) {
        found.add(NodeSource::ResourceClaim, claim.str_at(&["resourceClaimName"]));
        if claim.str_at(&["resourceClaimTemplateName"]).is_empty() {
            continue;
        }
        let statuses = pod.list_at(&["status", "resourceClaimStatuses"]).iter();
        let made = statuses.filter(|status| status.str_at(&["name"]) == claim.str_at(&["name"]));
        made.for_each(|status| found.add(NodeSource::ResourceClaim, status.str_at(&["resourceClaimName"])));
    }
    let extended = pod.str_at(&["status", "extendedResourceClaimStatus", "resourceClaimName"]);
    found.add(NodeSource::ResourceClaim, extended);
}

/// The secrets that a kubelet needs for a volume that is bound to a claim of a namespace.
pub fn of_volume(volume: &Value, claim_namespace: &str) -> Vec<(Text, Text)> {
    let Some(spec) = volume.map_at(&["spec"]) else { return Vec::new() };
    let mut found = Vec::new();
    let mut add = |namespace: &str, name: &str| {
        let namespace = if namespace.is_empty() { claim_namespace } else { namespace };
        if !name.is_empty() {
            found.push((Text::from(namespace), Text::from(name)));
        }
    };
    for source in spec.values() {
        for field in ["secretRef", "nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef"] {
            add(source.str_at(&[field, "namespace"]), source.str_at(&[field, "name"]));
        }
        add(source.str_at(&["secretNamespace"]), source.str_at(&["secretName"]));
    }
    found
}
