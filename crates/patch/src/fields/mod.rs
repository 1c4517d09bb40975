//! Sets of fields of an object, as `managedFields` records them for each manager.

mod element;
mod quick;
mod set;
mod text;

pub use element::{Element, ElementPath, compare_values};
pub use set::{FieldNode, FieldSet};
pub use text::FieldsError;

#[cfg(test)]
mod tests;
