//! JSON by Go's rules: reading and writing as encoding/json and sigs.k8s.io/json do.

pub mod read;
pub mod write;

pub use read::{CheckedJson, Error, JsonKind, JsonReader, parse};
pub use write::{
    Pretty, compact, len, pretty, to_string, write_compact, write_float, write_int, write_string, write_value,
};

#[cfg(test)]
mod tests;
