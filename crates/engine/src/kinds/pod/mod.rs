//! Pod: preparation, deletion and table cells; its spec is checked in `validation::pod_spec`.

mod cells;
mod defaults;
mod labels;
mod qos;
mod validate;

pub use defaults::default_template;

use super::{Context, Rules, keep, keep_at};
use pintle_object::time::Time;
use pintle_object::{FieldErrors, Map, Text, Value};

pub struct Pod;

impl Rules for Pod {
    fn default(&self, object: &mut Value) {
        defaults::default_pod(object);
    }

    fn prepare_create(&self, object: &mut Value, context: &Context<'_>) {
        let mut status = Map::new();
        status.insert("phase", "Pending");
        status.insert("qosClass", qos::class(object));
        if !object.list_at(&["spec", "schedulingGates"]).is_empty() {
            status.insert("conditions", vec![gated(context)]);
        }
        object.set(&["status"], status);
        labels::merge_label_keys(object);
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "status");
    }

    fn prepare_status(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "spec");
        keep_at(new, old, &["metadata", "deletionTimestamp"]);
        keep_at(new, old, &["metadata", "ownerReferences"]);
    }

    fn prepare_subresource(&self, new: &mut Value, old: &Value, context: &Context<'_>) {
        match context.subresource {
            "ephemeralcontainers" => keep_but_ephemeral_containers(new, old),
            "resize" => keep_but_resources(new, old),
            _ => self.prepare_status(new, old, context),
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        validate::pod(object, errors);
        validate::create(object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        validate::update(new, old, errors);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        cells::row(object, now_seconds)
    }

    fn selectable(&self, label: &str, object: &Value) -> Option<Text> {
        match label {
            "spec.hostNetwork" => {
                let flag = object.bool_at(&["spec", "hostNetwork"]);
                Some(Text::from(if flag { "true" } else { "false" }))
            }
            "status.podIP" => {
                let first = object.list_at(&["status", "podIPs"]).first();
                Some(Text::from(first.map_or("", |ip| ip.str_at(&["ip"]))))
            }
            "status.podIPs" => Some(Text::default()),
            _ => None,
        }
    }

    /// A pod that no kubelet runs goes at once.
    fn grace_seconds(&self, object: &Value, requested: Option<i64>) -> Option<i64> {
        let wished =
            requested.or_else(|| object.int_at(&["spec", "terminationGracePeriodSeconds"])).unwrap_or(0);
        let is_unscheduled = object.str_at(&["spec", "nodeName"]).is_empty();
        let has_ended = matches!(object.str_at(&["status", "phase"]), "Failed" | "Succeeded");
        let seconds = if is_unscheduled || has_ended { 0 } else { wished };
        Some(if seconds < 0 { 1 } else { seconds })
    }
}

/// What a pod says that waits for its scheduling gates to go.
fn gated(context: &Context<'_>) -> Value {
    let now = Time { seconds: context.now_seconds, nanos: 0 }.to_seconds_text();
    let fields = [
        ("type", Value::from("PodScheduled")),
        ("status", Value::from("False")),
        ("lastProbeTime", Value::Null),
        ("lastTransitionTime", Value::from(now)),
        ("reason", Value::from("SchedulingGated")),
        ("message", Value::from("Scheduling is blocked due to non-empty scheduling gates")),
    ];
    Value::Map(fields.into_iter().collect())
}

/// Through `ephemeralcontainers` nothing changes but these.
fn keep_but_ephemeral_containers(new: &mut Value, old: &Value) {
    let containers = new.remove(&["spec", "ephemeralContainers"]);
    keep(new, old, "spec");
    keep(new, old, "status");
    match containers {
        Some(containers) => new.set(&["spec", "ephemeralContainers"], containers),
        None => drop(new.remove(&["spec", "ephemeralContainers"])),
    }
}

/// Through `resize` nothing changes but the resources and resize policies of containers.
fn keep_but_resources(new: &mut Value, old: &Value) {
    let wished = new.get("spec").cloned().unwrap_or_default();
    keep(new, old, "status");
    for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
        keep_at(new, old, &["metadata", field]);
    }
    let mut spec = old.get("spec").cloned().unwrap_or_default();
    for list in ["containers", "initContainers"] {
        let Some(containers) = spec.at_mut(&[list]).and_then(Value::as_list_mut) else { continue };
        for container in containers {
            let name = container.str_at(&["name"]).to_string();
            let same =
                wished.list_at(&[list]).iter().find(|wished| wished.str_at(&["name"]) == name.as_str());
            for field in ["resources", "resizePolicy"] {
                if let Some(same) = same {
                    keep(container, same, field);
                }
            }
        }
    }
    if wished.get("resources").is_some() || spec.get("resources").is_some() {
        keep(&mut spec, &wished, "resources");
    }
    new.set(&["spec"], spec);
}
