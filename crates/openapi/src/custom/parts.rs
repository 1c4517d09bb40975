//! Parts of custom resources' documents that both versions have.

use crate::parts::{object, type_name};
use crate::schema::Components;
use pintle_object::Value;
use pintle_schema::Resource;
use pintle_schema::resource::Selectable;

/// One version of a custom resource.
pub struct CustomKind<'a> {
    /// Names, scope, verbs and subresources; its types are not looked at.
    pub resource: &'a Resource,
    /// `openAPIV3Schema`; none where the definition has none.
    pub schema: Option<&'a Value>,
}

/// Fields that selectors may use.
pub(crate) fn add_selectable(resource: &Resource, schema: &mut Value) {
    let field = |field: &Selectable| object([("fieldPath", field.label.as_ref().into())]);
    let fields: Vec<Value> = resource.selectable.iter().map(field).collect();
    if !fields.is_empty() {
        schema.set(&["x-kubernetes-selectable-fields"], fields);
    }
}

/// An embedded object has a kind, a version and metadata.
pub(crate) fn embed(schema: &mut Value, components: &mut Components<'_>) {
    let described = [
        (
            "apiVersion",
            format!(
                "apiVersion defines the versioned schema of this representation of an object. More info: \
                 {CONVENTIONS}#resources"
            ),
        ),
        (
            "kind",
            format!(
                "kind is a string value representing the type of this object. In CamelCase. More info: \
                 {CONVENTIONS}#types-kinds"
            ),
        ),
    ];
    for (field, description) in described {
        let property = object([("description", description.into()), ("type", "string".into())]);
        schema.set(&["properties", field], property);
    }
    schema.set(&["properties", "metadata"], metadata(components));
    let mut required: Vec<Value> = schema.list_at(&["required"]).to_vec();
    for name in ["kind", "apiVersion"] {
        if !required.iter().any(|have| have.as_str() == Some(name)) {
            required.push(name.into());
        }
    }
    schema.set(&["required"], required);
}

pub(crate) fn type_meta(components: &Components<'_>) -> [(&'static str, Value); 2] {
    ["apiVersion", "kind"].map(|field| {
        let property = object([("type", "string".into())]);
        (field, described(property, components.field_of_status(field)))
    })
}

pub(crate) fn metadata(components: &mut Components<'_>) -> Value {
    let property = object([("allOf", vec![components.meta("ObjectMeta")].into())]);
    let pod = type_name("k8s.io.api.core.v1.Pod");
    let text = components.tables.descriptions.of_field(&pod, "metadata").map(String::from);
    described(property, text)
}

pub(crate) const CONVENTIONS: &str =
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md";

pub(crate) fn described(mut property: Value, text: Option<String>) -> Value {
    if let Some(text) = text {
        property.set(&["description"], text);
    }
    property
}
