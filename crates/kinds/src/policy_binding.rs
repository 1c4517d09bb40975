//! ValidatingAdmissionPolicyBinding and MutatingAdmissionPolicyBinding.

use super::{Context, Strategy, cells};
use crate::validation::{NameRule, admission_policy, admission_rules, meta};
use pintle_object::{FieldErrors, Value};

/// Only a validating binding has actions for failures.
pub struct PolicyBinding {
    pub has_actions: bool,
}

impl Strategy for PolicyBinding {
    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate(object, NameRule::Subdomain, errors);
        admission_policy::binding(object, self.has_actions, errors);
    }

    fn validate_update(&self, new: &Value, _old: &Value, errors: &mut FieldErrors) {
        self.validate(new, errors);
    }

    fn warnings(&self, new: &Value, _old: Option<&Value>, out: &mut Vec<String>) {
        admission_rules::warn_static_name(new, out);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![
            cells::name(object),
            cells::text(object, &["spec", "policyName"]),
            Value::from(parameters(object)),
            cells::age(object, now_seconds),
        ]
    }
}

/// `namespace/name`, or the selector in the form of Go's printing.
fn parameters(object: &Value) -> String {
    let Some(reference) = object.at(&["spec", "paramRef"]).filter(|value| !value.is_null()) else {
        return cells::UNSET.to_string();
    };
    match (reference.str_at(&["namespace"]), reference.str_at(&["name"])) {
        (_, "") => reference.at(&["selector"]).map_or_else(String::new, go_selector),
        ("", name) => format!("*/{name}"),
        (namespace, name) => format!("{namespace}/{name}"),
    }
}

fn go_selector(selector: &Value) -> String {
    let labels: String = selector.map_at(&["matchLabels"]).map_or_else(String::new, |labels| {
        labels.iter().map(|(key, value)| format!("{key}: {},", value.as_str().unwrap_or(""))).collect()
    });
    let expressions: String = selector
        .list_at(&["matchExpressions"])
        .iter()
        .map(|expression| {
            let values: Vec<&str> =
                expression.list_at(&["values"]).iter().filter_map(Value::as_str).collect();
            let (key, operator) = (expression.str_at(&["key"]), expression.str_at(&["operator"]));
            format!(
                "LabelSelectorRequirement{{Key:{key},Operator:{operator},Values:[{}],}},",
                values.join(" ")
            )
        })
        .collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )
}
