//! APIService.

use super::{Context, Rules, cells, keep};
use pintle_object::Value;
use pintle_object::time::Time;

pub struct APIService;

impl Rules for APIService {
    fn prepare_create(&self, object: &mut Value, context: &Context<'_>) {
        object.remove(&["status"]);
        if object.at(&["spec", "service"]).is_none_or(Value::is_null) {
            object.set(&["status", "conditions"], vec![local(context)]);
        }
    }

    fn prepare_status(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "spec");
        for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
            super::keep_at(new, old, &["metadata", field]);
        }
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let service = if object.map_at(&["spec", "service"]).is_some() {
            let at = |field: &str| object.str_at(&["spec", "service", field]);
            format!("{}/{}", at("namespace"), at("name"))
        } else {
            String::from("Local")
        };
        vec![
            cells::name(object),
            Value::from(service),
            Value::from(available(object)),
            cells::age(object, now_seconds),
        ]
    }
}

/// An API of this server is always available.
fn local(context: &Context<'_>) -> Value {
    let now = Time { seconds: context.now_seconds, nanos: 0 }.to_seconds_text();
    let fields = [
        ("type", "Available"),
        ("status", "True"),
        ("lastTransitionTime", now.as_str()),
        ("reason", "Local"),
        ("message", "Local APIServices are always available"),
    ];
    Value::Map(fields.into_iter().collect())
}

fn available(object: &Value) -> String {
    let condition = object
        .list_at(&["status", "conditions"])
        .iter()
        .find(|condition| condition.str_at(&["type"]) == "Available");
    match condition.map(|condition| (condition.str_at(&["status"]), condition.str_at(&["reason"]))) {
        None => String::from("Unknown"),
        Some(("True", _)) => String::from("True"),
        Some((status, reason)) => format!("{status} ({reason})"),
    }
}
