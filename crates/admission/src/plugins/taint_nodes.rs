//! TaintNodesByCondition: a new node gets a taint that keeps pods away until it is ready.

use super::tolerations::push;
use crate::plugin::Plugin;
use crate::request::Request;
use pintle_object::{Status, Value};

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const NO_SCHEDULE: &str = "NoSchedule";

pub struct TaintNodesByCondition;

impl Plugin for TaintNodesByCondition {
    fn mutate(&self, request: &Request<'_>, object: &mut Value) -> Result<(), Status> {
        if !request.creates("", "nodes") {
            return Ok(());
        }
        let is_not_ready =
            |taint: &Value| taint.str_at(&["key"]) == NOT_READY && taint.str_at(&["effect"]) == NO_SCHEDULE;
        if !object.list_at(&["spec", "taints"]).iter().any(is_not_ready) {
            let mut taint = Value::map();
            taint.set(&["key"], NOT_READY);
            taint.set(&["effect"], NO_SCHEDULE);
            push(object, &["spec", "taints"], taint);
        }
        Ok(())
    }
}
