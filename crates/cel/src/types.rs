//! Types of values.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A type with named fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Struct {
    pub name: String,
    pub fields: BTreeMap<String, Type>,
    /// Whether there are fields that are not listed.
    pub is_open: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// Known only when it is evaluated.
    Dyn,
    /// Not modelled: goes with everything.
    Unknown,
    /// The type of an erroneous expression.
    Error,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Timestamp,
    Duration,
    List(Box<Type>),
    Map(Box<Type>, Box<Type>),
    Optional(Box<Type>),
    /// Of types themselves.
    Type(Box<Type>),
    Opaque(&'static str),
    Struct(Arc<Struct>),
    /// Any type, the same in all places of its number.
    Param(usize),
}

impl Type {
    #[must_use]
    pub fn list(ty: Self) -> Self {
        Self::List(Box::new(ty))
    }

    #[must_use]
    pub fn map(ty: Self) -> Self {
        Self::Map(Box::new(Self::Text), Box::new(ty))
    }

    #[must_use]
    pub fn optional(ty: Self) -> Self {
        Self::Optional(Box::new(ty))
    }

    /// A type whose fields are all listed.
    #[must_use]
    pub fn object(name: &str, fields: &[(&str, Self)]) -> Self {
        let fields = fields.iter().map(|(name, ty)| ((*name).to_owned(), ty.clone())).collect();
        Self::Struct(Arc::new(Struct { name: name.to_owned(), fields, is_open: false }))
    }

    /// A message whose fields are not listed.
    #[must_use]
    pub fn message(name: &str) -> Self {
        Self::Struct(Arc::new(Struct { name: name.to_owned(), fields: BTreeMap::new(), is_open: true }))
    }

    pub(crate) fn is_unknown(&self) -> bool {
        match self {
            Self::Unknown => true,
            Self::List(ty) => ty.is_unknown(),
            _ => false,
        }
    }

    /// Whether nothing is known of it before it is evaluated.
    pub(crate) const fn is_loose(&self) -> bool {
        matches!(self, Self::Dyn | Self::Unknown | Self::Error)
    }

    /// The types that this is made of.
    pub(crate) fn parts(&self) -> [Option<&Self>; 2] {
        match self {
            Self::List(ty) | Self::Optional(ty) | Self::Type(ty) => [Some(ty), None],
            Self::Map(key, ty) => [Some(key), Some(ty)],
            _ => [None, None],
        }
    }

    /// The same with other parts.
    pub(crate) fn with_parts(&self, change: &mut dyn FnMut(&Self) -> Self) -> Self {
        match self {
            Self::List(ty) => Self::List(Box::new(change(ty))),
            Self::Optional(ty) => Self::Optional(Box::new(change(ty))),
            Self::Type(ty) => Self::Type(Box::new(change(ty))),
            Self::Map(key, ty) => Self::Map(Box::new(change(key)), Box::new(change(ty))),
            other => other.clone(),
        }
    }

    /// Whether both are the same but for their parts.
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Struct(a), Self::Struct(b)) => a.name == b.name,
            (Self::Opaque(a), Self::Opaque(b)) => a == b,
            (Self::Param(a), Self::Param(b)) => a == b,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }

    /// Whether both are the same; structs are compared by their names.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let parts = self.parts().into_iter().zip(other.parts());
        self.is_alike(other)
            && parts.into_iter().all(|(a, b)| match (a, b) {
                (Some(a), Some(b)) => a.is_same(b),
                (a, b) => a.is_none() && b.is_none(),
            })
    }

    /// As messages about overloads name it.
    #[must_use]
    pub fn name(&self) -> String {
        self.named(false)
    }

    /// As messages about results name it.
    #[must_use]
    pub fn runtime_name(&self) -> String {
        self.named(true)
    }

    fn named(&self, at_runtime: bool) -> String {
        let plain = match self {
            Self::Dyn | Self::Unknown | Self::Param(_) => "dyn",
            Self::Error => "!error!",
            Self::Null if at_runtime => "null_type",
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::Text => "string",
            Self::Bytes => "bytes",
            Self::Timestamp if at_runtime => "google.protobuf.Timestamp",
            Self::Timestamp => "timestamp",
            Self::Duration if at_runtime => "google.protobuf.Duration",
            Self::Duration => "duration",
            Self::List(_) => "list",
            Self::Map(..) => "map",
            Self::Optional(_) => "optional_type",
            Self::Type(_) => "type",
            Self::Opaque(name) => name,
            Self::Struct(ty) => &ty.name,
        };
        match self.parts() {
            [Some(one), None] => format!("{plain}({})", one.named(at_runtime)),
            [Some(one), Some(two)] => {
                format!("{plain}({}, {})", one.named(at_runtime), two.named(at_runtime))
            }
            _ => plain.to_owned(),
        }
    }
}
