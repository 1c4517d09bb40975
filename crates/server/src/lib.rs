//! The HTTP face of the engine: listeners, the pipeline of a request, verbs, discovery, health, metrics.
//!
//! Nothing below this crate knows HTTP.

pub mod negotiate;
pub mod query;
pub mod request;
pub mod respond;
pub mod route;

pub use request::Request;
pub use respond::{Body, Response};
