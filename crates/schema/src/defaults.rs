//! Fills in the defaults of the tables, in one walk over an object.
//!
//! Only defaults that do not depend on other fields are in the tables; the others are code of their kinds.

use crate::decode::{fill, is_zero};
use crate::model::{Field, Schema, Shape, Struct, TypeId};
use pintle_object::{Map, Value};

/// Gives absent fields of an object in canonical form their defaults; never inside an absent optional struct.
///
/// As Go's defaulting functions see it, a field that is no pointer is absent when it is zero, a pointer when it
/// is nil. A default that is a struct has its own fields' defaults filled in.
pub fn apply(schema: &Schema, ty: TypeId, value: &mut Value) {
    match (schema.shape(ty), value) {
        (Shape::Struct(inner), Value::Map(map)) => structure(schema, inner, map),
        (Shape::List(list), Value::List(items)) if has_children(schema, list.item) => {
            items.iter_mut().for_each(|item| apply(schema, list.item, item));
        }
        (Shape::Map(inner), Value::Map(map)) if has_children(schema, inner.value) => {
            map.iter_mut().for_each(|(_, item)| apply(schema, inner.value, item));
        }
        _ => {}
    }
}

fn structure(schema: &Schema, inner: &Struct, map: &mut Map) {
    for index in &inner.defaulted {
        let field = inner.at(*index);
        if let Some(default) = field.default.as_ref().filter(|_| is_absent(schema, field, map)) {
            map.insert(field.name.as_ref(), complete(schema, field.ty, default));
        }
    }
    for (name, value) in map.iter_mut() {
        if matches!(value, Value::Map(_) | Value::List(_))
            && let Some(field) = inner.field(name)
        {
            apply(schema, field.ty, value);
        }
    }
}

fn is_absent(schema: &Schema, field: &Field, map: &Map) -> bool {
    match map.get(&field.name) {
        None | Some(Value::Null) => true,
        Some(value) => !field.pointer && is_zero(schema, field.ty, value),
    }
}

/// A default in canonical form: with the fields that its struct always shows.
fn complete(schema: &Schema, ty: TypeId, default: &Value) -> Value {
    let mut value = default.clone();
    if let (Shape::Struct(inner), Value::Map(map)) = (schema.shape(ty), &mut value) {
        fill(schema, inner, map);
    }
    value
}

fn has_children(schema: &Schema, ty: TypeId) -> bool {
    matches!(schema.shape(ty), Shape::Struct(_) | Shape::List(_) | Shape::Map(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin::builtin;
    use crate::decode;
    use pintle_object::{GroupVersionKind, json};

    #[test]
    fn absent_fields_get_their_defaults() {
        let api = builtin();
        let cases = [
            ("", "Secret", r#"{}"#, r#"{"metadata":{},"type":"Opaque"}"#),
            ("", "Secret", r#"{"type":"x"}"#, r#"{"metadata":{},"type":"x"}"#),
            (
                "storage.k8s.io",
                "StorageClass",
                r#"{"provisioner":"p"}"#,
                r#"{"metadata":{},"provisioner":"p","reclaimPolicy":"Delete","volumeBindingMode":"Immediate"}"#,
            ),
            (
                "storage.k8s.io",
                "StorageClass",
                r#"{"provisioner":"p","reclaimPolicy":""}"#,
                r#"{"metadata":{},"provisioner":"p","reclaimPolicy":"","volumeBindingMode":"Immediate"}"#,
            ),
            (
                "networking.k8s.io",
                "NetworkPolicy",
                r#"{"spec":{"podSelector":{},"ingress":[{"ports":[{},{"protocol":"UDP"}]}]}}"#,
                r#"{"metadata":{},"spec":{"ingress":[{"ports":[{"protocol":"TCP"},{"protocol":"UDP"}]}],"podSelector":{}}}"#,
            ),
        ];
        for (group, kind, document, expected) in cases {
            let ty = api.kind(&GroupVersionKind::new(group, "v1", kind)).unwrap();
            let mut value = decode::json::decode(&api.schema, ty, document.as_bytes()).unwrap().value;
            apply(&api.schema, ty, &mut value);
            assert_eq!(json::to_string(&value), expected, "{document}");
        }
    }

    #[test]
    fn absent_structs_stay_absent() {
        let api = builtin();
        let ty = api.kind(&GroupVersionKind::new("", "v1", "Pod")).unwrap();
        let document = br#"{"spec":{"containers":[{"name":"a","readinessProbe":{}}]}}"#;
        let mut value = decode::json::decode(&api.schema, ty, document).unwrap().value;
        apply(&api.schema, ty, &mut value);
        let container = value.list_at(&["spec", "containers"]).first().unwrap();
        assert_eq!(container.int_at(&["readinessProbe", "periodSeconds"]), Some(10));
        assert_eq!(container.get("livenessProbe"), None);
        assert_eq!(value.str_at(&["spec", "dnsPolicy"]), "ClusterFirst");
    }
}
