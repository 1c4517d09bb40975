//! Values of selectable fields: what `fieldSelector=spec.nodeName=n1` compares.

use crate::resource::ServedResource;
use pintle_object::{Text, Value};
use pintle_schema::{Schema, Shape, TypeId};

pub(crate) fn has_any(served: &ServedResource) -> bool {
    !served.fields.is_empty()
}

/// The values of a resource's selectable fields, in the order of its table, as Go prints them.
pub(crate) fn values(schema: &Schema, served: &ServedResource, storage_tree: &Value) -> Vec<Text> {
    let labels = served.fields.iter();
    labels
        .map(|field| {
            served
                .strategy
                .selectable(&field.label, storage_tree)
                .unwrap_or_else(|| plain(schema, served.storage_ty, storage_tree, &field.path))
        })
        .collect()
}

/// The value at a path; what is absent reads as the zero value of its type.
fn plain(schema: &Schema, ty: TypeId, tree: &Value, path: &[pintle_schema::Str]) -> Text {
    let (mut ty, mut value) = (Some(ty), Some(tree));
    for step in path {
        value = value.and_then(|value| value.get(step));
        ty = ty.and_then(|ty| match schema.shape(ty) {
            Shape::Struct(inner) => inner.field(step).map(|field| field.ty),
            _ => None,
        });
    }
    match (value, ty.map(|ty| schema.shape(ty))) {
        (Some(Value::Text(text)), _) => text.clone(),
        (Some(Value::Bool(flag)), _) => Text::from(flag.to_string()),
        (Some(Value::Int(int)), _) => Text::from(int.to_string()),
        (_, Some(Shape::Bool)) => Text::const_new("false"),
        (_, Some(Shape::Int32 | Shape::Int64)) => Text::const_new("0"),
        _ => Text::default(),
    }
}
