//! `Lookup`: the type and patch rule of each field, found on the way down.

use super::error::StrategicError;
use pintle_object::field::quote;
use pintle_schema::model::{PatchRule, Schema, Shape, TypeId};

/// A place in the schema; `None` outside of it.
#[derive(Clone, Copy)]
pub(super) struct Lookup<'a> {
    schema: &'a Schema,
    ty: Option<TypeId>,
}

impl<'a> Lookup<'a> {
    pub fn new(schema: &'a Schema, ty: TypeId) -> Lookup<'a> {
        Lookup { schema, ty: Some(ty) }
    }

    /// The type and the rule of a field that holds a map.
    pub fn of_map(self, key: &str) -> Result<(Lookup<'a>, Option<&'a PatchRule>), StrategicError> {
        let Some(ty) = self.ty else { return Ok((self, None)) };
        match self.schema.shape(ty) {
            Shape::Struct(inner) => match inner.field(key) {
                Some(field) => Ok((Lookup { ty: Some(field.ty), ..self }, field.patch.as_deref())),
                None => {
                    let name = self.schema.ty(ty).name.rsplit('.').next().unwrap_or("");
                    Err(StrategicError::other(format!(
                        "unable to find api field in struct {name} for the json field {}",
                        quote(key)
                    )))
                }
            },
            Shape::Map(map) => Ok((Lookup { ty: Some(map.value), ..self }, None)),
            _ => Ok((Lookup { ty: None, ..self }, None)),
        }
    }

    /// The type of the items and the rule of a field that holds a list.
    pub fn of_list(self, key: &str) -> Result<(Lookup<'a>, Option<&'a PatchRule>), StrategicError> {
        let (field, rule) = self.of_map(key)?;
        let item = match field.ty.map(|ty| self.schema.shape(ty)) {
            Some(Shape::List(list)) => Some(list.item),
            _ => None,
        };
        Ok((Lookup { ty: item, ..self }, rule))
    }

    /// Go's word for the kind of the type, as messages show it.
    pub fn go_kind(self) -> &'static str {
        match self.ty.map(|ty| self.schema.shape(ty)) {
            Some(Shape::Map(_)) => "map",
            _ => "struct",
        }
    }
}
