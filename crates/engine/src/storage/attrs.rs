//! Attributes of objects: labels and fields for selectors, such as `fieldSelector=spec.nodeName=n1`.

use crate::resource::ServedResource;
use pintle_object::wire::{Payload, WireReader};
use pintle_object::{Text, Value};
use pintle_schema::{Schema, Shape, TypeId};
use pintle_store::Attrs;

/// The attributes of a tree in the version that is stored.
pub(crate) fn of_tree(schema: &Schema, served: &ServedResource, tree: &Value) -> Attrs {
    let metadata = tree.get("metadata").unwrap_or(&Value::Null);
    let text = |field| Text::from(metadata.str_at(&[field]));
    let labels = metadata.map_at(&["labels"]).into_iter().flat_map(|labels| labels.iter());
    Attrs {
        namespace: text("namespace"),
        name: text("name"),
        uid: text("uid"),
        labels: labels.map(|(key, value)| (key.into(), value.as_str().unwrap_or("").into())).collect(),
        fields: fields(schema, served, tree).into(),
    }
}

/// The values of a resource's selectable fields, in the order of its table, as Go prints them.
pub(crate) fn fields(schema: &Schema, served: &ServedResource, storage_tree: &Value) -> Vec<Text> {
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

/// Field numbers of the metadata in every object, and of what the attributes need in the metadata.
const METADATA: u32 = 1;
const NAME: u32 = 1;
const NAMESPACE: u32 = 3;
const UID: u32 = 5;
const LABELS: u32 = 11;

/// The attributes of a stored message, but for selectable fields.
pub(crate) fn of_message(message: &[u8]) -> Option<Attrs> {
    let mut attrs = Attrs::default();
    let mut labels: Vec<(Text, Text)> = Vec::new();
    let text = |payload: Payload<'_>| {
        payload.bytes(0).ok().and_then(|b| std::str::from_utf8(b).ok().map(Text::from))
    };
    let mut reader = WireReader::new(message);
    while let Some((field, payload)) = reader.next_field().ok()? {
        if field != METADATA {
            continue;
        }
        let mut inner = WireReader::new(payload.bytes(field).ok()?);
        while let Some((field, payload)) = inner.next_field().ok()? {
            match field {
                NAME => attrs.name = text(payload)?,
                NAMESPACE => attrs.namespace = text(payload)?,
                UID => attrs.uid = text(payload)?,
                LABELS => {
                    let mut entry = WireReader::new(payload.bytes(field).ok()?);
                    let (mut key, mut value) = (Text::default(), Text::default());
                    while let Some((field, payload)) = entry.next_field().ok()? {
                        if field == 1 {
                            key = text(payload)?;
                        } else {
                            value = text(payload)?;
                        }
                    }
                    labels.push((key, value));
                }
                _ => {}
            }
        }
    }
    labels.sort();
    attrs.labels = labels.into();
    Some(attrs)
}
