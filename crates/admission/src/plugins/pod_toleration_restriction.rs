//! PodTolerationRestriction: pods get the tolerations of their namespace, and none that it does not allow.

use super::quota::is_best_effort;
use crate::plugin::Plugin;
use crate::request::{Request, not_found, plain};
use crate::settings::Setup;
use pintle_object::config_file::{Fields, Form, Kind};
use pintle_object::{Status, Value, json};

/// The plugin's section of an AdmissionConfiguration.
pub const KIND: Kind = Kind {
    group: "podtolerationrestriction.admission.k8s.io",
    versions: &["v1alpha1"],
    name: "Configuration",
    fields: &[("default", Form::List(TOLERATION)), ("whitelist", Form::List(TOLERATION))],
};
const TOLERATION: Fields = &[
    ("key", Form::Text),
    ("operator", Form::Text),
    ("value", Form::Text),
    ("effect", Form::Text),
    ("tolerationSeconds", Form::Integer),
];
const DEFAULTS: &str = "scheduler.alpha.kubernetes.io/defaultTolerations";
const ALLOWED: &str = "scheduler.alpha.kubernetes.io/tolerationsWhitelist";
const TOLERATIONS: [&str; 2] = ["spec", "tolerations"];

/// The tolerations for namespaces without annotations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TolerationLists {
    defaults: Vec<Value>,
    allowed: Vec<Value>,
}

impl TolerationLists {
    fn read(value: &Value) -> TolerationLists {
        let (defaults, allowed) = (value.list_at(&["default"]), value.list_at(&["whitelist"]));
        TolerationLists { defaults: defaults.to_vec(), allowed: allowed.to_vec() }
    }
}

pub struct PodTolerationRestriction(TolerationLists);

impl PodTolerationRestriction {
    pub fn new(setup: &Setup<'_>) -> PodTolerationRestriction {
        PodTolerationRestriction(TolerationLists::read(setup.section))
    }
}

impl Plugin for PodTolerationRestriction {
    fn mutate(&self, request: &Request<'_>, object: &mut Value) -> Result<(), Status> {
        if !is_meant(request) {
            return Ok(());
        }
        let mut added = Vec::new();
        if request.is_create() {
            added = of_namespace(request, DEFAULTS)?.unwrap_or_else(|| self.0.defaults.clone());
        }
        if !is_best_effort(object) {
            added.push(memory_pressure());
        }
        if !added.is_empty() {
            let merged = merge([added.as_slice(), object.list_at(&TOLERATIONS)].concat());
            object.set(&TOLERATIONS, merged);
        }
        self.validate(request, object)
    }

    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        let own = object.list_at(&TOLERATIONS);
        if !is_meant(request) || own.is_empty() {
            return Ok(());
        }
        let of_namespace = of_namespace(request, ALLOWED)?;
        let whose = if of_namespace.is_some() { "namespace" } else { "cluster" };
        let allowed = of_namespace.as_ref().unwrap_or(&self.0.allowed);
        let is_allowed = |toleration: &Value| allowed.iter().any(|wider| covers(wider, toleration));
        if allowed.is_empty() || own.iter().all(is_allowed) {
            return Ok(());
        }
        Err(plain(format!(
            "pod tolerations (possibly merged with namespace default tolerations) conflict with its {whose} \
             whitelist"
        )))
    }
}

fn is_meant(request: &Request<'_>) -> bool {
    request.is_object("", "pods") && (request.is_create() || request.is_update())
}

/// The tolerations in an annotation of the namespace; `None` without the annotation.
fn of_namespace(request: &Request<'_>, annotation: &str) -> Result<Option<Vec<Value>>, Status> {
    let name = request.namespace();
    let namespace = request.view.get("", "namespaces", "", name);
    let namespace = namespace.ok_or_else(|| not_found("", "namespaces", name))?;
    match namespace.at(&["metadata", "annotations", annotation]).and_then(Value::as_str) {
        None => Ok(None),
        Some("") => Ok(Some(Vec::new())),
        Some(text) => {
            let list = json::parse(text.as_bytes()).map_err(|error| plain(error.to_string()))?;
            match list {
                Value::Null => Ok(Some(Vec::new())),
                Value::List(list) if list.iter().all(|toleration| toleration.as_map().is_some()) => {
                    Ok(Some(list))
                }
                // An unreadable list must not count as one that allows everything.
                _ => Err(plain("json: cannot unmarshal value into Go value of type []v1.Toleration")),
            }
        }
    }
}

fn memory_pressure() -> Value {
    let mut toleration = Value::map();
    toleration.set(&["effect"], "NoSchedule");
    toleration.set(&["key"], "node.kubernetes.io/memory-pressure");
    toleration.set(&["operator"], "Exists");
    toleration
}

/// The tolerations without those that another one covers; of equal ones the first is kept.
fn merge(all: Vec<Value>) -> Vec<Value> {
    let mut merged: Vec<Value> = Vec::new();
    for (place, one) in all.iter().enumerate() {
        let is_covered = merged.iter().any(|wider| covers(wider, one));
        let mut later = all.iter().skip(place + 1);
        if !is_covered && !later.any(|wider| wider != one && covers(wider, one)) {
            merged.push(one.clone());
        }
    }
    merged
}

/// Whether a toleration tolerates every taint that another one does.
fn covers(wider: &Value, one: &Value) -> bool {
    if wider == one {
        return true;
    }
    let text = |value: &Value, field: &str| value.str_at(&[field]).to_string();
    let operator = text(wider, "operator");
    let is_any_key = text(wider, "key").is_empty() && operator == "Exists";
    if text(one, "key") != text(wider, "key") && !is_any_key {
        return false;
    }
    let effect = text(wider, "effect");
    if !effect.is_empty() && text(one, "effect") != effect {
        return false;
    }
    if effect == "NoExecute" && !lasts(wider, one) {
        return false;
    }
    match operator.as_str() {
        "" | "Equal" => text(one, "operator") == "Equal" && text(one, "value") == text(wider, "value"),
        operator => operator == "Exists",
    }
}

/// Whether the wider toleration holds as long as the other; one without seconds holds for ever.
fn lasts(wider: &Value, one: &Value) -> bool {
    let seconds = |value: &Value| value.int_at(&["tolerationSeconds"]);
    seconds(wider).is_none_or(|most| seconds(one).is_some_and(|asked| asked <= most))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Value {
        json::parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn a_toleration_covers_what_it_tolerates_besides() {
        let check = |wider: &str, one: &str, expected: bool| {
            assert_eq!(covers(&parse(wider), &parse(one)), expected, "{wider} {one}");
        };
        let equal = r#"{"key":"a","operator":"Equal","value":"v","effect":"NoSchedule"}"#;
        check(r#"{"operator":"Exists"}"#, equal, true);
        check(r#"{"key":"a","operator":"Exists"}"#, equal, true);
        check(r#"{"key":"b","operator":"Exists"}"#, equal, false);
        check(r#"{"key":"a","operator":"Exists","effect":"NoExecute"}"#, equal, false);
        check(equal, r#"{"key":"a","operator":"Exists","effect":"NoSchedule"}"#, false);
        let some_time = r#"{"operator":"Exists","effect":"NoExecute","tolerationSeconds":30}"#;
        check(
            some_time,
            r#"{"key":"a","operator":"Exists","effect":"NoExecute","tolerationSeconds":20}"#,
            true,
        );
        check(some_time, r#"{"key":"a","operator":"Exists","effect":"NoExecute"}"#, false);
    }

    #[test]
    fn the_wider_toleration_stays() {
        let narrow = parse(r#"{"key":"a","operator":"Equal","value":"v"}"#);
        let (wide, other) =
            (parse(r#"{"key":"a","operator":"Exists"}"#), parse(r#"{"key":"b","operator":"Exists"}"#));
        let merged = merge(vec![narrow.clone(), other.clone(), wide.clone(), other.clone()]);
        assert_eq!(merged, [other, wide.clone()]);
        assert_eq!(merge(vec![wide.clone(), narrow]), [wide]);
    }
}
