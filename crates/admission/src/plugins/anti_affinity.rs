//! LimitPodHardAntiAffinityTopology: pods may keep others off their own node, and no further.

use crate::plugin::Plugin;
use crate::request::Request;
use pintle_object::meta;
use pintle_object::{Status, Value};

const HOSTNAME: &str = "kubernetes.io/hostname";
const TERMS: [&str; 4] =
    ["spec", "affinity", "podAntiAffinity", "requiredDuringSchedulingIgnoredDuringExecution"];

pub struct LimitPodHardAntiAffinityTopology;

impl Plugin for LimitPodHardAntiAffinityTopology {
    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        if !request.is_object("", "pods") || !(request.is_create() || request.is_update()) {
            return Ok(());
        }
        let mut keys = object.list_at(&TERMS).iter().map(|term| term.str_at(&["topologyKey"]));
        let Some(key) = keys.find(|key| *key != HOSTNAME) else { return Ok(()) };
        let why = format!(
            "affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey {key} but only key {HOSTNAME} is \
             allowed"
        );
        Err(Status::forbidden(&request.resource(), meta::name(object), &why))
    }
}
