//! DenyServiceExternalIPs: refuses new external addresses of Services; existing ones may stay.

use crate::plugin::Plugin;
use crate::request::Request;
use pintle_object::{Status, Value};

const IPS: [&str; 2] = ["spec", "externalIPs"];

pub struct DenyServiceExternalIPs;

impl Plugin for DenyServiceExternalIPs {
    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        if !request.is_object("", "services") || !(request.is_create() || request.is_update()) {
            return Ok(());
        }
        let had = request.attributes.old.map_or(&[][..], |old| old.list_at(&IPS));
        if object.list_at(&IPS).iter().all(|ip| had.contains(ip)) {
            return Ok(());
        }
        Err(request.forbidden(object, "Use of external IPs is denied by admission control"))
    }
}
