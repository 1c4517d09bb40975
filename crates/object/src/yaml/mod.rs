//! YAML by the rules of sigs.k8s.io/yaml: YAML 1.1 scalars, JSON's values, sorted output.

mod read;
mod scalar;
mod write;

pub use read::{Document, Error, parse};
pub use write::to_string;

#[cfg(test)]
mod tests;
