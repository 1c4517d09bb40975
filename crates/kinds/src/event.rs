//! Event, of the core group and of events.k8s.io, which are one kind in the store.

use super::{Context, Strategy, cells};
use crate::validation::event;
use pintle_object::{FieldErrors, GroupVersionKind, Text, Value};

pub struct Event;

impl Strategy for Event {
    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn validate_as(&self, served: &GroupVersionKind, object: &Value, errors: &mut FieldErrors) {
        event::create(object, served.group.is_empty(), errors);
    }

    fn validate_update_as(
        &self,
        served: &GroupVersionKind,
        new: &Value,
        old: &Value,
        errors: &mut FieldErrors,
    ) {
        event::update(new, old, served.group.is_empty(), errors);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let text = |path: &[&str]| Value::from(object.str_at(path));
        let (first, last, count) = times(object, now_seconds);
        vec![
            Value::from(last),
            text(&["type"]),
            text(&["reason"]),
            Value::from(target(object)),
            text(&["involvedObject", "fieldPath"]),
            Value::from(source(object)),
            Value::from(object.str_at(&["message"]).trim()),
            Value::from(first),
            Value::Int(count),
            cells::name(object),
        ]
    }

    fn selectable(&self, label: &str, object: &Value) -> Option<Text> {
        let component = object.str_at(&["source", "component"]);
        let component = if component.is_empty() { object.str_at(&["reportingComponent"]) } else { component };
        (label == "source").then(|| Text::from(component))
    }
}

/// The ages of the first and the last occurrence, and the number of occurrences.
fn times(object: &Value, now_seconds: i64) -> (String, String, i64) {
    let since = |path: &[&str]| cells::since(object.str_at(path), now_seconds);
    let first = match object.str_at(&["firstTimestamp"]) {
        "" => since(&["eventTime"]),
        _ => since(&["firstTimestamp"]),
    };
    if object.map_at(&["series"]).is_some() {
        let count = object.int_at(&["series", "count"]).unwrap_or(0);
        return (first, since(&["series", "lastObservedTime"]), count);
    }
    let last = match object.str_at(&["lastTimestamp"]) {
        "" => first.clone(),
        _ => since(&["lastTimestamp"]),
    };
    (first, last, object.int_at(&["count"]).filter(|count| *count != 0).unwrap_or(1))
}

fn target(object: &Value) -> String {
    let kind = object.str_at(&["involvedObject", "kind"]).to_lowercase();
    match object.str_at(&["involvedObject", "name"]) {
        "" => kind,
        name => format!("{kind}/{name}"),
    }
}

fn source(object: &Value) -> String {
    let pick = |old: &[&str], new: &str| match object.str_at(old) {
        "" => object.str_at(&[new]).to_string(),
        text => text.to_string(),
    };
    let component = pick(&["source", "component"], "reportingComponent");
    match pick(&["source", "host"], "reportingInstance") {
        host if host.is_empty() => component,
        host => format!("{component}, {host}"),
    }
}
