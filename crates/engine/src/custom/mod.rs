//! Custom resources: from a CustomResourceDefinition to served resources, and the code that differs from built-in ones.
//!
//! Objects are trees of JSON in which only the metadata has a type; they are stored as JSON, and shown with their
//! keys sorted.

pub(crate) mod codec;
pub(crate) mod conversion;
pub mod converter;
pub(crate) mod facts;
pub mod install;
pub(crate) mod metrics;
pub(crate) mod webhook;
