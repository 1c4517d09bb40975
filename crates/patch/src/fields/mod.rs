//! Sets of fields of an object: what `managedFields` records of each manager.

mod element;
mod quick;
mod set;
mod text;

pub use element::{Element, ElementPath, compare_values};
pub use set::{FieldNode, FieldSet};
pub use text::FieldsError;

#[cfg(test)]
mod tests;
