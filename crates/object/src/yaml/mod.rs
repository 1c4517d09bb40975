//! YAML by the rules of sigs.k8s.io/yaml: YAML 1.1 as go-yaml has it, JSON's values, sorted output.
//!
//! Reading goes from `input` (characters) by `scan` (tokens), `parse` (events) and `nodes` to `decode` (JSON).

mod decode;
mod error;
mod go_syntax;
mod input;
mod keys;
mod nodes;
mod parse;
mod read;
mod scalar;
mod scan;
mod scan_scalar;
mod scan_tag;
mod write;

pub use error::YamlError;
pub use read::{JsonDocument, YamlDocument, parse, to_json};
pub use write::to_string;

#[cfg(test)]
mod tests;
