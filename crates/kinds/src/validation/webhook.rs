//! Webhooks: the address, the rules and the accepted versions of a webhook.

use super::{admission_rules, check};
use pintle_cel::Scope;
use pintle_object::{FieldErrors, Path, Seen, Value, content, repeats};

const REVIEW_VERSIONS: [&str; 2] = ["v1", "v1beta1"];
const SIDE_EFFECTS: [&str; 2] = ["None", "NoneOnDryRun"];
const URL_FORM: &str = "; desired format: https://host[/path]";

/// All errors of the webhooks of a configuration, validating or mutating.
pub fn webhooks(object: &Value, errors: &mut FieldErrors) {
    let path = Path::root("webhooks");
    let mut seen = Seen::new();
    for (index, one) in object.list_at(&["webhooks"]).iter().enumerate() {
        let path = path.index(index);
        webhook(one, &path, errors);
        review_versions(one, &path.child("admissionReviewVersions"), errors);
        let name = one.str_at(&["name"]);
        if !name.is_empty() && seen.contains(&name) {
            errors.duplicate(&path.child("name"), name);
        }
        seen.push(name);
    }
}

fn webhook(webhook: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    qualified_name(webhook.str_at(&["name"]), &path.child("name"), errors);
    let rules = path.child("rules");
    for (index, rule) in webhook.list_at(&["rules"]).iter().enumerate() {
        admission_rules::rule(rule, &rules.index(index), errors);
    }
    admission_rules::one_of(webhook, "failurePolicy", &["Fail", "Ignore"], path, errors);
    admission_rules::one_of(webhook, "matchPolicy", &["Equivalent", "Exact"], path, errors);
    if check::present(webhook, &["sideEffects"]).is_none() {
        errors.required(&path.child("sideEffects"), "must specify one of None, NoneOnDryRun");
    }
    admission_rules::one_of(webhook, "sideEffects", &SIDE_EFFECTS, path, errors);
    if let Some(seconds) = webhook.int_at(&["timeoutSeconds"])
        && !(1..=30).contains(&seconds)
    {
        let why = "the timeout value must be between 1 and 30 seconds";
        errors.invalid(&path.child("timeoutSeconds"), seconds, why);
    }
    admission_rules::selectors(webhook, path, errors);
    admission_rules::one_of(webhook, "reinvocationPolicy", &["IfNeeded", "Never"], path, errors);
    client(webhook.get("clientConfig").unwrap_or(&Value::Null), &path.child("clientConfig"), errors);
    admission_rules::match_conditions(webhook, &Scope::admission(), path, errors);
}

/// A domain of three or more labels.
fn qualified_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if name.is_empty() {
        errors.required(path, "");
        return;
    }
    let messages = content::dns1123_subdomain(name);
    if !messages.is_empty() {
        errors.invalid(path, name, &messages.join(","));
    } else if name.split('.').count() < 3 {
        errors.invalid(path, name, "should be a domain with at least three segments separated by dots");
    }
}

fn review_versions(webhook: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let versions: Vec<&str> = webhook
        .list_at(&["admissionReviewVersions"])
        .iter()
        .map(|version| version.as_str().unwrap_or(""))
        .collect();
    if versions.is_empty() {
        errors.required(path, "must specify one of v1, v1beta1");
        return;
    }
    for ((index, version), is_again) in versions.iter().enumerate().zip(repeats(&versions)) {
        let path = path.index(index);
        if is_again {
            errors.invalid(&path, *version, "duplicate version");
            continue;
        }
        check::invalid_all(content::dns1035_label(version), version, &path, errors);
    }
    if !versions.iter().any(|version| REVIEW_VERSIONS.contains(version)) {
        let shown = webhook.get("admissionReviewVersions").unwrap_or(&Value::Null);
        errors.invalid(path, shown, "must include at least one of v1, v1beta1");
    }
}

/// Exactly one of a URL and a service.
pub fn client(config: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let url_text = check::present(config, &["url"]).and_then(Value::as_str);
    let service_value = check::present(config, &["service"]);
    match (url_text, service_value) {
        (Some(text), None) => url(text, &path.child("url"), errors),
        (None, Some(value)) => service(value, &path.child("service"), errors),
        _ => errors.required(path, "exactly one of url or service is required"),
    }
}

fn url(text: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (scheme, rest) = rest.split_once("://").unwrap_or(("", rest));
    let has_authority = text.contains("://");
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = if has_authority { rest.split('/').next().unwrap_or("") } else { "" };
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if scheme != "https" {
        let why = format!("'https' is the only allowed URL scheme{URL_FORM}");
        errors.invalid(path, scheme, &why);
    }
    if host.is_empty() {
        errors.invalid(path, host, &format!("host must be specified{URL_FORM}"));
    }
    if !user.is_empty() {
        errors.invalid(path, user, "user information is not permitted in the URL");
    }
    if !fragment.is_empty() {
        errors.invalid(path, fragment, "fragments are not permitted in the URL");
    }
    if !query.is_empty() {
        errors.invalid(path, query, "query parameters are not permitted in the URL");
    }
}

fn service(service: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    // Upstream's messages confuse the two.
    for (field, said) in [("namespace", "name"), ("name", "namespace")] {
        if service.str_at(&[field]).is_empty() {
            errors.required(&path.child(said), "");
        }
    }
    let port = service.int_at(&["port"]).unwrap_or(0);
    let messages = content::port_number(port);
    if !messages.is_empty() {
        errors.invalid(&path.child("port"), port, &format!("port is not valid: {}", messages.join(", ")));
    }
    if let Some(text) = check::present(service, &["path"]).and_then(Value::as_str) {
        url_path(text, &path.child("path"), errors);
    }
}

/// `/a/b`, each segment a domain.
fn url_path(text: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    match text {
        "" | "/" => return,
        "//" => return errors.invalid(path, text, "segment[0] may not be empty"),
        _ => {}
    }
    if !text.starts_with('/') {
        errors.invalid(path, text, "must start with a '/'");
    }
    let mut chars = text.chars();
    chars.next();
    let rest = chars.as_str();
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    for (index, segment) in rest.split('/').enumerate() {
        if segment.is_empty() {
            errors.invalid(path, text, &format!("segment[{index}] may not be empty"));
            continue;
        }
        for message in content::dns1123_subdomain(segment) {
            errors.invalid(path, text, &format!("segment[{index}]: {message}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_a_host_and_no_more_than_a_path() {
        let cases = [
            ("https://host/path", 0),
            ("http://host", 1),
            ("https:///path", 1),
            ("https://user@host#x", 2),
            ("https://host?q", 1),
            ("x", 2),
        ];
        for (text, expected) in cases {
            let mut errors = FieldErrors::new();
            url(text, &Path::root("url"), &mut errors);
            assert_eq!(errors.len(), expected, "{text}");
        }
    }
}
