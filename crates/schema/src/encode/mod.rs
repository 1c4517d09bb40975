//! Encodes objects in canonical form, driven by their type.

pub mod json;
pub mod list;
pub mod protobuf;
pub mod splice;
