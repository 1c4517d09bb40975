//! Types of values.

use std::sync::Arc;

/// A type with named fields.
#[derive(Debug, PartialEq)]
pub struct Struct {
    pub name: String,
    pub fields: Vec<(String, Type)>,
    /// Whether there are fields that are not listed.
    pub is_open: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// Known only when it is evaluated.
    Dyn,
    /// Not modelled: goes with everything.
    Unknown,
    /// Of the items of an empty list: whatever is needed.
    Free,
    /// Of what is wrong.
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
    Opaque(&'static str),
    Struct(Arc<Struct>),
}

impl Type {
    #[must_use]
    pub fn list(of: Self) -> Self {
        Self::List(Box::new(of))
    }

    #[must_use]
    pub fn map(of: Self) -> Self {
        Self::Map(Box::new(Self::Text), Box::new(of))
    }

    /// A type whose fields are all listed.
    #[must_use]
    pub fn object(name: &str, fields: &[(&str, Self)]) -> Self {
        let fields = fields.iter().map(|(name, of)| ((*name).to_owned(), of.clone())).collect();
        Self::Struct(Arc::new(Struct { name: name.to_owned(), fields, is_open: false }))
    }

    /// A message whose fields are not listed.
    #[must_use]
    pub fn message(name: &str) -> Self {
        Self::Struct(Arc::new(Struct { name: name.to_owned(), fields: Vec::new(), is_open: true }))
    }

    pub(crate) fn is_unknown(&self) -> bool {
        match self {
            Self::Unknown => true,
            Self::List(of) => of.is_unknown(),
            _ => false,
        }
    }

    pub(crate) const fn is_loose(&self) -> bool {
        matches!(self, Self::Dyn | Self::Unknown | Self::Free | Self::Error)
    }

    /// As messages about overloads name it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Dyn | Self::Unknown | Self::Free => "dyn".to_owned(),
            Self::Error => "!error!".to_owned(),
            Self::Null => "null".to_owned(),
            Self::Bool => "bool".to_owned(),
            Self::Int => "int".to_owned(),
            Self::Uint => "uint".to_owned(),
            Self::Double => "double".to_owned(),
            Self::Text => "string".to_owned(),
            Self::Bytes => "bytes".to_owned(),
            Self::Timestamp => "timestamp".to_owned(),
            Self::Duration => "duration".to_owned(),
            Self::List(of) => format!("list({})", of.name()),
            Self::Map(key, of) => format!("map({}, {})", key.name(), of.name()),
            Self::Opaque(name) => (*name).to_owned(),
            Self::Struct(of) => of.name.clone(),
        }
    }

    /// As messages about results name it.
    #[must_use]
    pub fn runtime_name(&self) -> String {
        match self {
            Self::Null => "null_type".to_owned(),
            Self::Timestamp => "google.protobuf.Timestamp".to_owned(),
            Self::Duration => "google.protobuf.Duration".to_owned(),
            Self::List(of) => format!("list({})", of.runtime_name()),
            Self::Map(key, of) => format!("map({}, {})", key.runtime_name(), of.runtime_name()),
            other => other.name(),
        }
    }

    /// Whether values of both types may stand in one place.
    pub(crate) fn goes_with(&self, other: &Self) -> bool {
        match (self, other) {
            _ if self.is_loose() || other.is_loose() => true,
            (Self::List(a), Self::List(b)) => a.goes_with(b),
            (Self::Map(k, a), Self::Map(l, b)) => k.goes_with(l) && a.goes_with(b),
            (Self::Null, of) | (of, Self::Null) => matches!(
                of,
                Self::Null | Self::Opaque(_) | Self::Struct(_) | Self::Timestamp | Self::Duration
            ),
            (Self::Struct(a), Self::Struct(b)) => a.name == b.name,
            _ => self == other,
        }
    }

    /// What both have in common; `Dyn` if that is not one type.
    pub(crate) fn joined(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Free, of) | (of, Self::Free) => of.clone(),
            (Self::Null, of) | (of, Self::Null) if self.goes_with(other) => of.clone(),
            (Self::Error, of) | (of, Self::Error) => of.clone(),
            (Self::List(a), Self::List(b)) => Self::list(a.joined(b)),
            (Self::Map(k, a), Self::Map(l, b)) => Self::Map(Box::new(k.joined(l)), Box::new(a.joined(b))),
            _ if self == other => self.clone(),
            _ => Self::Dyn,
        }
    }
}
