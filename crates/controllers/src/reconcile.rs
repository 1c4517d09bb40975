//! Repairs of the server's own objects: missing rules and subjects are added to roles and bindings, and flow schemas
//! and priority levels get their specs back unless users have taken them over.

use pintle_object::{Map, Value};

/// Hands off a role or binding: `false`.
const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";
/// The annotation that says whether the server keeps the spec of a flow schema or priority level.
const AUTOUPDATE_SPEC: &str = "apf.kubernetes.io/autoupdate-spec";
/// Flow schemas and priority levels that are always the server's, whatever their annotation is.
const MANDATORY: [&str; 2] = ["catch-all", "exempt"];

/// The next state of an object of the server's own; `None` when it may stay as it is.
pub fn reconciled(current: &Value, wanted: &Value) -> Option<Value> {
    let group = wanted.str_at(&["apiVersion"]).split('/').next().unwrap_or_default();
    let next = match (group, wanted.str_at(&["kind"])) {
        ("rbac.authorization.k8s.io", _) => access(current, wanted),
        ("flowcontrol.apiserver.k8s.io", _) => flow_control(current, wanted),
        _ => return None,
    };
    next.filter(|next| next != current)
}

/// Whether the server keeps the spec of a flow schema or priority level, by its annotation.
pub fn is_kept_spec(current: &Value) -> bool {
    annotation(current, AUTOUPDATE_SPEC) == "true"
}

/// A role or binding with the missing rules and subjects of this release added.
fn access(current: &Value, wanted: &Value) -> Option<Value> {
    if annotation(current, AUTOUPDATE) == "false" {
        return None;
    }
    let mut next = current.clone();
    for field in ["labels", "annotations"] {
        for (key, value) in wanted.map_at(&["metadata", field]).into_iter().flat_map(Map::iter) {
            if current.at(&["metadata", field, key]).is_none() {
                next.set(&["metadata", field, key], value.clone());
            }
        }
    }
    // The rules of an aggregated role are its controller's.
    let fields: &[&[&str]] = match wanted.get("aggregationRule") {
        Some(_) => &[&["aggregationRule", "clusterRoleSelectors"]],
        None => &[&["rules"], &["subjects"]],
    };
    for field in fields {
        let has = current.list_at(field);
        let lacks: Vec<Value> =
            wanted.list_at(field).iter().filter(|item| !has.contains(item)).cloned().collect();
        if !lacks.is_empty() {
            next.set(field, [has, lacks.as_slice()].concat());
        }
    }
    Some(next)
}

fn flow_control(current: &Value, wanted: &Value) -> Option<Value> {
    let name = wanted.str_at(&["metadata", "name"]);
    let is_mandatory = MANDATORY.contains(&name);
    let keeps = match annotation(current, AUTOUPDATE_SPEC) {
        "true" => true,
        "false" => false,
        // Not changed since its creation.
        _ => current.int_at(&["metadata", "generation"]) == Some(1),
    };
    if !is_mandatory && !keeps {
        return None;
    }
    let mut next = current.clone();
    if is_mandatory {
        next.set(&["metadata", "annotations", AUTOUPDATE_SPEC], "true");
    }
    // The seats that the exempt level lends are for users to set.
    let is_exempt_level = wanted.at(&["spec", "exempt"]).is_some();
    if !is_exempt_level || current.str_at(&["spec", "type"]) != wanted.str_at(&["spec", "type"]) {
        next.set(&["spec"], wanted.get("spec").cloned().unwrap_or_default());
    }
    Some(next)
}

fn annotation<'a>(object: &'a Value, key: &str) -> &'a str {
    object.str_at(&["metadata", "annotations", key])
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::json;

    fn check(current: &str, wanted: &str, expected: Option<&str>) {
        let parse = |text: &str| json::parse(text.as_bytes()).unwrap();
        let found = reconciled(&parse(current), &parse(wanted));
        assert_eq!(found, expected.map(parse), "{current}");
    }

    #[test]
    fn roles_get_back_what_they_lack_unless_hands_are_off() {
        let wanted = r#"{"apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"labels":{"a":"b"}},
            "rules":[{"verbs":["get"]},{"verbs":["list"]}]}"#;
        let off = r#"{"rbac.authorization.kubernetes.io/autoupdate":"false"}"#;
        check(&format!(r#"{{"metadata":{{"annotations":{off}}},"rules":[]}}"#), wanted, None);
        check(
            r#"{"rules":[{"verbs":["list"]},{"verbs":["watch"]}]}"#,
            wanted,
            Some(
                r#"{"metadata":{"labels":{"a":"b"}},
                "rules":[{"verbs":["list"]},{"verbs":["watch"]},{"verbs":["get"]}]}"#,
            ),
        );
        check(
            r#"{"metadata":{"labels":{"a":"mine"}},"rules":[{"verbs":["list"]},{"verbs":["get"]}]}"#,
            wanted,
            None,
        );
    }

    #[test]
    fn specs_of_flow_control_are_kept_while_nobody_else_does() {
        let wanted = |name: &str| {
            format!(
                r#"{{"apiVersion":"flowcontrol.apiserver.k8s.io/v1","metadata":{{"name":"{name}"}},
                    "spec":{{"type":"Limited"}}}}"#
            )
        };
        let current = |annotation: &str, generation: u8, kind: &str| {
            format!(
                r#"{{"metadata":{{"annotations":{{"apf.kubernetes.io/autoupdate-spec":"{annotation}"}},
                    "generation":{generation}}},"spec":{{"type":"{kind}"}}}}"#
            )
        };
        let (changed, wanted_one) = (current("true", 2, "Other"), wanted("one"));
        check(&changed, &wanted_one, Some(&current("true", 2, "Limited")));
        check(&current("false", 1, "Other"), &wanted_one, None);
        check(&current("?", 2, "Other"), &wanted_one, None);
        check(&current("?", 1, "Other"), &wanted_one, Some(&current("?", 1, "Limited")));
        check(&current("false", 2, "Other"), &wanted("catch-all"), Some(&current("true", 2, "Limited")));
        check(&current("true", 2, "Limited"), &wanted_one, None);
    }
}
