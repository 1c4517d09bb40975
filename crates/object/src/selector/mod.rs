//! Label selectors and field selectors, by which lists, watches and controllers choose objects.

mod field;
mod label;
mod parse;
#[cfg(test)]
mod tests;
mod validate;

pub use field::{FieldSelector, FieldTerm};
pub use label::{LabelSelector, Labels, Operator, Requirement};
pub use validate::label_selector as validate_label_selector;

use std::fmt;

/// A syntax error of a selector, in upstream's words; requests answer 400 with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectorError(pub String);

impl std::error::Error for SelectorError {}

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
