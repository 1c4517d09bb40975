//! `Graph`: the objects that each node may read, because of its pods; updated object by object.

use super::references::{self, References};
use crate::node::source::NodeSource;
use pintle_object::{Text, Value};
use std::collections::{HashMap, HashSet};

/// Namespace and name.
type Key = (Text, Text);

/// ```text
/// node <- pod <- secret, configmap, claim, service account, resource claim
/// node <- pod <- claim <- volume <- secret
/// node <- volume attachment, resource slice, pod certificate request
/// ```
#[derive(Debug, Default)]
pub struct Graph {
    pods: HashMap<Key, Pod>,
    /// The number of pods of each node that refer to an object.
    users: HashMap<(NodeSource, Key), HashMap<Text, usize>>,
    volumes: HashMap<Text, Volume>,
    volumes_of_secrets: HashMap<Key, HashSet<Text>>,
    /// The node that an object belongs to.
    owners: HashMap<(NodeSource, Key), Text>,
    /// Whether nodes ask for certificates of pods at all.
    pub has_pod_certificates: bool,
}

#[derive(Debug)]
struct Pod {
    node: Text,
    references: References,
}

#[derive(Debug)]
struct Volume {
    claim: Key,
    secrets: Vec<Key>,
}

impl Graph {
    /// Sets or removes a pod and its edges.
    pub fn set_pod(&mut self, namespace: &str, name: &str, pod: Option<&Value>) {
        let key = (Text::from(namespace), Text::from(name));
        if let Some(old) = self.pods.remove(&key) {
            old.references.iter().for_each(|(what, name)| self.drop_user(what, namespace, name, &old.node));
        }
        let Some(pod) = pod else { return };
        let node = Text::from(pod.str_at(&["spec", "nodeName"]));
        if node.is_empty() {
            return;
        }
        let references = references::opened_by_pod(pod);
        for (what, name) in references.iter() {
            let users = self.users.entry((what, (namespace.into(), name.clone()))).or_default();
            *users.entry(node.clone()).or_default() += 1;
        }
        self.pods.insert(key, Pod { node, references });
    }

    pub fn set_volume(&mut self, name: &str, volume: Option<&Value>) {
        if let Some(old) = self.volumes.remove(name) {
            for secret in old.secrets {
                if let Some(volumes) = self.volumes_of_secrets.get_mut(&secret) {
                    volumes.remove(name);
                    if volumes.is_empty() {
                        self.volumes_of_secrets.remove(&secret);
                    }
                }
            }
        }
        let Some(claim) = volume.and_then(|volume| volume.at(&["spec", "claimRef"])) else { return };
        let claim = (Text::from(claim.str_at(&["namespace"])), Text::from(claim.str_at(&["name"])));
        let secrets = volume.map(|volume| references::of_volume(volume, &claim.0)).unwrap_or_default();
        for secret in &secrets {
            self.volumes_of_secrets.entry(secret.clone()).or_default().insert(name.into());
        }
        self.volumes.insert(name.into(), Volume { claim, secrets });
    }

    /// Sets the node that an object belongs to; empty for none.
    pub fn set_owner(&mut self, what: NodeSource, namespace: &str, name: &str, node: &str) {
        let key = (what, (namespace.into(), name.into()));
        if node.is_empty() {
            self.owners.remove(&key);
        } else {
            self.owners.insert(key, node.into());
        }
    }

    /// Whether an object is connected with a node.
    pub fn relates(&self, node: &str, what: NodeSource, namespace: &str, name: &str) -> bool {
        let key = (Text::from(namespace), Text::from(name));
        match what {
            NodeSource::Pod => self.pods.get(&key).is_some_and(|pod| pod.node == node),
            NodeSource::Volume => self.volume_relates(node, name),
            NodeSource::Attachment | NodeSource::ResourceSlice | NodeSource::PodCertificateRequest => {
                self.owners.get(&(what, key)).is_some_and(|owner| owner == node)
            }
            NodeSource::Secret => {
                let mut volumes = self.volumes_of_secrets.get(&key).into_iter().flatten();
                self.is_used(node, what, &key) || volumes.any(|volume| self.volume_relates(node, volume))
            }
            NodeSource::ConfigMap
            | NodeSource::Claim
            | NodeSource::ServiceAccount
            | NodeSource::ResourceClaim => self.is_used(node, what, &key),
        }
    }

    fn volume_relates(&self, node: &str, name: &str) -> bool {
        self.volumes.get(name).is_some_and(|volume| self.is_used(node, NodeSource::Claim, &volume.claim))
    }

    fn is_used(&self, node: &str, what: NodeSource, key: &Key) -> bool {
        self.users.get(&(what, key.clone())).is_some_and(|users| users.contains_key(node))
    }

    fn drop_user(&mut self, what: NodeSource, namespace: &str, name: &Text, node: &Text) {
        let key = (what, (Text::from(namespace), name.clone()));
        let Some(users) = self.users.get_mut(&key) else { return };
        if let Some(count) = users.get_mut(node) {
            *count -= 1;
            if *count == 0 {
                users.remove(node);
            }
        }
        if users.is_empty() {
            self.users.remove(&key);
        }
    }
}
