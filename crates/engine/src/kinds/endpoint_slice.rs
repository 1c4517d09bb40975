//! EndpointSlice.

use super::{Context, Rules, cells};
use pintle_object::Value;

pub struct EndpointSlice;

impl Rules for EndpointSlice {
    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn raises_generation(&self, new: &Value, old: &Value) -> bool {
        ["addressType", "endpoints", "ports"].iter().any(|field| new.get(field) != old.get(field))
            || new.at(&["metadata", "labels"]) != old.at(&["metadata", "labels"])
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let endpoints: Vec<String> = object
            .list_at(&["endpoints"])
            .iter()
            .flat_map(|endpoint| endpoint.list_at(&["addresses"]))
            .filter_map(Value::as_str)
            .map(String::from)
            .collect();
        let ports: Vec<String> = object.list_at(&["ports"]).iter().map(port).collect();
        vec![
            cells::name(object),
            cells::text(object, &["addressType"]),
            Value::from(cells::shortened(&ports, cells::UNSET)),
            Value::from(cells::shortened(&endpoints, cells::UNSET)),
            cells::age(object, now_seconds),
        ]
    }
}

fn port(port: &Value) -> String {
    match (port.int_at(&["port"]), port.str_at(&["name"])) {
        (Some(number), _) => number.to_string(),
        (None, "") => String::from("*"),
        (None, name) => name.to_string(),
    }
}
