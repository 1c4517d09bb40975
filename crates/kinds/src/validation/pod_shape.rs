//! Templates as upstream's errors show them, whole.

use super::internal_type;
use pintle_object::Value;
use pintle_object::field::Shown;
use pintle_object::json;

/// Fields of metadata in the order of Go's type; empty ones are left out.
const METADATA: [&str; 6] = ["name", "generateName", "namespace", "labels", "annotations", "finalizers"];

/// A template of pods.
pub fn shown_template(template: &Value) -> Shown {
    with_metadata(template, &shown_spec(template.get("spec").unwrap_or(&Value::Null)))
}

/// A template: the fields of its metadata, then its spec.
pub fn with_metadata(template: &Value, spec: &Shown) -> Shown {
    let mut fields: Vec<String> = Vec::new();
    for field in METADATA {
        let Some(value) = template.at(&["metadata", field]) else { continue };
        let is_empty = match value {
            Value::Map(map) => map.is_empty(),
            Value::List(list) => list.is_empty(),
            Value::Text(text) => text.is_empty(),
            other => other.is_null(),
        };
        if !is_empty {
            fields.push(format!("\"{field}\":{}", json::to_string(value)));
        }
    }
    fields.push(format!("\"Spec\":{}", spec.0));
    Shown(format!("{{{}}}", fields.join(",")))
}

/// A pod's spec. The fields that the API keeps in the spec, and Go in the security context, move there.
pub fn shown_spec(spec: &Value) -> Shown {
    const MOVED: [&str; 5] = ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers"];
    let mut spec = spec.clone();
    for field in MOVED {
        if let Some(value) = spec.remove(&[field]) {
            spec.set(&["securityContext", field], value);
        }
    }
    internal_type::shown(&spec, "PodSpec")
}
