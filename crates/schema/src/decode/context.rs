//! The place of a decoder in a document: the paths and types that Go's errors name.

use crate::model::{Field, Schema, Shape, TypeId};
use pintle_object::Text;
use pintle_object::field::STRICT_PATH_BYTES_MAX;
use std::fmt::Write;

/// A place, linked to the place around it on the decoder's stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'p> {
    parent: Option<&'p At<'p>>,
    step: ContextStep<'p>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum ContextStep<'p> {
    Root,
    /// A field, and the full name of the struct that has it.
    Field {
        of: &'p str,
        field: &'p Field,
    },
    Key(&'p str),
    Index(usize),
}

impl<'p> At<'p> {
    pub(super) const ROOT: At<'static> = At { parent: None, step: ContextStep::Root };

    pub(super) fn then<'c>(&'c self, step: ContextStep<'c>) -> At<'c>
    where
        'p: 'c,
    {
        At { parent: Some(self), step }
    }

    /// Whether Go holds the value by a pointer, which null unsets.
    pub(super) fn is_pointer(&self) -> bool {
        matches!(self.step, ContextStep::Field { field, .. } if field.pointer)
    }

    /// `struct field ObjectMeta.metadata.name`, or `value` outside any struct; `outer` replaces the struct.
    ///
    /// Names of embedded structs are part of the path; keys and indices are not.
    pub(super) fn target(&self, outer: Option<&str>) -> String {
        let mut parts: Vec<&str> = Vec::new();
        for at in self.outward() {
            let ContextStep::Field { field, .. } = at.step else { continue };
            parts.push(&field.name);
            parts.extend(Some(field.embedded.as_ref()).filter(|embedded| !embedded.is_empty()));
        }
        if parts.is_empty() {
            return String::from("value");
        }
        parts.reverse();
        format!("struct field {}.{}", outer.unwrap_or(self.struct_name()), parts.join("."))
    }

    /// The struct that has the innermost field; empty outside any.
    pub(super) fn struct_name(&self) -> &str {
        let full = self.outward().find_map(|at| match at.step {
            ContextStep::Field { of, .. } => Some(of),
            ContextStep::Root | ContextStep::Key(_) | ContextStep::Index(_) => None,
        });
        full.and_then(|full| full.rsplit('.').next()).unwrap_or("")
    }

    /// `spec.containers[0].foo`, as far as it is shown.
    pub(super) fn strict_path(&self) -> String {
        let mut steps: Vec<&At<'_>> = self.outward().collect();
        steps.reverse();
        let mut path = String::new();
        for at in steps {
            if path.len() > STRICT_PATH_BYTES_MAX {
                break;
            }
            let name = match at.step {
                ContextStep::Root => continue,
                ContextStep::Field { field, .. } => field.name.as_ref(),
                ContextStep::Key(key) => key,
                ContextStep::Index(index) => {
                    let _ = write!(path, "[{index}]");
                    continue;
                }
            };
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(name);
        }
        path
    }

    /// The names, keys and indices that lead here from the root.
    pub(super) fn steps(&self) -> Vec<Text> {
        let name = |at: &At<'_>| match at.step {
            ContextStep::Root => None,
            ContextStep::Field { field, .. } => Some(Text::from(field.name.as_ref())),
            ContextStep::Key(key) => Some(Text::from(key)),
            ContextStep::Index(index) => Some(Text::from(index.to_string())),
        };
        let mut steps: Vec<Text> = self.outward().filter_map(name).collect();
        steps.reverse();
        steps
    }

    /// Go's name for the type of the value here: the field's own type, or its item type.
    pub(super) fn go_type(&self, schema: &Schema, ty: TypeId) -> String {
        let mut items = 0_usize;
        for at in self.outward() {
            match at.step {
                ContextStep::Index(_) | ContextStep::Key(_) => items += 1,
                ContextStep::Root => break,
                ContextStep::Field { field, .. } if field.go_type.is_empty() => break,
                ContextStep::Field { field, .. } => {
                    return item_type(&field.go_type, items).unwrap_or_else(|| go_name(schema, ty));
                }
            }
        }
        go_name(schema, ty)
    }

    fn outward(&self) -> impl Iterator<Item = &At<'_>> {
        std::iter::successors(Some(self), |at| at.parent)
    }
}

/// The type of items: `[]v1.Container` has `v1.Container`; a named list type does not show its item type.
fn item_type(go: &str, depth: usize) -> Option<String> {
    let mut go = go;
    for _ in 0..depth {
        go = match go.strip_prefix("[]") {
            Some(item) => item,
            None => go.strip_prefix("map[")?.split_once(']')?.1,
        };
        go = go.trim_start_matches('*');
    }
    Some(String::from(go))
}

/// The name of a type in Go's errors: `v1.PodSpec`, `[]v1.Container`, `map[string]string`.
fn go_name(schema: &Schema, ty: TypeId) -> String {
    let name = schema.ty(ty).name.as_ref();
    match schema.shape(ty) {
        Shape::List(list) if name.is_empty() => format!("[]{}", go_name(schema, list.item)),
        Shape::Map(map) => format!("map[string]{}", go_name(schema, map.value)),
        Shape::Text => String::from("string"),
        Shape::Bool => String::from("bool"),
        Shape::Int32 => String::from("int32"),
        Shape::Int64 => String::from("int64"),
        Shape::Double => String::from("float64"),
        Shape::Bytes => String::from("[]uint8"),
        _ => {
            let mut parts = name.rsplit('.');
            let (short, package) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
            format!("{package}.{short}")
        }
    }
}
