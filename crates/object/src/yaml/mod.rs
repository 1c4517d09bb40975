//! YAML by the rules of sigs.k8s.io/yaml: YAML 1.1 scalars, JSON's values, sorted output.

mod error;
mod read;
mod scalar;
mod write;

pub use error::Error;
pub use read::{Document, parse};
pub use write::to_string;

#[cfg(test)]
mod tests;
