//! Specs and statuses of FlowSchema and PriorityLevelConfiguration.

use super::check;
use super::internal::{self, Form, Shape};
use pintle_object::{FieldErrors, Path, Seen, Value, content};

const SPEC: Path<'static> = Path::root("spec");
const PRECEDENCE_MAX: i64 = 10_000;
const QUEUES_MAX: i64 = 10_000_000;
/// Bits of the hash that deals a flow its queues.
const HASH_BITS_MAX: i64 = 60;
const DISTINGUISHERS: [&str; 2] = ["ByNamespace", "ByUser"];
const VERBS: [&str; 9] =
    ["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];
/// Kinds of subjects and the fields that hold them.
const SUBJECTS: [(&str, &str); 3] =
    [("ServiceAccount", "serviceAccount"), ("User", "user"), ("Group", "group")];

const MANDATORY_EXEMPT: &str = r#"{"priorityLevelConfiguration":{"name":"exempt"},"matchingPrecedence":1,"rules":[{"subjects":[{"kind":"Group","group":{"name":"system:masters"}}],"resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"],"clusterScope":true,"namespaces":["*"]}],"nonResourceRules":[{"verbs":["*"],"nonResourceURLs":["*"]}]}]}"#;
const MANDATORY_CATCH_ALL: &str = r#"{"priorityLevelConfiguration":{"name":"catch-all"},"matchingPrecedence":10000,"distinguisherMethod":{"type":"ByUser"},"rules":[{"subjects":[{"kind":"Group","group":{"name":"system:unauthenticated"}},{"kind":"Group","group":{"name":"system:authenticated"}}],"resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"],"clusterScope":true,"namespaces":["*"]}],"nonResourceRules":[{"verbs":["*"],"nonResourceURLs":["*"]}]}]}"#;
const MANDATORY_LIMITED: &str = r#"{"type":"Limited","limited":{"nominalConcurrencyShares":5,"limitResponse":{"type":"Reject"},"lendablePercent":0}}"#;

const NAMED: Shape = &[("Name", "name", Form::Text)];
const SUBJECT: Shape = &[
    ("Kind", "kind", Form::Text),
    ("User", "user", Form::Pointer(NAMED)),
    ("Group", "group", Form::Pointer(NAMED)),
    (
        "ServiceAccount",
        "serviceAccount",
        Form::Pointer(&[("Namespace", "namespace", Form::Text), ("Name", "name", Form::Text)]),
    ),
];
const RULE: Shape = &[
    ("Subjects", "subjects", Form::List(SUBJECT)),
    (
        "ResourceRules",
        "resourceRules",
        Form::List(&[
            ("Verbs", "verbs", Form::Nullable),
            ("APIGroups", "apiGroups", Form::Nullable),
            ("Resources", "resources", Form::Nullable),
            ("ClusterScope", "clusterScope", Form::Bool),
            ("Namespaces", "namespaces", Form::Nullable),
        ]),
    ),
    (
        "NonResourceRules",
        "nonResourceRules",
        Form::List(&[
            ("Verbs", "verbs", Form::Nullable),
            ("NonResourceURLs", "nonResourceURLs", Form::Nullable),
        ]),
    ),
];
const METHOD: Shape = &[("Type", "type", Form::Text)];
const SCHEMA: Shape = &[
    ("PriorityLevelConfiguration", "priorityLevelConfiguration", Form::Struct(NAMED)),
    ("MatchingPrecedence", "matchingPrecedence", Form::Int),
    ("DistinguisherMethod", "distinguisherMethod", Form::Pointer(METHOD)),
    ("Rules", "rules", Form::List(RULE)),
];
const QUEUING: Shape = &[
    ("Queues", "queues", Form::Int),
    ("HandSize", "handSize", Form::Int),
    ("QueueLengthLimit", "queueLengthLimit", Form::Int),
];
const LEVEL: Shape = &[
    ("Type", "type", Form::Text),
    (
        "Limited",
        "limited",
        Form::Pointer(&[
            ("NominalConcurrencyShares", "nominalConcurrencyShares", Form::Int),
            (
                "LimitResponse",
                "limitResponse",
                Form::Struct(&[("Type", "type", Form::Text), ("Queuing", "queuing", Form::Pointer(QUEUING))]),
            ),
            ("LendablePercent", "lendablePercent", Form::Nullable),
            ("BorrowingLimitPercent", "borrowingLimitPercent", Form::Nullable),
        ]),
    ),
    (
        "Exempt",
        "exempt",
        Form::Pointer(&[
            ("NominalConcurrencyShares", "nominalConcurrencyShares", Form::Nullable),
            ("LendablePercent", "lendablePercent", Form::Nullable),
        ]),
    ),
];

/// A FlowSchema's spec; those of the two mandatory ones are fixed.
pub fn schema(object: &Value, errors: &mut FieldErrors) {
    let name = object.str_at(&["metadata", "name"]);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    schema_spec(name, spec, errors);
    let fixed = match name {
        "exempt" => MANDATORY_EXEMPT,
        "catch-all" => MANDATORY_CATCH_ALL,
        _ => return,
    };
    if pintle_object::json::parse(fixed.as_bytes()).is_ok_and(|fixed| fixed != *spec) {
        let why = format!("spec of '{name}' must equal the fixed value");
        errors.invalid(&SPEC, internal::shown(spec, SCHEMA), &why);
    }
}

/// A PriorityLevelConfiguration's spec; those of the two mandatory ones are fixed, except for the seats that the exempt
/// level lends.
pub fn level(object: &Value, errors: &mut FieldErrors) {
    let name = object.str_at(&["metadata", "name"]);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    level_spec(name, spec, errors);
    match name {
        "exempt" => {
            let is_fixed = spec.str_at(&["type"]) == "Exempt" && check::present(spec, &["limited"]).is_none();
            if !is_fixed {
                let why = "spec of 'exempt' except the 'spec.exempt' field must equal the fixed value";
                errors.invalid(&SPEC, internal::shown(spec, LEVEL), why);
            }
        }
        "catch-all" => {
            let fixed = pintle_object::json::parse(MANDATORY_LIMITED.as_bytes());
            if fixed.is_ok_and(|fixed| fixed != *spec) {
                let why = "spec of 'catch-all' must equal the fixed value";
                errors.invalid(&SPEC, internal::shown(spec, LEVEL), why);
            }
        }
        _ => {}
    }
}

/// Conditions of both kinds have types, each at most once.
pub fn status(object: &Value, errors: &mut FieldErrors) {
    let path = Path::root("status.conditions");
    let mut seen = Seen::new();
    for (index, condition) in object.list_at(&["status", "conditions"]).iter().enumerate() {
        let path = path.index(index);
        let kind = condition.str_at(&["type"]);
        if seen.contains(&kind) {
            errors.duplicate(&path.child("type"), kind);
        }
        seen.push(kind);
        if kind.is_empty() {
            errors.required(&path.child("type"), "");
        }
    }
}

fn schema_spec(name: &str, spec: &Value, errors: &mut FieldErrors) {
    let precedence = spec.int_at(&["matchingPrecedence"]).unwrap_or(0);
    let path = SPEC.child("matchingPrecedence");
    if precedence <= 0 {
        errors.invalid(&path, precedence, "must be a positive value");
    }
    if precedence > PRECEDENCE_MAX {
        errors.invalid(&path, precedence, &format!("must not be greater than {PRECEDENCE_MAX}"));
    }
    if precedence == 1 && name != "exempt" {
        errors.invalid(&path, precedence, "only the schema named 'exempt' may have matchingPrecedence 1");
    }
    if let Some(method) = check::present(spec, &["distinguisherMethod"])
        && !DISTINGUISHERS.contains(&method.str_at(&["type"]))
    {
        let path = SPEC.child("distinguisherMethod");
        errors.not_supported(&path.child("type"), internal::shown(method, METHOD), &DISTINGUISHERS);
    }
    let level = spec.str_at(&["priorityLevelConfiguration", "name"]);
    let path = SPEC.child("priorityLevelConfiguration");
    if level.is_empty() {
        errors.required(&path.child("name"), "must reference a priority level");
    } else {
        check::invalid_all(content::dns1123_subdomain(level), level, &path.child("name"), errors);
    }
    let path = SPEC.child("rules");
    for (index, one) in spec.list_at(&["rules"]).iter().enumerate() {
        rule(one, &path.index(index), errors);
    }
}

fn rule(rule: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let subjects = rule.list_at(&["subjects"]);
    let subjects_path = path.child("subjects");
    for (index, one) in subjects.iter().enumerate() {
        subject(one, &subjects_path.index(index), errors);
    }
    if subjects.is_empty() {
        errors.required(&subjects_path, "subjects must contain at least one value");
    }
    let (resource, other) = (rule.list_at(&["resourceRules"]), rule.list_at(&["nonResourceRules"]));
    if resource.is_empty() && other.is_empty() {
        let why = "at least one of resourceRules and nonResourceRules has to be non-empty";
        errors.required(path, why);
    }
    let rules_path = path.child("resourceRules");
    for (index, rule) in resource.iter().enumerate() {
        resource_rule(rule, &rules_path.index(index), errors);
    }
    let rules_path = path.child("nonResourceRules");
    for (index, rule) in other.iter().enumerate() {
        non_resource_rule(rule, &rules_path.index(index), errors);
    }
}

/// Checks that a subject has the field of its kind, and no other.
fn subject(subject: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let kind = subject.str_at(&["kind"]);
    let Some((_, own)) = SUBJECTS.iter().find(|(name, _)| *name == kind) else {
        errors.not_supported(&path.child("kind"), kind, &["Group", "ServiceAccount", "User"]);
        return;
    };
    match check::present(subject, &[own]) {
        None => {
            let why = format!("{own} is required when subject kind is '{kind}'");
            errors.required(&path.child(own), &why);
        }
        Some(value) => subject_name(own, value, &path.child(own), errors),
    }
    for (other_kind, other) in SUBJECTS.iter().filter(|(name, _)| *name != kind) {
        if check::present(subject, &[other]).is_some() {
            let why = format!("{other} is forbidden when subject kind is not '{other_kind}'");
            errors.forbidden(&path.child(other), &why);
        }
    }
}

fn subject_name(field: &str, value: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let name = value.str_at(&["name"]);
    let is_account = field == "serviceAccount";
    if name.is_empty() {
        errors.required(&path.child("name"), "");
    } else if is_account && name != "*" {
        check::invalid_all(content::dns1123_subdomain(name), name, &path.child("name"), errors);
    }
    if !is_account {
        return;
    }
    let namespace = value.str_at(&["namespace"]);
    if namespace.is_empty() {
        errors.required(&path.child("namespace"), "must specify namespace for service account");
    } else {
        let messages = content::dns1123_label(namespace);
        check::invalid_all(messages, namespace, &path.child("namespace"), errors);
    }
}

fn has_wildcard(list: &[Value]) -> bool {
    list.iter().any(|item| item.as_str() == Some("*"))
}

fn verbs(rule: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let list = rule.list_at(&["verbs"]);
    let shown = rule.get("verbs").unwrap_or(&Value::Null);
    let path = path.child("verbs");
    if list.is_empty() {
        errors.required(&path, "verbs must contain at least one value");
    } else if has_wildcard(list) {
        if list.len() > 1 {
            errors.invalid(&path, shown, "if '*' is present, must not specify other verbs");
        }
    } else if list.iter().any(|verb| !VERBS.contains(&verb.as_str().unwrap_or(""))) {
        errors.not_supported(&path, shown, &VERBS);
    }
}

/// A list with at least one item, or with the wildcard alone. Returns whether its items are to be looked at.
fn items(rule: &Value, field: &str, missing: &str, others: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let list = rule.list_at(&[field]);
    if list.is_empty() {
        errors.required(&path.child(field), missing);
    } else if list.len() > 1 && has_wildcard(list) {
        let shown = rule.get(field).unwrap_or(&Value::Null);
        let why = format!("if '*' is present, must not specify other {others}");
        errors.invalid(&path.child(field), shown, &why);
    }
}

fn resource_rule(rule: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    verbs(rule, path, errors);
    let missing = "resource rules must supply at least one api group";
    items(rule, "apiGroups", missing, "api groups", path, errors);
    let missing = "resource rules must supply at least one resource";
    items(rule, "resources", missing, "resources", path, errors);
    let namespaces = rule.list_at(&["namespaces"]);
    if !namespaces.is_empty() || !rule.bool_at(&["clusterScope"]) {
        let missing = "resource rules that are not cluster scoped must supply at least one namespace";
        items(rule, "namespaces", missing, "namespaces", path, errors);
    }
    if has_wildcard(namespaces) {
        return;
    }
    let path = path.child("namespaces");
    for (index, namespace) in namespaces.iter().filter_map(Value::as_str).enumerate() {
        for message in content::dns1123_label(namespace) {
            let why = format!("each member of this list must be '*' or a DNS-1123 label; {message}");
            errors.invalid(&path.index(index), namespace, &why);
        }
    }
}

fn non_resource_rule(rule: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    verbs(rule, path, errors);
    let missing = "nonResourceURLs must contain at least one value";
    items(rule, "nonResourceURLs", missing, "non-resource URLs", path, errors);
    let urls = rule.list_at(&["nonResourceURLs"]);
    if has_wildcard(urls) {
        return;
    }
    let path = path.child("nonResourceURLs");
    for (index, url) in urls.iter().filter_map(Value::as_str).enumerate() {
        if let Some(why) = wrong_url(url) {
            errors.invalid(&path.index(index), url, why);
        }
    }
}

/// A path from the root, whose only wildcard is a last segment.
fn wrong_url(url: &str) -> Option<&'static str> {
    let wildcards = url.matches('*').count();
    if url.is_empty() {
        Some("must not be empty")
    } else if url == "/" {
        None
    } else if !url.starts_with('/') {
        Some("must start with slash")
    } else if url.contains(' ') {
        Some("must not contain white-space")
    } else if url.contains("//") {
        Some("must not contain double slash")
    } else if wildcards > 1 || (wildcards == 1 && !url.ends_with("/*")) {
        Some("wildcard can only do suffix matching")
    } else {
        None
    }
}

fn level_spec(name: &str, spec: &Value, errors: &mut FieldErrors) {
    let kind = spec.str_at(&["type"]);
    if (name == "exempt") != (kind == "Exempt") {
        errors.invalid(&SPEC.child("type"), kind, "must be 'Exempt' if and only if `name` is 'exempt'");
    }
    let (limited, exempt) = (check::present(spec, &["limited"]), check::present(spec, &["exempt"]));
    let (limited_path, exempt_path) = (SPEC.child("limited"), SPEC.child("exempt"));
    match kind {
        "Exempt" => {
            if limited.is_some() {
                errors.forbidden(&limited_path, "must be nil if the type is not Limited");
            }
            if let Some(exempt) = exempt {
                shares(exempt, &exempt_path, errors);
                lendable(exempt, &exempt_path, errors);
            }
        }
        "Limited" => {
            if exempt.is_some() {
                errors.forbidden(&exempt_path, "must be nil if the type is Limited");
            }
            match limited {
                None => errors.required(&limited_path, "must not be empty when type is Limited"),
                Some(limited) => limited_level(limited, &limited_path, errors),
            }
        }
        other => errors.not_supported(&SPEC.child("type"), other, &["Exempt", "Limited"]),
    }
}

fn shares(level: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(shares) = level.int_at(&["nominalConcurrencyShares"]).filter(|shares| *shares < 0) {
        errors.invalid(&path.child("nominalConcurrencyShares"), shares, "must be a non-negative integer");
    }
}

fn lendable(level: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let percent = level.int_at(&["lendablePercent"]);
    if let Some(percent) = percent.filter(|percent| !(0..=100).contains(percent)) {
        errors.invalid(&path.child("lendablePercent"), percent, "must be between 0 and 100, inclusive");
    }
}

fn limited_level(limited: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    shares(limited, path, errors);
    let response = limited.get("limitResponse").unwrap_or(&Value::Null);
    let response_path = path.child("limitResponse");
    let queuing_path = response_path.child("queuing");
    let queuing = check::present(response, &["queuing"]);
    match response.str_at(&["type"]) {
        "Reject" => {
            if queuing.is_some() {
                let why = "must be nil if limited.limitResponse.type is not Limited";
                errors.forbidden(&queuing_path, why);
            }
        }
        "Queue" => match queuing {
            None => {
                errors.required(&queuing_path, "must not be empty if limited.limitResponse.type is Limited");
            }
            Some(queuing) => queues(queuing, &queuing_path, errors),
        },
        other => errors.not_supported(&response_path.child("type"), other, &["Queue", "Reject"]),
    }
    lendable(limited, path, errors);
    if let Some(percent) = limited.int_at(&["borrowingLimitPercent"]).filter(|percent| *percent < 0) {
        let why = "if specified, must be a non-negative integer";
        errors.invalid(&path.child("borrowingLimitPercent"), percent, why);
    }
}

fn queues(queuing: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let number = |field: &str| queuing.int_at(&[field]).unwrap_or(0);
    let (limit, queues, hand) = (number("queueLengthLimit"), number("queues"), number("handSize"));
    if limit <= 0 {
        errors.invalid(&path.child("queueLengthLimit"), limit, "must be positive");
    }
    if queues <= 0 {
        errors.invalid(&path.child("queues"), queues, "must be positive");
    } else if queues > QUEUES_MAX {
        errors.invalid(&path.child("queues"), queues, &format!("must not be greater than {QUEUES_MAX}"));
    }
    let path = path.child("handSize");
    if hand <= 0 {
        errors.invalid(&path, hand, "must be positive");
    } else if hand > queues {
        errors.invalid(&path, hand, &format!("should not be greater than queues ({queues})"));
    } else if entropy_bits(queues, hand) > HASH_BITS_MAX {
        let why = format!(
            "required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {HASH_BITS_MAX}"
        );
        errors.invalid(&path, hand, &why);
    }
}

/// Bits that it takes to deal a hand from a deck.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "both are small")]
fn entropy_bits(deck: i64, hand: i64) -> i64 {
    ((deck as f64).log2() * hand as f64).ceil() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_paths() {
        let cases =
            [("/", true), ("/a/*", true), ("", false), ("a", false), ("/a//b", false), ("/*/a", false)];
        for (url, is_right) in cases {
            assert_eq!(wrong_url(url).is_none(), is_right, "{url}");
        }
    }

    #[test]
    fn hands_take_bits() {
        assert_eq!(entropy_bits(64, 8), 48);
        assert!(entropy_bits(65536, 4) > HASH_BITS_MAX);
    }
}
