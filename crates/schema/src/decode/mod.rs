//! Decodes objects into canonical form, driven by their type.

mod canonicalize;
mod context;
mod document;
mod draft;
mod empties;
pub mod json;
mod pick;
pub mod protobuf;
mod zero;

pub use canonicalize::canonicalize;
pub use document::{Document, YAML_PREFIX};
pub use empties::Empty;
pub use pick::Pick;
pub use zero::{fill, is_zero, zero};

use pintle_object::Value;

/// An object in canonical form, and the findings of strict decoding.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    pub value: Value,
    /// `unknown field "spec.foo"`, `duplicate field "metadata.name"`, in the order of the document.
    pub strict: Vec<String>,
    /// Fields that the document gives without anything in them.
    pub empties: Vec<Empty>,
}

/// The error of a document that is not an object of its type; prints upstream's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError(pub String);

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A number in canonical form: whole ones that a float64 holds exactly are integers.
fn double(number: f64) -> Value {
    const EXACT_MAX: f64 = 9e15;
    if number.fract() == 0.0 && number.abs() < EXACT_MAX {
        Value::Int(number as i64)
    } else {
        Value::Float(number)
    }
}
