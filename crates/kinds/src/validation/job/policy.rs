//! The policies of a job: which failures of pods count, when it has succeeded, when pods are replaced.

use super::indexes;
use crate::validation::check::{self, non_negative, present};
use crate::validation::internal::{self, Form, Shape};
use crate::validation::job::indexes::is_indexed;
use pintle_object::field::Shown;
use pintle_object::{FieldError, FieldErrors, Path, Value, content, field::ErrorKind, repeats};

const FAILURE_RULES_MAX: usize = 20;
const SUCCESS_RULES_MAX: usize = 20;
const EXIT_CODES_MAX: usize = 255;
const CONDITION_PATTERNS_MAX: usize = 20;
const SUCCEEDED_INDEXES_LEN_MAX: usize = 64 * 1024;

const ACTIONS: [&str; 4] = ["Count", "FailIndex", "FailJob", "Ignore"];
const OPERATORS: [&str; 2] = ["In", "NotIn"];
const STATUSES: [&str; 3] = ["False", "True", "Unknown"];

pub const SUCCESS_POLICY: Shape = &[("Rules", "rules", Form::List(SUCCESS_RULE))];
const SUCCESS_RULE: Shape = &[
    ("SucceededIndexes", "succeededIndexes", Form::Nullable),
    ("SucceededCount", "succeededCount", Form::Nullable),
];

/// Errors of the pod failure policy at a path.
pub fn failure(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.child("rules");
    let rules = spec.list_at(&["podFailurePolicy", "rules"]);
    if rules.len() > FAILURE_RULES_MAX {
        errors.too_many(&path, rules.len(), FAILURE_RULES_MAX);
    }
    for (index, rule) in rules.iter().enumerate() {
        failure_rule(spec, rule, &path.index(index), errors);
    }
}

/// Errors of the success policy at a path, if there is one.
pub fn success(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(policy) = present(spec, &["successPolicy"]) else { return };
    if !is_indexed(spec) {
        let shown = internal::shown(policy, SUCCESS_POLICY);
        errors.invalid(path, shown, "requires indexed completion mode");
        return;
    }
    let path = path.child("rules");
    let rules = policy.list_at(&["rules"]);
    if rules.is_empty() {
        let why = "at least one rules must be specified when the successPolicy is specified";
        errors.required(&path, why);
    }
    if rules.len() > SUCCESS_RULES_MAX {
        errors.too_many(&path, rules.len(), SUCCESS_RULES_MAX);
    }
    let completions = spec.int_at(&["completions"]).unwrap_or(0);
    for (index, rule) in rules.iter().enumerate() {
        success_rule(rule, completions, &path.index(index), errors);
    }
}

/// With a failure policy, pods are replaced only when they have failed.
pub fn replacement(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(policy) = present(spec, &["podReplacementPolicy"]).and_then(Value::as_str) else { return };
    let supported: &[&str] = match present(spec, &["podFailurePolicy"]) {
        Some(_) => &["Failed"],
        None => &["Failed", "TerminatingOrFailed"],
    };
    if !supported.contains(&policy) {
        errors.not_supported(path, policy, supported);
    }
}

/// An error that shows no value.
pub fn invalid_whole(path: &Path<'_>, why: &str, errors: &mut FieldErrors) {
    let message = format!("Invalid value: {why}");
    errors.push(FieldError { kind: ErrorKind::Invalid, field: path.to_string(), message });
}

fn failure_rule(spec: &Value, rule: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let action_path = path.child("action");
    match rule.str_at(&["action"]) {
        "FailIndex" => {
            if present(spec, &["backoffLimitPerIndex"]).is_none() {
                errors.invalid(&action_path, "FailIndex", "requires the backoffLimitPerIndex to be set");
            }
        }
        action => one_of(action, &ACTIONS, &action_path, errors),
    }
    let codes = present(rule, &["onExitCodes"]);
    let patterns = rule.list_at(&["onPodConditions"]);
    if let Some(codes) = codes {
        exit_codes(spec, codes, &path.child("onExitCodes"), errors);
    }
    conditions(patterns, &path.child("onPodConditions"), errors);
    match (codes.is_some(), patterns.is_empty()) {
        (true, false) => {
            let why = "specifying both OnExitCodes and OnPodConditions is not supported";
            invalid_whole(path, why, errors);
        }
        (false, true) => {
            let why = "specifying one of OnExitCodes and OnPodConditions is required";
            invalid_whole(path, why, errors);
        }
        _ => {}
    }
}

fn exit_codes(spec: &Value, codes: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let operator = codes.str_at(&["operator"]);
    one_of(operator, &OPERATORS, &path.child("operator"), errors);
    if let Some(name) = present(codes, &["containerName"]).and_then(Value::as_str) {
        let is_container = |list: &str| {
            spec.list_at(&["template", "spec", list]).iter().any(|one| one.str_at(&["name"]) == name)
        };
        if !is_container("containers") && !is_container("initContainers") {
            let why = "must be one of the container or initContainer names in the pod template";
            errors.invalid(&path.child("containerName"), name, why);
        }
    }
    let path = path.child("values");
    let list = codes.get("values").unwrap_or(&Value::Null);
    let values: Vec<i64> = codes.list_at(&["values"]).iter().filter_map(Value::as_i64).collect();
    if values.is_empty() {
        errors.invalid(&path, list, "at least one value is required");
    } else if values.len() > EXIT_CODES_MAX {
        errors.too_many(&path, values.len(), EXIT_CODES_MAX);
    }
    for ((index, value), is_again) in values.iter().enumerate().zip(repeats(&values)) {
        if operator == "In" && *value == 0 {
            errors.invalid(&path.index(index), 0_i64, "must not be 0 for the In operator");
        }
        if is_again {
            errors.duplicate(&path.index(index), *value);
        }
    }
    if !values.is_sorted() {
        errors.invalid(&path, list, "must be ordered");
    }
}

fn conditions(patterns: &[Value], path: &Path<'_>, errors: &mut FieldErrors) {
    if patterns.len() > CONDITION_PATTERNS_MAX {
        errors.too_many(path, patterns.len(), CONDITION_PATTERNS_MAX);
    }
    for (index, pattern) in patterns.iter().enumerate() {
        let path = path.index(index);
        let kind = pattern.str_at(&["type"]);
        check::invalid_all(content::label_key(kind), kind, &path.child("type"), errors);
        one_of(pattern.str_at(&["status"]), &STATUSES, &path.child("status"), errors);
    }
}

fn one_of(word: &str, supported: &[&str], path: &Path<'_>, errors: &mut FieldErrors) {
    if word.is_empty() {
        let words: Vec<String> = supported.iter().map(|word| format!("\"{word}\"")).collect();
        errors.required(path, &format!("valid values: [{}]", words.join(" ")));
    } else if !supported.contains(&word) {
        errors.not_supported(path, word, supported);
    }
}

fn success_rule(rule: &Value, completions: i64, path: &Path<'_>, errors: &mut FieldErrors) {
    let count = present(rule, &["succeededCount"]).and_then(Value::as_i64);
    let named = present(rule, &["succeededIndexes"]).and_then(Value::as_str);
    if count.is_none() && named.is_none() {
        errors.required(path, "at least one of succeededCount or succeededIndexes must be specified");
    }
    let mut total = 0;
    if let Some(named) = named {
        let path = path.child("succeededIndexes");
        if named.len() > SUCCEEDED_INDEXES_LEN_MAX {
            errors.too_long(&path, SUCCEEDED_INDEXES_LEN_MAX);
        }
        match indexes::count(named, completions) {
            Ok(count) => total = count,
            Err(why) => errors.invalid(&path, named, &format!("error parsing succeededIndexes: {why}")),
        }
    }
    let Some(count) = count else { return };
    let path = path.child("succeededCount");
    non_negative(count, &path, errors);
    let at_most = |max: i64, what: &str, errors: &mut FieldErrors| {
        if count > max {
            let why = format!("must be less than or equal to {max} ({what})");
            errors.invalid(&path, count, &why);
        }
    };
    at_most(completions, "the number of specified completions", errors);
    if named.is_some() {
        at_most(total, "the number of indexes in the specified succeededIndexes field", errors);
    }
}

/// A failure policy as upstream's errors show it.
pub fn shown_failure(policy: &Value) -> Shown {
    const CODES: Shape = &[
        ("ContainerName", "containerName", Form::Nullable),
        ("Operator", "operator", Form::Text),
        ("Values", "values", Form::Nullable),
    ];
    const PATTERN: Shape = &[("Type", "type", Form::Text), ("Status", "status", Form::Text)];
    const RULE: Shape = &[
        ("Action", "action", Form::Text),
        ("OnExitCodes", "onExitCodes", Form::Pointer(CODES)),
        ("OnPodConditions", "onPodConditions", Form::List(PATTERN)),
    ];
    internal::shown(policy, &[("Rules", "rules", Form::List(RULE))])
}
