//! Checks of policies (package k8s.io/apiserver/pkg/apis/audit/validation).

use super::{AuditStage, Level};
use pintle_object::content::dns1123_subdomain;
use pintle_object::field::Shown;
use pintle_object::{FieldErrors, Path, Value, json};

/// All errors of a document, as one.
pub fn validate(document: &Value) -> Result<(), String> {
    let mut errors = FieldErrors::new();
    omit_stages(document, &Path::root("omitStages"), &mut errors);
    for (index, rule) in document.list_at(&["rules"]).iter().enumerate() {
        rule_errors(rule, &Path::root("rules").index(index), &mut errors);
    }
    let mut distinct: Vec<String> = Vec::new();
    for error in errors.iter().map(ToString::to_string) {
        if !distinct.contains(&error) {
            distinct.push(error);
        }
    }
    match distinct.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        many => Err(format!("[{}]", many.join(", "))),
    }
}

fn rule_errors(rule: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let level = rule.str_at(&["level"]);
    if level.is_empty() {
        errors.required(&path.child("level"), "");
    } else if level_of(level).is_none() {
        errors.not_supported(&path.child("level"), level, &Level::ALL.map(Level::as_str));
    }
    let urls = texts(rule, "nonResourceURLs");
    non_resource_urls(&urls, &path.child("nonResourceURLs"), errors);
    let resources = rule.list_at(&["resources"]);
    for entry in resources {
        group_resources(entry, &path.child("resources"), errors);
    }
    omit_stages(rule, &path.child("omitStages"), errors);
    let is_about_resources = !resources.is_empty() || !rule.list_at(&["namespaces"]).is_empty();
    if !urls.is_empty() && is_about_resources {
        let why = "rules cannot apply to both regular resources and non-resource URLs";
        errors.invalid(&path.child("nonResourceURLs"), Shown(shown_texts(&urls)), why);
    }
}

fn non_resource_urls(urls: &[String], path: &Path<'_>, errors: &mut FieldErrors) {
    for (index, url) in urls.iter().enumerate().filter(|(_, url)| *url != "*") {
        if !url.starts_with('/') {
            let why = "non-resource URL rules must begin with a '/' character";
            errors.invalid(&path.index(index), url, why);
        }
        let before_last = url.char_indices().next_back().and_then(|(last, _)| url.get(..last));
        if before_last.is_some_and(|before| before.contains('*')) {
            let why = "non-resource URL wildcards '*' must be the final character of the rule";
            errors.invalid(&path.index(index), url, why);
        }
    }
}

fn group_resources(entry: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let group = entry.str_at(&["group"]);
    if !matches!(group, "" | "*") {
        let messages = dns1123_subdomain(group);
        if !messages.is_empty() {
            errors.invalid(&path.child("group"), group, &messages.join(","));
        }
    }
    let names = texts(entry, "resourceNames");
    if !names.is_empty() && entry.list_at(&["resources"]).is_empty() {
        let why = "using resourceNames requires at least one resource";
        errors.invalid(&path.child("resourceNames"), Shown(shown_texts(&names)), why);
    }
}

fn omit_stages(of: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    for (index, stage) in texts(of, "omitStages").iter().enumerate() {
        if AuditStage::parse(stage).is_none() {
            let why = format!("allowed stages are {}", AuditStage::ALL.map(AuditStage::as_str).join(","));
            errors.invalid(&path.index(index), stage, &why);
        }
    }
}

/// The level of a name.
pub(crate) fn level_of(name: &str) -> Option<Level> {
    Level::ALL.into_iter().find(|level| level.as_str() == name)
}

/// The texts of a list; null is an empty one.
pub(crate) fn texts(value: &Value, field: &str) -> Vec<String> {
    value.list_at(&[field]).iter().map(|text| text.as_str().unwrap_or_default().into()).collect()
}

/// The texts of a list as errors show them.
pub(crate) fn shown_texts(texts: &[String]) -> String {
    json::to_string(&Value::List(texts.iter().map(|text| Value::text(text.as_str())).collect()))
}
