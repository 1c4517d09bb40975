//! Pod: preparation, deletion and table cells; its spec is checked in `validation::pod_spec`.

mod cells;
mod defaults;
mod labels;
mod profiles;
mod qos;
mod status;
mod subresource;
mod update;
mod validate;

pub use defaults::default_template;

use super::{Context, Strategy, keep};
use crate::validation::pod_spec;
use pintle_object::time::Time;
use pintle_object::{FieldErrors, Map, Path, Text, Value, content};

pub struct Pod;

impl Strategy for Pod {
    fn default(&self, object: &mut Value) {
        defaults::default_pod(object);
    }

    fn prepare_warnings(&self, object: &Value, out: &mut Vec<String>) {
        profiles::warnings(object, out);
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
        profiles::fill(object);
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "status");
    }

    fn prepare_status(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        status::prepare(new, old);
    }

    fn prepare_subresource(&self, new: &mut Value, old: &Value, context: &Context<'_>) {
        match context.subresource {
            "ephemeralcontainers" => subresource::keep_but_ephemeral_containers(new, old),
            "resize" => subresource::keep_but_resources(new, old),
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
        update::update(new, old, errors);
    }

    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        status::validate(new, old, errors);
    }

    fn validate_subresource(&self, new: &Value, old: &Value, subresource: &str, errors: &mut FieldErrors) {
        match subresource {
            "ephemeralcontainers" => subresource::ephemeral_containers(new, old, errors),
            "resize" => subresource::resize(new, old, errors),
            _ => self.validate_status(new, old, errors),
        }
    }

    fn warnings(&self, new: &Value, old: Option<&Value>, out: &mut Vec<String>) {
        // Updates of pods come from programs, whose warnings are not read.
        if old.is_some() {
            return;
        }
        let messages = content::dns1123_label(new.str_at(&["metadata", "name"]));
        if !messages.is_empty() {
            out.push(format!(
                "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; \
                 a DNS label is recommended: [{}]",
                messages.join(" ")
            ));
        }
        pod_spec::warnings(new, &Path::EMPTY, out);
    }

    fn status_warnings(&self, new: &Value, out: &mut Vec<String>) {
        status::warnings(new, out);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        cells::row(object, now_seconds)
    }

    fn row_condition(&self, object: &Value) -> Option<Value> {
        cells::completed(object)
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

/// The condition of a pod that waits for its scheduling gates to go.
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
