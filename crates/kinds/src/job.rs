//! Job.

use super::{Context, Strategy, cells, pod, set_default, template_warnings};
use crate::validation::job;
use pintle_object::meta;
use pintle_object::{FieldErrors, Map, Path, Text, Value};

pub struct Job;

impl Strategy for Job {
    fn default(&self, object: &mut Value) {
        default_spec(object, &["spec"]);
        // Not in a cron job's template: upstream leaves these to the resulting job.
        set_default(object, &["spec"], "completionMode", "NonIndexed");
        set_default(object, &["spec"], "suspend", false);
        set_default(object, &["spec"], "manualSelector", false);
        default_labels(object);
    }

    fn prepare_create(&self, object: &mut Value, context: &Context<'_>) {
        object.remove(&["status"]);
        // Labels that a job has from its template are one map with them: it gets the generated ones too.
        let template = ["spec", "template", "metadata", "labels"];
        let is_shared = !context.has_labels && object.at(&template).is_some();
        if !object.bool_at(&["spec", "manualSelector"]) {
            generate_selector(object);
        }
        if is_shared && let Some(labels) = object.at(&template).cloned() {
            object.set(&["metadata", "labels"], labels);
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        job::job(object, true, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        job::update::update(new, old, errors);
    }

    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        job::status::update(new, old, errors);
    }

    fn warnings(&self, new: &Value, old: Option<&Value>, out: &mut Vec<String>) {
        if old.is_none() {
            template_warnings::name(new, out);
        }
        if old.is_none_or(|old| self.raises_generation(new, old)) {
            let spec = new.get("spec").unwrap_or(&Value::Null);
            template_warnings::of_job(spec, &Path::root("spec"), out);
        }
    }

    fn complete(&self, object: &mut Value) {
        default_labels(object);
    }

    fn selectable(&self, label: &str, object: &Value) -> Option<Text> {
        let succeeded = object.int_at(&["status", "succeeded"]).unwrap_or(0);
        (label == "status.successful").then(|| Text::from(succeeded.to_string()))
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let [names, images] = cells::containers(object, &["spec", "template", "spec"]);
        vec![
            cells::name(object),
            Value::from(status(object)),
            Value::from(completions(object)),
            Value::from(duration(object, now_seconds)),
            cells::age(object, now_seconds),
            names,
            images,
            cells::selector(object, &["spec", "selector"]),
        ]
    }
}

/// A job without labels has those of its pods.
fn default_labels(object: &mut Value) {
    let labels = object.at(&["spec", "template", "metadata", "labels"]).cloned();
    if let Some(labels) = labels.filter(|labels| labels.as_map().is_some_and(|map| !map.is_empty()))
        && object.map_at(&["metadata", "labels"]).is_none_or(Map::is_empty)
    {
        object.set(&["metadata", "labels"], labels);
    }
}

/// Defaults of a job's spec at a path, in a job or in a cron job's template.
pub(super) fn default_spec(object: &mut Value, path: &[&str]) {
    pod::default_template(object, &[path, &["template"]].concat());
    let Some(spec) = object.at_mut(path) else { return };
    let is_set = |spec: &Value, field: &str| spec.get(field).is_some_and(|value| !value.is_null());
    if !is_set(spec, "completions") && !is_set(spec, "parallelism") {
        spec.set(&["completions"], 1);
        spec.set(&["parallelism"], 1);
    }
    set_default(spec, &[], "parallelism", 1);
    if !is_set(spec, "backoffLimit") {
        let is_by_index = is_set(spec, "backoffLimitPerIndex");
        spec.set(&["backoffLimit"], if is_by_index { i64::from(i32::MAX) } else { 6 });
    }
    if is_set(spec, "backoffLimitPerIndex") {
        set_default(spec, &[], "maxFailedIndexes", Value::Null);
        if spec.at(&["maxFailedIndexes"]).is_some_and(Value::is_null) {
            spec.remove(&["maxFailedIndexes"]);
        }
    }
    let policy = if spec.at(&["podFailurePolicy"]).is_some_and(|policy| !policy.is_null()) {
        "Failed"
    } else {
        "TerminatingOrFailed"
    };
    set_default(spec, &[], "podReplacementPolicy", policy);
}

/// A job finds its pods by its own uid, with labels that it puts on its template.
fn generate_selector(object: &mut Value) {
    let uid = object.str_at(&["metadata", "uid"]).to_string();
    let name = object.str_at(&["metadata", "name"]).to_string();
    let labels: [(&str, &str); 4] = [
        ("controller-uid", &uid),
        ("batch.kubernetes.io/controller-uid", &uid),
        ("job-name", &name),
        ("batch.kubernetes.io/job-name", &name),
    ];
    for (label, value) in labels {
        let path = ["spec", "template", "metadata", "labels"];
        object.make_map(&path);
        set_default(object, &path, label, value);
    }
    if object.at(&["spec", "selector"]).is_none_or(Value::is_null) {
        object.make_map(&["spec", "selector"]);
    }
    let path = ["spec", "selector", "matchLabels"];
    object.make_map(&path);
    set_default(object, &path, "batch.kubernetes.io/controller-uid", uid);
}

fn status(object: &Value) -> &'static str {
    let has = |kind: &str| {
        object
            .list_at(&["status", "conditions"])
            .iter()
            .any(|condition| condition.str_at(&["type"]) == kind && condition.str_at(&["status"]) == "True")
    };
    if has("Complete") {
        "Complete"
    } else if has("Failed") {
        "Failed"
    } else if meta::is_deleting(object) {
        "Terminating"
    } else if has("Suspended") {
        "Suspended"
    } else if has("FailureTarget") {
        "FailureTarget"
    } else if has("SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    }
}

fn completions(object: &Value) -> String {
    let succeeded = object.int_at(&["status", "succeeded"]).unwrap_or(0);
    if let Some(wanted) = object.int_at(&["spec", "completions"]) {
        return format!("{succeeded}/{wanted}");
    }
    match object.int_at(&["spec", "parallelism"]).unwrap_or(0) {
        parallelism if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        _ => format!("{succeeded}/1"),
    }
}

fn duration(object: &Value, now_seconds: i64) -> String {
    let Some(start) = cells::seconds(object.str_at(&["status", "startTime"])) else { return String::new() };
    let end = cells::seconds(object.str_at(&["status", "completionTime"])).unwrap_or(now_seconds);
    cells::human_duration(end - start)
}
