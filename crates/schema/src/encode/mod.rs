//! Encodes objects in canonical form, driven by their type.

mod fields;
pub mod json;
pub mod list;
pub mod protobuf;
pub mod splice;
pub mod transcode;
