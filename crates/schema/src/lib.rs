//! The Kubernetes API as data: compiled types and resources, from the packed `api/` tables or from a CRD,
//! and everything driven by them: decode, prune, default, validate, encode.
//!
//! This crate is pure: no I/O, no clock, no globals.

pub mod builtin;
pub mod custom;
pub mod decode;
pub mod defaults;
pub mod encode;
pub mod model;
pub mod resource;

pub use builtin::{Builtin, builtin, known};
pub use model::{Field, ListType, Presence, Schema, Shape, Str, Type, TypeId};
pub use resource::{Column, Life, Resource, Resources, Stage, Subresource};
