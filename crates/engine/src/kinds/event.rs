//! Event, of the core group and of events.k8s.io, which are one kind in the store.

use super::{Context, Rules, cells};
use crate::validation::check::invalid_all;
use crate::validation::{NameRule, meta};
use pintle_object::{FieldErrors, Path, Text, Value, content};

pub struct Event;

impl Rules for Event {
    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    /// The core group's events are checked for little; a name needs only fit a URL.
    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        validate_event(object, errors);
        if errors.is_empty() {
            meta::validate(object, NameRule::PathSegment, errors);
        }
    }

    fn validate_update(&self, new: &Value, _old: &Value, errors: &mut FieldErrors) {
        validate_event(new, errors);
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

/// How long ago the event was seen first and last, and how often.
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

const FIELD_LEN_MAX: usize = 128;
const MESSAGE_LEN_MAX: usize = 1024;

/// Checks that hold for events of both groups; those with an `eventTime` say who saw what and did what.
fn validate_event(event: &Value, errors: &mut FieldErrors) {
    let namespace = event.str_at(&["metadata", "namespace"]);
    let involved = event.str_at(&["involvedObject", "namespace"]);
    let is_cluster_wide = involved.is_empty() && matches!(namespace, "" | "default");
    if involved != namespace && !is_cluster_wide {
        errors.invalid(&Path::root("involvedObject.namespace"), involved, "does not match event.namespace");
    }
    if event.str_at(&["eventTime"]).is_empty() {
        return;
    }
    let controller = event.str_at(&["reportingComponent"]);
    if controller.is_empty() {
        errors.required(&Path::root("reportingComponent"), "");
    }
    invalid_all(content::label_key(controller), controller, &Path::root("reportingComponent"), errors);
    for field in ["reportingInstance", "action", "reason"] {
        match event.str_at(&[field]).len() {
            0 => errors.required(&Path::root(field), ""),
            len if len > FIELD_LEN_MAX => too_long(field, FIELD_LEN_MAX, errors),
            _ => {}
        }
    }
    if event.str_at(&["message"]).len() > MESSAGE_LEN_MAX {
        too_long("message", MESSAGE_LEN_MAX, errors);
    }
}

fn too_long(field: &str, len_max: usize, errors: &mut FieldErrors) {
    errors.invalid(&Path::root(field), "", &format!("can have at most {len_max} characters"));
}
