//! The HTTP face of the engine: listeners, the pipeline of a request, verbs, discovery, health, metrics.
//!
//! Nothing below this crate knows HTTP.

mod accept;
pub mod access;
mod activity;
mod answer;
mod answers;
pub mod app;
pub mod bodies;
pub mod conn;
pub mod connections;
pub mod discovery;
mod encoding;
mod flow;
pub mod head;
pub mod health;
pub mod heavy;
mod held;
pub mod limits;
mod media_type;
pub mod metrics;
pub mod negotiate;
mod observed;
pub mod oidc;
pub mod openapi;
mod panics;
pub mod pipeline;
pub mod query;
pub mod request;
pub mod resolve;
pub mod respond;
pub mod route;
mod seldom;
pub mod shares;
mod streams;
pub mod tls;
pub mod verbs;

pub use app::App;
pub use discovery::{KUBERNETES, version_parts};
pub use request::Request;
pub use respond::{Body, Response};
