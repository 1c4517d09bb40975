//! PodTopologyLabels: a pod that is bound to a node carries the node's zone and region as labels.

use crate::plugin::Plugin;
use crate::request::Request;
use pintle_object::{Status, Value};

const LABELS: [&str; 2] = ["topology.kubernetes.io/zone", "topology.kubernetes.io/region"];

pub struct PodTopologyLabels;

impl Plugin for PodTopologyLabels {
    fn mutate(&self, request: &Request<'_>, object: &mut Value) -> Result<(), Status> {
        if !request.is_create() || !request.is_resource("", "pods") {
            return Ok(());
        }
        let node = match request.subresource() {
            "" => object.str_at(&["spec", "nodeName"]),
            "binding" if object.str_at(&["target", "kind"]) == "Node" => object.str_at(&["target", "name"]),
            _ => "",
        };
        if node.is_empty() {
            return Ok(());
        }
        // A binding to a node that is not there is not refused here.
        let Some(node) = request.view.get("", "nodes", "", node) else { return Ok(()) };
        for label in LABELS {
            if let Some(value) = node.at(&["metadata", "labels", label]) {
                object.set(&["metadata", "labels", label], value.clone());
            }
        }
        Ok(())
    }
}
