//! The HTTP face of the engine: listeners, the pipeline of a request, verbs, discovery, health, metrics.
//!
//! Nothing below this crate knows HTTP.

mod accept;
pub mod access;
mod activity;
mod answer;
pub mod app;
pub mod conn;
pub mod connections;
pub mod discovery;
mod flow;
pub mod health;
mod held;
pub mod limits;
mod media_type;
pub mod metrics;
pub mod negotiate;
mod observed;
pub mod oidc;
pub mod openapi;
pub mod pipeline;
pub mod query;
pub mod request;
pub mod resolve;
pub mod respond;
pub mod route;
mod seldom;
mod streams;
pub mod tls;
pub mod verbs;

pub use app::App;
pub use discovery::{KUBERNETES, version_parts};
pub use request::Request;
pub use respond::{Body, Response};
