//! The HTTP face of the engine: listeners, the pipeline of a request, verbs, discovery, health, metrics.
//!
//! Nothing below this crate knows HTTP.

mod accept;
mod activity;
mod answer;
mod answers;
pub mod app;
pub mod audit;
mod authentication;
pub mod authorizers;
pub mod backends;
pub mod conn;
pub mod connections;
pub mod discovery;
mod encoding;
pub mod exchange;
pub mod fairness;
pub mod head;
pub mod heavy;
mod http_body;
pub mod inflight;
pub mod leaving;
mod list_body;
mod media_type;
pub mod memory;
pub mod metrics;
pub mod negotiate;
mod observed;
pub mod openapi;
mod panics;
pub mod paths;
pub mod pipeline;
pub mod query;
mod refusals;
mod representation;
pub mod request;
mod request_body;
mod request_log;
pub mod resolve;
pub mod response;
pub mod route;
mod seldom;
mod served;
pub mod shares;
mod sized;
pub mod stages;
mod streams;
pub mod tls;
pub mod top;
pub mod verbs;
mod write_coalescing;

pub use app::App;
pub use discovery::{KUBERNETES, version_parts};
pub use request::Request;
pub use response::{Body, Response};
