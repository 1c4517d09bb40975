//! Encodes objects in canonical form, driven by their type.

pub mod json;
pub mod protobuf;
