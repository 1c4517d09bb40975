//! NodeRestriction: a kubelet may only write its own node, the pods on it, and objects that belong to those.

use super::certificates;
use super::pod_references::api_reference;
use crate::plugin::Plugin;
use crate::request::{Request, not_found, plain};
use pintle_access::{Decision, node};
use pintle_engine::admission::Operation;
use pintle_object::field::quote;
use pintle_object::meta;
use pintle_object::{Map, RequestInfo, Status, Value, Verb};
use std::collections::BTreeSet;

const MIRROR: &str = "kubernetes.io/config.mirror";
const LEASES: &str = "kube-node-lease";
const RESTRICTED: &str = "node-restriction.kubernetes.io";

/// Labels of Kubernetes' own that kubelets set.
const LABELS: [&str; 11] = [
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];

/// Below these, kubelets set any label.
const LABEL_NAMESPACES: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];

pub struct NodeRestriction;

impl Plugin for NodeRestriction {
    fn mutate(&self, request: &Request<'_>, object: &mut Value) -> Result<(), Status> {
        if !request.attributes.user.name.starts_with(node::PREFIX) {
            return Ok(());
        }
        let user = request.user();
        let Some(node) = node::identity(user) else { return Ok(()) };
        let write = Write { request, object, node };
        if node.is_empty() {
            return write.refuse(format!("could not determine node from user {}", quote(&user.name)));
        }
        let resource = &request.attributes.target.served.resource;
        match (resource.group.as_ref(), resource.plural.as_ref()) {
            ("", "pods") => match request.subresource() {
                "" => write.pod(),
                "status" => write.pod_status(),
                "eviction" => write.eviction(),
                other => write.refuse(format!(
                    "unexpected pod subresource {}, only 'status' and 'eviction' are allowed",
                    quote(other)
                )),
            },
            ("", "nodes") => write.node(),
            ("", "persistentvolumeclaims") => write.claim(),
            ("", "serviceaccounts") => write.token(),
            ("coordination.k8s.io", "leases") => write.lease(),
            ("storage.k8s.io", "csinodes") => {
                write.own_name("can only access CSINode with the same name as the requesting node")
            }
            ("certificates.k8s.io", "certificatesigningrequests") => write.signing_request(),
            ("certificates.k8s.io", "podcertificaterequests") => write.pod_certificate_request(),
            ("resource.k8s.io", "resourceslices") => write.slice(),
            _ => Ok(()),
        }
    }
}

/// One write of a node.
struct Write<'a> {
    request: &'a Request<'a>,
    object: &'a Value,
    node: &'a str,
}

impl Write<'_> {
    fn refuse(&self, why: impl std::fmt::Display) -> Result<(), Status> {
        Err(self.request.forbidden(self.object, why))
    }

    /// A node has certificates for itself.
    fn signing_request(&self) -> Result<(), Status> {
        const SIGNERS: [&str; 2] =
            ["kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet"];
        let is_for_kubelets = SIGNERS.contains(&self.object.str_at(&["spec", "signerName"]));
        if self.operation() != Operation::Create || !self.request.subresource().is_empty() || !is_for_kubelets
        {
            return Ok(());
        }
        let wanted = format!("system:node:{}", self.node);
        match certificates::parsed(self.object) {
            Err(why) => self.refuse(format!("unable to parse csr: {why}")),
            Ok(parsed) if parsed.subject.common_name == wanted => Ok(()),
            Ok(_) => self.refuse(format!("can only create a node CSR with CN={wanted}")),
        }
    }

    fn operation(&self) -> Operation {
        self.request.attributes.operation
    }

    fn old(&self) -> &Value {
        self.request.attributes.old.unwrap_or(&Value::Null)
    }

    /// The name of the path, or of the object that is created.
    fn name(&self) -> &str {
        let name = self.request.attributes.target.name;
        if name.is_empty() { meta::name(self.object) } else { name }
    }

    fn unexpected(&self) -> Result<(), Status> {
        self.refuse(format!("unexpected operation {}", quote(self.operation().as_str())))
    }

    fn own_name(&self, why: &str) -> Result<(), Status> {
        let name = if self.request.is_create() { meta::name(self.object) } else { self.name() };
        if name == self.node { Ok(()) } else { self.refuse(why) }
    }

    fn pod(&self) -> Result<(), Status> {
        let node = quote(self.node);
        match self.operation() {
            Operation::Create => self.mirror_pod(),
            Operation::Delete => {
                if self.stored_pod(self.name())?.str_at(&["spec", "nodeName"]) == self.node {
                    return Ok(());
                }
                self.refuse(format!("node {node} can only delete pods with spec.nodeName set to itself"))
            }
            other => self.refuse(format!(
                "unexpected operation {}, node {node} can only create and delete mirror pods",
                quote(other.as_str())
            )),
        }
    }

    fn stored_pod(&self, name: &str) -> Result<Value, Status> {
        let stored = self.request.view.get("", "pods", self.request.namespace(), name);
        stored.ok_or_else(|| not_found("", "pod", name))
    }

    /// Checks a mirror pod: the API object of a static pod that the kubelet runs.
    fn mirror_pod(&self) -> Result<(), Status> {
        let (pod, node) = (self.object, quote(self.node));
        if pod.at(&["metadata", "annotations", MIRROR]).is_none() {
            return self.refuse(format!(
                "pod does not have {} annotation, node {node} can only create mirror pods",
                quote(MIRROR)
            ));
        }
        if pod.str_at(&["spec", "nodeName"]) != self.node {
            return self.refuse(format!("node {node} can only create pods with spec.nodeName set to itself"));
        }
        self.mirror_owner()?;
        match api_reference(pod) {
            Ok(Some(what)) => self.refuse(format!("node {node} can not create pods that reference {what}")),
            Ok(None) => Ok(()),
            Err(why) => self.refuse(format!("error checking mirror pod for API references: {why}")),
        }
    }

    fn mirror_owner(&self) -> Result<(), Status> {
        let node = quote(self.node);
        let only =
            |what: &str| self.refuse(format!("node {node} can only create pods with {what} set to itself"));
        let owner = match self.object.list_at(&["metadata", "ownerReferences"]) {
            [owner] => owner,
            [] => return only("an owner reference"),
            _ => return only("a single owner reference"),
        };
        let text = |field| owner.str_at(&[field]);
        if text("apiVersion") != "v1" || text("kind") != "Node" || text("name") != self.node {
            return only("an owner reference");
        }
        if !owner.bool_at(&["controller"]) {
            return only("a controller owner reference");
        }
        if owner.bool_at(&["blockOwnerDeletion"]) {
            return self.refuse(format!("node {node} must not set blockOwnerDeletion on an owner reference"));
        }
        let stored = self.request.view.get("", "nodes", "", self.node);
        let stored = stored.ok_or_else(|| not_found("", "node", self.node))?;
        if meta::uid(&stored) != text("uid") {
            let (wanted, own) = (text("uid"), meta::uid(&stored));
            return self.refuse(format!("node {} UID mismatch: expected {wanted} got {own}", self.node));
        }
        Ok(())
    }

    fn pod_status(&self) -> Result<(), Status> {
        if self.operation() != Operation::Update {
            return self.unexpected();
        }
        let node = quote(self.node);
        let (new, old) = (self.object, self.old());
        if old.str_at(&["spec", "nodeName"]) != self.node {
            return self.refuse(format!(
                "node {node} can only update pod status for pods with spec.nodeName set to itself"
            ));
        }
        if labels(new) != labels(old) {
            return self.refuse(format!("node {node} cannot update labels through pod status"));
        }
        let is_changed = |path: &[&str]| new.list_at(path) != old.list_at(path);
        if is_changed(&["status", "resourceClaimStatuses"]) {
            return self.refuse(format!("node {node} cannot update resource claim statues"));
        }
        let extended = ["status", "extendedResourceClaimStatus"];
        if new.map_at(&extended) != old.map_at(&extended) {
            return self.refuse(format!("node {node} cannot update extended resource claim status"));
        }
        Ok(())
    }

    fn eviction(&self) -> Result<(), Status> {
        if !self.request.is_create() {
            return self.unexpected();
        }
        if self.name().is_empty() {
            return self.refuse("could not determine pod from request data");
        }
        if self.stored_pod(self.name())?.str_at(&["spec", "nodeName"]) != self.node {
            let node = self.node;
            return self.refuse(format!("node {node} can only evict pods with spec.nodeName set to itself"));
        }
        Ok(())
    }

    fn claim(&self) -> Result<(), Status> {
        if self.request.subresource() != "status" {
            return self.refuse("may only update PVC status");
        }
        if self.operation() != Operation::Update {
            return self.unexpected();
        }
        let rest = |claim: &Value| {
            let mut claim = claim.clone();
            for field in ["resourceVersion", "managedFields"] {
                claim.remove(&["metadata", field]);
            }
            for field in ["capacity", "conditions", "allocatedResourceStatuses", "allocatedResources"] {
                claim.remove(&["status", field]);
            }
            claim
        };
        if rest(self.object) == rest(self.old()) {
            return Ok(());
        }
        let node = quote(self.node);
        self.refuse(format!(
            "node {node} is not allowed to update fields other than status.quantity and status.conditions"
        ))
    }

    fn node(&self) -> Result<(), Status> {
        let node = quote(self.node);
        if self.name() != self.node {
            let name = quote(self.name());
            return self.refuse(format!("node {node} is not allowed to modify node {name}"));
        }
        match self.operation() {
            Operation::Create => self.new_node(),
            Operation::Update => self.changed_node(),
            Operation::Delete | Operation::Connect => Ok(()),
        }
    }

    fn new_node(&self) -> Result<(), Status> {
        let node = quote(self.node);
        if self.object.map_at(&["spec", "configSource"]).is_some() {
            let why = "is not allowed to create pods with a non-nil configSource";
            return self.refuse(format!("node {node} {why}"));
        }
        let forbidden = forbidden_labels(labels(self.object), None);
        if forbidden.is_empty() {
            return Ok(());
        }
        self.refuse(format!("node {node} is not allowed to set the following labels: {forbidden}"))
    }

    fn changed_node(&self) -> Result<(), Status> {
        let node = quote(self.node);
        let (new, old) = (self.object, self.old());
        let source = new.map_at(&["spec", "configSource"]);
        if source.is_some() && source != old.map_at(&["spec", "configSource"]) {
            let why = "is not allowed to update configSource to a new non-nil configSource";
            return self.refuse(format!("node {node} {why}"));
        }
        let is_changed = |path: &[&str]| new.list_at(path) != old.list_at(path);
        if is_changed(&["spec", "taints"]) {
            return self.refuse(format!("node {node} is not allowed to modify taints"));
        }
        if is_changed(&["metadata", "ownerReferences"]) {
            return self.refuse(format!("node {node} is not allowed to modify ownerReferences"));
        }
        let forbidden = forbidden_labels(labels(new), labels(old));
        if !forbidden.is_empty() {
            return self.refuse(format!("is not allowed to modify labels: {forbidden}"));
        }
        Ok(())
    }

    /// A token is for a pod on the node, and for an audience that the pod has use for.
    fn token(&self) -> Result<(), Status> {
        if !self.request.is_create() || self.request.subresource() != "token" {
            return Ok(());
        }
        let text = |field| self.object.str_at(&["spec", "boundObjectRef", field]);
        if text("apiVersion") != "v1" || text("kind") != "Pod" || text("name").is_empty() {
            return self.refuse("node requested token not bound to a pod");
        }
        if text("uid").is_empty() {
            return self.refuse("node requested token with a pod binding without a uid");
        }
        let pod = self.stored_pod(text("name"))?;
        if meta::uid(&pod) != text("uid") {
            return self.refuse(format!(
                "the UID in the bound object reference ({}) does not match the UID in record. The object might \
                 have been deleted and then recreated",
                text("uid")
            ));
        }
        if pod.str_at(&["spec", "nodeName"]) != self.node {
            return self.refuse("node requested token bound to a pod scheduled on a different node");
        }
        self.audience(&pod)
    }

    fn audience(&self, pod: &Value) -> Result<(), Status> {
        let audience = match self.object.list_at(&["spec", "audiences"]) {
            [] => "",
            [only] => only.as_str().unwrap_or(""),
            _ => return self.refuse("node may only request 0 or 1 audiences"),
        };
        if self.uses_audience(pod, audience) {
            return Ok(());
        }
        let user = self.request.user();
        let asked = RequestInfo {
            verb: Verb::named("request-serviceaccounts-token-audience"),
            is_resource: true,
            version: "v1".into(),
            resource: audience.into(),
            namespace: self.request.namespace().into(),
            name: self.request.attributes.target.name.into(),
            ..RequestInfo::default()
        };
        if matches!(self.request.permissions.authorizer.authorize(user, &asked), Decision::Allow(_)) {
            return Ok(());
        }
        self.refuse(format!(
            "audience {} not found in pod spec volume, {} is not authorized to request tokens for this audience",
            quote(audience),
            user.name
        ))
    }

    /// Whether a volume of a pod needs tokens for an audience.
    fn uses_audience(&self, pod: &Value, audience: &str) -> bool {
        pod.list_at(&["spec", "volumes"]).iter().any(|volume| {
            let mut sources = volume.list_at(&["projected", "sources"]).iter();
            let is_projected = sources.any(|source| {
                let token = source.get("serviceAccountToken").filter(|token| !token.is_null());
                token.is_some_and(|token| token.str_at(&["audience"]) == audience)
            });
            is_projected || self.drivers(pod, volume).iter().any(|driver| self.driver_uses(driver, audience))
        })
    }

    /// The CSI driver of a volume, named or behind its claim.
    fn drivers(&self, pod: &Value, volume: &Value) -> Vec<String> {
        let mut drivers = vec![driver_of(volume).to_string()];
        let mut claim = volume.str_at(&["persistentVolumeClaim", "claimName"]).to_string();
        if volume.map_at(&["ephemeral"]).is_some() {
            claim = format!("{}-{}", meta::name(pod), volume.str_at(&["name"]));
        }
        let namespace = self.request.namespace();
        if let Some(claim) = self.request.view.get("", "persistentvolumeclaims", namespace, &claim)
            && let Some(volume) =
                self.request.view.get("", "persistentvolumes", "", claim.str_at(&["spec", "volumeName"]))
        {
            drivers.push(volume.get("spec").map_or("", driver_of).into());
        }
        drivers.retain(|driver| !driver.is_empty());
        drivers
    }

    fn driver_uses(&self, driver: &str, audience: &str) -> bool {
        let stored = self.request.view.get("storage.k8s.io", "csidrivers", "", driver);
        let requests = stored.as_ref().map_or(&[][..], |driver| driver.list_at(&["spec", "tokenRequests"]));
        requests.iter().any(|request| request.str_at(&["audience"]) == audience)
    }

    /// Checks that a pod on the node requests a certificate for its own account, and that all named objects exist with
    /// the given uids.
    fn pod_certificate_request(&self) -> Result<(), Status> {
        if !self.request.is_create() {
            return self.refuse(format!("unexpected operation {}", self.operation().as_str()));
        }
        if !self.request.subresource().is_empty() {
            return self.refuse(format!("unexpected subresource {}", self.request.subresource()));
        }
        let text = |field| self.object.str_at(&["spec", field]);
        if text("nodeName") != self.node {
            let (asked, own) = (quote(text("nodeName")), quote(self.node));
            return self.refuse(format!(
                "PodCertificateRequest.Spec.NodeName={asked}, which is not the requesting node {own}"
            ));
        }
        let shown = quote(&format!("{}/{}", self.request.namespace(), text("podName")));
        self.certificate_node(&shown)?;
        let pod = self.certificate_pod(&shown)?;
        if text("serviceAccountName") != pod.str_at(&["spec", "serviceAccountName"]) {
            let asked = quote(text("serviceAccountName"));
            let own = quote(pod.str_at(&["spec", "serviceAccountName"]));
            return self.refuse(format!(
                "PodCertificateRequest for pod {shown} contains serviceAccountName ({asked}) that differs from \
                 running pod ({own})"
            ));
        }
        self.certificate_account(&shown)
    }

    fn certificate_node(&self, pod: &str) -> Result<(), Status> {
        let node = quote(self.node);
        let Some(stored) = self.request.view.get("", "nodes", "", self.node) else {
            return Err(plain(format!(
                "while retrieving node {node} named in the PodCertificateRequest: node {node} not found"
            )));
        };
        let asked = self.object.str_at(&["spec", "nodeUID"]);
        if meta::uid(&stored) == asked {
            return Ok(());
        }
        let (asked, own) = (quote(asked), quote(meta::uid(&stored)));
        Err(plain(format!(
            "PodCertificateRequest for pod {pod} names node UID {asked}, inconsistent with the running node ({own})"
        )))
    }

    fn certificate_pod(&self, shown: &str) -> Result<Value, Status> {
        let name = self.object.str_at(&["spec", "podName"]);
        let Some(pod) = self.request.view.get("", "pods", self.request.namespace(), name) else {
            let missing = quote(name);
            return Err(plain(format!(
                "while retrieving pod {shown} named in the PodCertificateRequest: pod {missing} not found"
            )));
        };
        let asked = self.object.str_at(&["spec", "podUID"]);
        if meta::uid(&pod) != asked {
            let (asked, own) = (quote(asked), quote(meta::uid(&pod)));
            return Err(plain(format!(
                "PodCertificateRequest for pod {shown} contains pod UID ({asked}) which differs from running pod {own}"
            )));
        }
        if pod.str_at(&["spec", "nodeName"]) != self.node {
            let node = quote(self.node);
            self.refuse(format!(
                "pod {shown} is not running on node {node} named in the PodCertificateRequest"
            ))?;
        }
        if pod.at(&["metadata", "annotations", MIRROR]).is_some() {
            self.refuse(format!("pod {shown} is a mirror pod"))?;
        }
        Ok(pod)
    }

    fn certificate_account(&self, pod: &str) -> Result<(), Status> {
        let name = self.object.str_at(&["spec", "serviceAccountName"]);
        let namespace = self.request.namespace();
        let Some(account) = self.request.view.get("", "serviceaccounts", namespace, name) else {
            let (shown, missing) = (quote(&format!("{namespace}/{name}")), quote(name));
            return Err(plain(format!(
                "while retrieving service account {shown} named in the PodCertificateRequest: serviceaccount \
                 {missing} not found"
            )));
        };
        let asked = self.object.str_at(&["spec", "serviceAccountUID"]);
        if meta::uid(&account) == asked {
            return Ok(());
        }
        let (asked, own) = (quote(asked), quote(meta::uid(&account)));
        Err(plain(format!(
            "PodCertificateRequest for pod {pod} names service account UID {asked}, which differs from the running \
             service account ({own})"
        )))
    }

    fn lease(&self) -> Result<(), Status> {
        if self.request.namespace() != LEASES {
            let namespace = quote(LEASES);
            return self.refuse(format!("can only access leases in the {namespace} system namespace"));
        }
        self.own_name("can only access node lease with the same name as the requesting node")
    }

    fn slice(&self) -> Result<(), Status> {
        let (slice, verb) = match self.operation() {
            Operation::Create => (self.object, "create"),
            Operation::Delete => (self.old(), "delete"),
            Operation::Update | Operation::Connect => return Ok(()),
        };
        if slice.str_at(&["spec", "nodeName"]) == self.node {
            return Ok(());
        }
        self.refuse(format!("can only {verb} ResourceSlice with the same NodeName as the requesting node"))
    }
}

/// Kinds of volumes that CSI drivers have taken over.
const MIGRATED: [(&str, &str); 7] = [
    ("awsElasticBlockStore", "ebs.csi.aws.com"),
    ("azureDisk", "disk.csi.azure.com"),
    ("azureFile", "file.csi.azure.com"),
    ("cinder", "cinder.csi.openstack.org"),
    ("gcePersistentDisk", "pd.csi.storage.gke.io"),
    ("portworxVolume", "pxd.portworx.com"),
    ("vsphereVolume", "csi.vsphere.vmware.com"),
];

/// The CSI driver of a volume or a PersistentVolume; empty for none.
fn driver_of(volume: &Value) -> &str {
    let driver = volume.str_at(&["csi", "driver"]);
    let migrated = || MIGRATED.iter().find(|(kind, _)| volume.map_at(&[kind]).is_some());
    if driver.is_empty() { migrated().map_or("", |(_, driver)| driver) } else { driver }
}

fn labels(object: &Value) -> Option<&Map> {
    object.map_at(&["metadata", "labels"]).filter(|labels| !labels.is_empty())
}

/// The changed labels that a node must not change.
fn forbidden_labels(new: Option<&Map>, old: Option<&Map>) -> String {
    let keys = |labels: Option<&Map>, others: Option<&Map>| -> Vec<String> {
        let differing = labels.into_iter().flat_map(Map::iter);
        let differing =
            differing.filter(|(key, value)| others.and_then(|others| others.get(key)) != Some(*value));
        differing.map(|(key, _)| key.to_string()).collect()
    };
    let changed: BTreeSet<String> = keys(new, old).into_iter().chain(keys(old, new)).collect();
    let forbidden: Vec<String> = changed.into_iter().filter(|key| is_forbidden(key)).collect();
    forbidden.join(", ")
}

fn is_forbidden(label: &str) -> bool {
    let namespace = label.split_once('/').map_or("", |(namespace, _)| namespace);
    let is_below = |domain: &str| {
        namespace == domain || namespace.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
    };
    let is_kubernetes = is_below("kubernetes.io") || is_below("k8s.io");
    let is_kubelets = LABELS.contains(&label) || LABEL_NAMESPACES.into_iter().any(is_below);
    is_below(RESTRICTED) || (is_kubernetes && !is_kubelets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_set_labels_of_their_own_and_no_others_of_kubernetes() {
        let check = |label: &str, expected: bool| assert_eq!(is_forbidden(label), expected, "{label}");
        for label in
            ["x", "example.com/x", "kubernetes.io/os", "node.kubernetes.io/x", "a.kubelet.kubernetes.io/x"]
        {
            check(label, false);
        }
        for label in
            ["foo.kubernetes.io/x", "kubernetes.io/x", "k8s.io/x", "a.node-restriction.kubernetes.io/x"]
        {
            check(label, true);
        }
    }

    #[test]
    fn only_labels_that_change_count() {
        let parse = |json: &str| pintle_object::json::parse(json.as_bytes()).unwrap();
        let old = parse(r#"{"a.k8s.io/same":"1","a.k8s.io/gone":"1","a.k8s.io/new":"1"}"#);
        let new = parse(r#"{"a.k8s.io/same":"1","a.k8s.io/new":"2","mine":"1"}"#);
        assert_eq!(forbidden_labels(new.as_map(), old.as_map()), "a.k8s.io/gone, a.k8s.io/new");
        assert_eq!(forbidden_labels(new.as_map(), new.as_map()), "");
    }
}
