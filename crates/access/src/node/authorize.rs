//! Requests that a node may make.

use super::graph::Graph;
use crate::authorize::Decision;
use crate::node::identity::identity;
use crate::node::source::NodeSource;
use crate::rbac::Rule;
use pintle_object::field::quote;
use pintle_object::selector::FieldSelector;
use pintle_object::user::User;
use pintle_object::{RequestInfo, Verb};

const LEASES: &str = "kube-node-lease";

/// Decides about a node's request. `rules`: the rights of every node on resources without special rules.
pub fn authorize(graph: &Graph, rules: &[Rule], user: &User, asked: &RequestInfo) -> Decision {
    let Some(node) = identity(user) else { return no("") };
    if node.is_empty() {
        return Decision::NoOpinion(format!("unknown node for user {}", quote(&user.name)));
    }
    let request = NodeRequest { graph, node, asked };
    if asked.is_resource {
        match (asked.group.as_str(), asked.resource.as_str()) {
            ("", "secrets") => return request.read_in_namespace(NodeSource::Secret),
            ("", "configmaps") => return request.read_in_namespace(NodeSource::ConfigMap),
            ("", "persistentvolumeclaims") if asked.subresource == "status" => {
                return request.write_status(NodeSource::Claim);
            }
            ("", "persistentvolumeclaims") => return request.get(NodeSource::Claim),
            ("", "persistentvolumes") => return request.get(NodeSource::Volume),
            ("resource.k8s.io", "resourceclaims") => return request.get(NodeSource::ResourceClaim),
            ("resource.k8s.io", "resourceslices") => return request.slice(),
            ("storage.k8s.io", "volumeattachments") => return request.get(NodeSource::Attachment),
            ("storage.k8s.io", "csinodes") => return request.csi_node(),
            ("coordination.k8s.io", "leases") => return request.lease(),
            ("", "serviceaccounts") => return request.service_account(),
            ("", "nodes") => return request.node(),
            ("", "pods") => return request.pod(),
            ("certificates.k8s.io", "podcertificaterequests") => return request.pod_certificate_request(),
            _ => {}
        }
    }
    if rules.iter().any(|rule| rule.allows(asked)) { yes() } else { no("") }
}

fn yes() -> Decision {
    Decision::Allow(String::new())
}

fn no(why: &str) -> Decision {
    Decision::NoOpinion(why.into())
}

struct NodeRequest<'a> {
    graph: &'a Graph,
    node: &'a str,
    asked: &'a RequestInfo,
}

impl NodeRequest<'_> {
    /// Allows the request if a pod on the node refers to its object.
    fn related(&self, what: NodeSource) -> Decision {
        if self.asked.name.is_empty() {
            return no("No Object name found");
        }
        if self.graph.relates(self.node, what, &self.asked.namespace, &self.asked.name) {
            return yes();
        }
        no(&format!("no relationship found between node '{}' and this object", self.node))
    }

    fn read_in_namespace(&self, what: NodeSource) -> Decision {
        if !self.asked.verb.is_read() {
            return no("can only read resources of this type");
        }
        if !self.asked.subresource.is_empty() {
            return no("cannot read subresource");
        }
        if self.asked.namespace.is_empty() {
            return no("can only read namespaced object of this type");
        }
        self.related(what)
    }

    fn get(&self, what: NodeSource) -> Decision {
        if self.asked.verb != Verb::Get {
            return no("can only get individual resources of this type");
        }
        if !self.asked.subresource.is_empty() {
            return no("cannot get subresource");
        }
        self.related(what)
    }

    fn write_status(&self, what: NodeSource) -> Decision {
        match self.asked.verb {
            Verb::Update | Verb::Patch => self.related(what),
            _ => no("can only get/update/patch this type"),
        }
    }

    fn service_account(&self) -> Decision {
        let asked = self.asked;
        if asked.verb == Verb::Get && asked.subresource.is_empty() {
            return self.related(NodeSource::ServiceAccount);
        }
        if asked.verb != Verb::Create || asked.name.is_empty() {
            return no("can only create tokens for individual service accounts");
        }
        if asked.subresource != "token" {
            return no("can only create token subresource of serviceaccount");
        }
        self.related(NodeSource::ServiceAccount)
    }

    fn lease(&self) -> Decision {
        if !is_single(&self.asked.verb) {
            return no("can only get, create, update, patch, or delete a node lease");
        }
        if self.asked.namespace != LEASES {
            return no(&format!("can only access leases in the {} system namespace", quote(LEASES)));
        }
        // On create, only admission knows the name.
        if self.asked.verb != Verb::Create && self.asked.name != self.node {
            return no("can only access node lease with the same name as the requesting node");
        }
        yes()
    }

    fn csi_node(&self) -> Decision {
        if !is_single(&self.asked.verb) {
            return no("can only get, create, update, patch, or delete a CSINode");
        }
        if !self.asked.subresource.is_empty() {
            return no("cannot authorize CSINode subresources");
        }
        if self.asked.verb != Verb::Create && self.asked.name != self.node {
            return no("can only access CSINode with the same name as the requesting node");
        }
        yes()
    }

    fn slice(&self) -> Decision {
        if !self.asked.subresource.is_empty() {
            return no("cannot authorize ResourceSlice subresources");
        }
        match self.asked.verb {
            // Admission checks that the node is the owner.
            Verb::Create => yes(),
            Verb::Get | Verb::Update | Verb::Patch | Verb::Delete => self.related(NodeSource::ResourceSlice),
            Verb::Watch | Verb::List | Verb::DeleteCollection if self.selects("spec.nodeName") => yes(),
            Verb::Watch | Verb::List | Verb::DeleteCollection => {
                no("can only list/watch/deletecollection resourceslices with nodeName field selector")
            }
            Verb::Proxy | Verb::Other(_) => no(
                "only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, \
                 patch, delete, deletecollection",
            ),
        }
    }

    /// The node's own Node object. It is authorized by name, so that a kubelet can get it before it exists.
    fn node(&self) -> Decision {
        match (self.asked.subresource.as_str(), &self.asked.verb) {
            ("", Verb::Create | Verb::Update | Verb::Patch) | ("status", Verb::Update | Verb::Patch) => yes(),
            ("", Verb::Get | Verb::List | Verb::Watch) => match self.asked.name.as_str() {
                name if name == self.node => yes(),
                "" => no(&format!("node '{}' cannot read all nodes, only its own Node object", self.node)),
                name => no(&format!("node '{}' cannot read '{name}', only its own Node object", self.node)),
            },
            _ => no(""),
        }
    }

    /// Pods on the node; admission checks the written objects.
    fn pod(&self) -> Decision {
        match (self.asked.subresource.as_str(), &self.asked.verb) {
            ("", Verb::Get) => self.related(NodeSource::Pod),
            ("", Verb::List | Verb::Watch) if self.selects("spec.nodeName") => yes(),
            ("", Verb::List | Verb::Watch) if !self.asked.name.is_empty() => self.related(NodeSource::Pod),
            ("", Verb::List | Verb::Watch) => {
                no("can only list/watch pods with spec.nodeName field selector")
            }
            ("", Verb::Create | Verb::Delete)
            | ("status", Verb::Update | Verb::Patch)
            | ("eviction", Verb::Create) => yes(),
            _ => no(""),
        }
    }

    /// Requests for certificates of pods on it; admission checks whose they are.
    fn pod_certificate_request(&self) -> Decision {
        if !self.graph.has_pod_certificates {
            return no("");
        }
        if !self.asked.subresource.is_empty() {
            return no("nodes may not access the status subresource of PodCertificateRequests");
        }
        match &self.asked.verb {
            Verb::Create => yes(),
            Verb::Get => self.related(NodeSource::PodCertificateRequest),
            Verb::List | Verb::Watch if self.selects("spec.nodeName") => yes(),
            Verb::List | Verb::Watch => {
                no("can only list/watch podcertificaterequests with nodeName field selector")
            }
            verb => no(&format!("nodes may not {} podcertificaterequests", verb.as_str())),
        }
    }

    /// Whether the field selector leaves only objects of the node.
    fn selects(&self, field: &str) -> bool {
        let selector = FieldSelector::parse(&self.asked.field_selector);
        selector.is_ok_and(|selector| selector.exact(field) == Some(self.node))
    }
}

fn is_single(verb: &Verb) -> bool {
    matches!(verb, Verb::Get | Verb::Create | Verb::Update | Verb::Patch | Verb::Delete)
}
