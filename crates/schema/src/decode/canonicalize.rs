//! Brings a tree into the shape that it has when it is stored and read again.

use super::fill;
use crate::model::{Schema, Shape, TypeId};
use pintle_object::Value;

/// Brings a tree that rules or patches have changed into the form that its protobuf decodes to, without encoding it.
///
/// Fields that output always shows are set, at every depth. Protobuf does not distinguish an empty list or map from an
/// absent one, so those that output always shows become null.
pub fn canonicalize(schema: &Schema, ty: TypeId, value: &mut Value) {
    match (schema.shape(ty), value) {
        (Shape::Struct(inner), Value::Map(map)) => {
            fill(schema, inner, map);
            for (name, value) in map.iter_mut() {
                if !matches!(value, Value::Map(_) | Value::List(_)) {
                    continue;
                }
                let Some(field) = inner.field(name) else { continue };
                if is_lost(schema, field.ty, value) {
                    *value = Value::Null;
                } else {
                    canonicalize(schema, field.ty, value);
                }
            }
        }
        (Shape::List(list), Value::List(items)) => {
            items.iter_mut().for_each(|item| canonicalize(schema, list.item, item));
        }
        (Shape::Map(inner), Value::Map(map)) => {
            for (_, item) in map.iter_mut() {
                match schema.shape(inner.value) {
                    // An entry exists even without its value.
                    Shape::Bytes if item.is_null() => *item = Value::from(""),
                    Shape::List(_) if item.is_null() => *item = Value::List(Vec::new()),
                    _ => canonicalize(schema, inner.value, item),
                }
            }
        }
        _ => {}
    }
}

fn is_lost(schema: &Schema, ty: TypeId, value: &Value) -> bool {
    match (schema.shape(ty), value) {
        (Shape::List(list), Value::List(items)) => items.is_empty() && !list.wrapped,
        (Shape::Map(_), Value::Map(map)) => map.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin::builtin;
    use crate::{decode, encode};
    use pintle_object::{GroupVersionKind, json};

    #[test]
    fn a_settled_tree_is_what_its_protobuf_decodes_to() {
        let api = builtin();
        let cases = [
            ("discovery.k8s.io", "EndpointSlice", r#"{"addressType":"IPv4","endpoints":[],"ports":[]}"#),
            (
                "discovery.k8s.io",
                "EndpointSlice",
                r#"{"addressType":"IPv4","endpoints":[{"addresses":[]}],"ports":[]}"#,
            ),
            ("rbac.authorization.k8s.io", "Role", r#"{"rules":[]}"#),
            ("rbac.authorization.k8s.io", "Role", r#"{"rules":[{"verbs":[],"apiGroups":[""]}]}"#),
            ("", "Secret", r#"{"data":{"a":null,"b":"AA=="}}"#),
            ("certificates.k8s.io", "CertificateSigningRequest", r#"{"spec":{"extra":{"a":null}}}"#),
            ("", "LimitRange", r#"{"spec":{"limits":[{"type":"Pod","max":{}}]}}"#),
        ];
        for (group, kind, document) in cases {
            let ty = api.kind(&GroupVersionKind::new(group, "v1", kind)).unwrap();
            let mut tree = decode::json::decode(&api.schema, ty, document.as_bytes()).unwrap().value;
            let mut message = Vec::new();
            encode::protobuf::encode(&api.schema, ty, &tree, &mut message);
            canonicalize(&api.schema, ty, &mut tree);
            let stored = decode::protobuf::decode(&api.schema, ty, &message).unwrap();
            assert_eq!(json::to_string(&tree), json::to_string(&stored), "{document}");
        }
    }
}
