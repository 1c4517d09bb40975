//! Labels of nodes that have newer names.

use crate::validation::check::present;
use pintle_object::{Path, Value, content};

const DEPRECATED: [(&str, &str); 8] = [
    ("beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"),
    ("beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    (
        "failure-domain.beta.kubernetes.io/zone",
        "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead",
    ),
    (
        "beta.kubernetes.io/instance-type",
        "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead",
    ),
    ("app.kubernetes.io/created-by", "deprecated since v1.9"),
    (
        "scheduler.alpha.kubernetes.io/preferAvoidPods",
        "deprecated since v1.22; use Taints and Tolerations instead",
    ),
    ("node-role.kubernetes.io/master", "use \"node-role.kubernetes.io/control-plane\" instead"),
];

/// The reason why a label is deprecated, if it is.
pub fn deprecated(key: &str) -> Option<&'static str> {
    DEPRECATED.iter().find(|(old, _)| *old == key).map(|(_, why)| *why)
}

/// The newer name of a label that volumes may be moved to.
pub fn newer(key: &str) -> Option<&'static str> {
    const NEWER: [(&str, &str); 5] = [
        ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
        ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
        ("beta.kubernetes.io/os", "kubernetes.io/os"),
        ("beta.kubernetes.io/arch", "kubernetes.io/arch"),
        ("beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type"),
    ];
    NEWER.iter().find(|(old, _)| *old == key).map(|(_, newer)| *newer)
}

/// Warnings about a label selector for nodes.
pub fn warn_selector(selector: &Value, path: &Path<'_>, out: &mut Vec<String>) {
    let expressions = path.child("matchExpressions");
    for (index, requirement) in selector.list_at(&["matchExpressions"]).iter().enumerate() {
        let key = requirement.str_at(&["key"]);
        if let Some(why) = deprecated(key) {
            out.push(format!("{}: {key} is {why}", expressions.index(index).child("key")));
        }
    }
    let labels = path.child("matchLabels");
    for key in selector.map_at(&["matchLabels"]).into_iter().flat_map(|map| map.keys()) {
        if let Some(why) = deprecated(key) {
            out.push(format!("{}: {why}", labels.child(key)));
        }
    }
}

/// Warnings about a term of a node selector; where its values are only wishes, about those too.
pub fn warn_term(term: &Value, checks_values: bool, path: &Path<'_>, out: &mut Vec<String>) {
    if present(term, &["matchExpressions"]).is_none() {
        return;
    }
    let path = path.child("matchExpressions");
    for (index, requirement) in term.list_at(&["matchExpressions"]).iter().enumerate() {
        let path = path.index(index);
        let key = requirement.str_at(&["key"]);
        if let Some(why) = deprecated(key) {
            out.push(format!("{}: {key} is {why}", path.child("key")));
        }
        if !checks_values {
            continue;
        }
        let path = path.child("values");
        for (index, value) in requirement.list_at(&["values"]).iter().enumerate() {
            let value = value.as_str().unwrap_or("");
            for why in content::label_value(value) {
                out.push(format!("{}: {value} is invalid, {why}", path.index(index)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_labels_are_warned_about() {
        let json =
            br#"{"matchExpressions":[{"key":"beta.kubernetes.io/os","operator":"In","values":["linux"]}]}"#;
        let term = pintle_object::json::parse(json).expect("test data is JSON");
        let mut out = Vec::new();
        warn_term(&term, true, &Path::root("t"), &mut out);
        let why = "deprecated since v1.14; use \"kubernetes.io/os\" instead";
        assert_eq!(out, [format!("t.matchExpressions[0].key: beta.kubernetes.io/os is {why}")]);
    }
}
