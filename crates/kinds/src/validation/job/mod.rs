//! Job: its spec, which cron jobs have too, and the labels that tie it to its pods.

mod indexes;
mod policy;
pub mod status;
pub mod update;

use super::check::{non_negative_field, present};
use super::{NameRule, check, meta, pod_spec, workload};
use crate::validation::job::indexes::is_indexed;
use pintle_object::selector::validate_label_selector;
use pintle_object::{FieldErrors, LabelSelector, Map, Path, Value, content};

const SPEC: Path<'static> = Path::root("spec");

/// The status of an indexed job lists its indexes; these bounds keep the list within an object.
const PARALLELISM_MAX: i64 = 100_000;
const FAILED_INDEXES_MAX: i64 = 100_000;
const COMPLETIONS_SOFT_MAX: i64 = 100_000;
const PARALLELISM_MAX_OF_MANY: i64 = 10_000;
const FAILED_INDEXES_MAX_OF_MANY: i64 = 10_000;
const MANAGED_BY_LEN_MAX: usize = 63;

pub const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";
pub const JOB_NAME: &str = "batch.kubernetes.io/job-name";
pub const LEGACY_CONTROLLER_UID: &str = "controller-uid";
pub const LEGACY_JOB_NAME: &str = "job-name";

/// All errors of a job, new or not. Jobs from before the prefixed labels need not have them.
pub fn job(object: &Value, needs_prefixed_labels: bool, errors: &mut FieldErrors) {
    meta::validate_strict(object, NameRule::Subdomain, errors);
    generated_selector(object, needs_prefixed_labels, errors);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    selected_spec(spec, errors);
    hostnames(object, spec, errors);
}

/// The spec of a cron job's jobs, at a path. Their selectors are made with them.
pub fn template(template: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.child("spec");
    let spec = template.get("spec").unwrap_or(&Value::Null);
    job_spec(spec, &path, errors);
    if let Some(selector) = present(spec, &["selector"]) {
        let shown = workload::shown_selector(selector);
        errors.invalid(&path.child("selector"), shown, "`selector` will be auto-generated");
    }
    if spec.bool_at(&["manualSelector"]) {
        let shown = pintle_object::field::Shown(String::from("true"));
        errors.not_supported(&path.child("manualSelector"), shown, &["nil", "false"]);
    }
}

/// A job that did not choose its selector has the one that upstream makes, with labels to match.
fn generated_selector(object: &Value, needs_prefixed_labels: bool, errors: &mut FieldErrors) {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let Some(selector) = present(spec, &["selector"]).filter(|_| !spec.bool_at(&["manualSelector"])) else {
        return;
    };
    let (name, uid) = (object.str_at(&["metadata", "name"]), object.str_at(&["metadata", "uid"]));
    let legacy = [(LEGACY_CONTROLLER_UID, uid), (LEGACY_JOB_NAME, name)];
    let prefixed = [(CONTROLLER_UID, uid), (JOB_NAME, name)];
    let expected: Vec<(&str, &str)> =
        if needs_prefixed_labels { [legacy, prefixed].concat() } else { legacy.to_vec() };
    let labels = spec.at(&["template", "metadata", "labels"]).unwrap_or(&Value::Null);
    let path = Path::root("spec.template.metadata.labels");
    for (key, value) in &expected {
        let why = format!("must be '{value}'");
        match labels.get(key) {
            None => errors.required(&path.key(key), &why),
            Some(found) if found.as_str() != Some(value) => errors.invalid(&path.key(key), labels, &why),
            Some(_) => {}
        }
    }
    let mut made = Map::new();
    for (key, value) in expected {
        made.insert(key, value);
    }
    if LabelSelector::from_value(Some(selector)).is_ok_and(|parsed| !parsed.matches(&made)) {
        let shown = workload::shown_selector(selector);
        errors.invalid(&SPEC.child("selector"), shown, "`selector` not auto-generated");
    }
}

/// The spec of a job, with the selector that its template matches.
fn selected_spec(spec: &Value, errors: &mut FieldErrors) {
    job_spec(spec, &SPEC, errors);
    let selector = present(spec, &["selector"]);
    let path = SPEC.child("selector");
    match selector {
        None => errors.required(&path, ""),
        Some(selector) => validate_label_selector(selector, &path, false, errors),
    }
    if let Ok(selector) = LabelSelector::from_value(selector) {
        workload::matches(&selector, spec.get("template").unwrap_or(&Value::Null), errors);
    }
}

/// The last pod's hostname is the longest: the job's name and its index.
fn hostnames(object: &Value, spec: &Value, errors: &mut FieldErrors) {
    let completions = spec.int_at(&["completions"]).unwrap_or(0);
    if !is_indexed(spec) || completions <= 0 {
        return;
    }
    let name = object.str_at(&["metadata", "name"]);
    let hostname = format!("{name}-{}", completions - 1);
    if !content::dns1123_label(&hostname).is_empty() {
        let why = format!("will not able to create pod with invalid DNS label: {hostname}");
        errors.invalid(&Path::root("metadata.name"), name, &why);
    }
}

fn job_spec(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    const COUNTS: [&str; 7] = [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ];
    for field in COUNTS {
        non_negative_field(spec, field, path, errors);
    }
    let is_set = |field: &str| present(spec, &[field]).is_some();
    if is_set("maxFailedIndexes") && !is_set("backoffLimitPerIndex") {
        errors.required(&path.child("backoffLimitPerIndex"), "when maxFailedIndexes is specified");
    }
    if let Some(manager) = present(spec, &["managedBy"]).and_then(Value::as_str) {
        let path = path.child("managedBy");
        check::domain_prefixed_path(manager, &path, errors);
        if manager.len() > MANAGED_BY_LEN_MAX {
            errors.too_long(&path, MANAGED_BY_LEN_MAX);
        }
    }
    completion_mode(spec, path, errors);
    if is_set("podFailurePolicy") {
        policy::failure(spec, &path.child("podFailurePolicy"), errors);
    }
    policy::success(spec, &path.child("successPolicy"), errors);
    policy::replacement(spec, &path.child("podReplacementPolicy"), errors);
    let template = spec.get("template").unwrap_or(&Value::Null);
    pod_spec::template(template, &path.child("template"), errors);
    restart_policy(spec, path, errors);
}

fn completion_mode(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let int = |field: &str| spec.int_at(&[field]);
    match present(spec, &["completionMode"]).and_then(Value::as_str) {
        Some("Indexed") => indexed_completion(spec, path, errors),
        None | Some("NonIndexed") => {
            for field in ["backoffLimitPerIndex", "maxFailedIndexes"] {
                if let Some(count) = int(field) {
                    errors.invalid(&path.child(field), count, "requires indexed completion mode");
                }
            }
        }
        Some(other) => {
            errors.not_supported(&path.child("completionMode"), other, &["NonIndexed", "Indexed"]);
        }
    }
}

fn indexed_completion(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let int = |field: &str| spec.int_at(&[field]);
    let (parallelism, failed) = (int("parallelism"), int("maxFailedIndexes"));
    let failed_path = path.child("maxFailedIndexes");
    let at_most = |path: &Path<'_>, count: Option<i64>, max: i64, when: &str, errors: &mut FieldErrors| {
        if let Some(count) = count.filter(|count| *count > max) {
            errors.invalid(path, count, &format!("must be less than or equal to {max}{when}"));
        }
    };
    let Some(completions) = int("completions") else {
        errors.required(&path.child("completions"), "when completion mode is Indexed");
        at_most(
            &path.child("parallelism"),
            parallelism,
            PARALLELISM_MAX,
            " when completion mode is Indexed",
            errors,
        );
        at_most(&failed_path, failed, FAILED_INDEXES_MAX, "", errors);
        return;
    };
    let when = " when completion mode is Indexed";
    at_most(&path.child("parallelism"), parallelism, PARALLELISM_MAX, when, errors);
    if let Some(failed) = failed.filter(|failed| *failed > completions) {
        errors.invalid(&failed_path, failed, "must be less than or equal to completions");
    }
    at_most(&failed_path, failed, FAILED_INDEXES_MAX, "", errors);
    if completions > COMPLETIONS_SOFT_MAX && int("backoffLimitPerIndex").is_some() {
        if failed.is_none() {
            let why = format!("must be specified when completions is above {COMPLETIONS_SOFT_MAX}");
            errors.required(&failed_path, &why);
        }
        let when = format!(
            " when completions are above {COMPLETIONS_SOFT_MAX} and used with backoff limit per index"
        );
        at_most(&path.child("parallelism"), parallelism, PARALLELISM_MAX_OF_MANY, &when, errors);
        at_most(&failed_path, failed, FAILED_INDEXES_MAX_OF_MANY, &when, errors);
    }
}

/// Pods of a job come to an end: they do not restart always.
fn restart_policy(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.child("template");
    let path = path.child("spec");
    let path = path.child("restartPolicy");
    match spec.str_at(&["template", "spec", "restartPolicy"]) {
        "" | "Always" => errors.required(&path, "valid values: \"OnFailure\", \"Never\""),
        "Never" => {}
        "OnFailure" if present(spec, &["podFailurePolicy"]).is_none() => {}
        "OnFailure" => {
            let why = "only \"Never\" is supported when podFailurePolicy is specified";
            errors.invalid(&path, "OnFailure", why);
        }
        other => errors.not_supported(&path, other, &["OnFailure", "Never"]),
    }
}
