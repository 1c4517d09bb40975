//! What a start repairs of objects that are there: roles and bindings get back what they lack, flow schemas and
//! priority levels their specs unless somebody else keeps those, and others learn whom this server trusts.

use pintle_object::{Map, Value, json};

/// Hands off a role or binding: `false`.
const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";
/// Whether the server keeps the spec of a flow schema or priority level.
const AUTOUPDATE_SPEC: &str = "apf.kubernetes.io/autoupdate-spec";
/// These flow schemas and priority levels are the server's, whatever their annotation says.
const MANDATORY: [&str; 2] = ["catch-all", "exempt"];
const CERTIFICATE_END: &str = "-----END CERTIFICATE-----";

/// What an object of the server's own should become; `None` when it may stay as it is.
pub fn reconciled(current: &Value, wanted: &Value) -> Option<Value> {
    let group = wanted.str_at(&["apiVersion"]).split('/').next().unwrap_or_default();
    let next = match (group, wanted.str_at(&["kind"])) {
        ("rbac.authorization.k8s.io", _) => access(current, wanted),
        ("flowcontrol.apiserver.k8s.io", _) => flow_control(current, wanted),
        (_, "ConfigMap") if wanted.at(&["data", "client-ca-file"]).is_some() => trust(current, wanted),
        _ => return None,
    };
    next.filter(|next| next != current)
}

/// A role or binding with everything that this release gives it, besides what it has.
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
        // Nobody has changed it yet.
        _ => current.int_at(&["metadata", "generation"]) == Some(1),
    };
    if !is_mandatory && !keeps {
        return None;
    }
    let mut next = current.clone();
    if is_mandatory {
        next.set(&["metadata", "annotations", AUTOUPDATE_SPEC], "true");
    }
    // How much of the server the exempt level lends is its users' to say.
    let is_exempt_level = wanted.at(&["spec", "exempt"]).is_some();
    if !is_exempt_level || current.str_at(&["spec", "type"]) != wanted.str_at(&["spec", "type"]) {
        next.set(&["spec"], wanted.get("spec").cloned().unwrap_or_default());
    }
    Some(next)
}

/// All servers on one store are trusted by the same others, so that each adds its own authorities and names.
fn trust(current: &Value, wanted: &Value) -> Option<Value> {
    let mut next = current.clone();
    for (key, value) in wanted.map_at(&["data"]).into_iter().flat_map(Map::iter) {
        let (has, own) = (current.str_at(&["data", key]), value.as_str().unwrap_or_default());
        let both = if key.ends_with("-ca-file") { joined_pem(has, own) } else { joined_list(has, own) };
        next.set(&["data", key], both);
    }
    Some(next)
}

/// The certificates of both texts, each once.
fn joined_pem(has: &str, own: &str) -> String {
    let mut text = String::from(has);
    for certificate in own.split_inclusive(CERTIFICATE_END).map(str::trim).filter(|one| !one.is_empty()) {
        if !text.contains(certificate) {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(certificate);
            text.push('\n');
        }
    }
    text
}

/// Two lists in JSON as one, each item once.
fn joined_list(has: &str, own: &str) -> String {
    let items = |text: &str| json::parse(text.as_bytes()).unwrap_or_default();
    let (has, own) = (items(has), items(own));
    let mut all = has.as_list().unwrap_or_default().to_vec();
    for item in own.as_list().unwrap_or_default() {
        if !all.contains(item) {
            all.push(item.clone());
        }
    }
    json::to_string(&Value::from(all))
}

fn annotation<'a>(object: &'a Value, key: &str) -> &'a str {
    object.str_at(&["metadata", "annotations", key])
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn servers_on_one_store_are_all_trusted() {
        let (a, b) = ("-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n", "X");
        assert_eq!(joined_pem(a, a), a);
        assert_eq!(joined_pem("", a), a);
        assert_eq!(joined_pem(b, a), format!("{b}\n{a}"));
        assert_eq!(joined_list(r#"["a","b"]"#, r#"["b","c"]"#), r#"["a","b","c"]"#);
        assert_eq!(joined_list("", "[]"), "[]");
    }
}
