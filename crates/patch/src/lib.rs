//! Changes of objects: JSON patch, merge patch, strategic merge patch, server-side apply, and the managed fields
//! that account for them.
//!
//! Everything works on `pintle_object::Value` trees, driven by a `pintle_schema` type where the rules depend on it.
//! A patch yields an untyped tree, which the caller brings into canonical form (`schema::decode::json::normalise`).
//! This crate is pure: no I/O, no clock.

pub mod apply;
pub mod document;
pub mod fields;
pub mod go;
pub mod json_patch;
pub mod managed;
pub mod merge_patch;
pub mod strategic;
mod tree;
pub mod typed;

pub use apply::{ApplyError, Conflict, apply};
pub use fields::{Element, FieldSet};
pub use managed::{Filter, NoopCheck, Tracking, Versions, keep_times_of_noop, manager_name, track_update};
pub use tree::untyped;
