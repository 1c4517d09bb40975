//! Everything that a request needs, made once at start.

use crate::access::Access;
use crate::discovery::Discovery;
use crate::metrics::Metrics;
use crate::oidc::PublicKeys;
use crate::openapi::OpenApi;
use pintle_access::Authenticators;
use pintle_engine::Engine;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub struct App {
    pub engine: Arc<Engine>,
    pub authenticators: Authenticators,
    pub access: Access,
    pub discovery: Discovery,
    pub openapi: OpenApi,
    pub metrics: Metrics,
    pub public_keys: PublicKeys,
    pub options: Options,
    /// Set when the server begins to stop: `/readyz` fails from then on.
    pub is_stopping: AtomicBool,
}

/// What the command line says and requests see.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `host:port` that clients outside reach the server at.
    pub server_address: String,
    pub service_account_issuer: String,
    /// Where the issuer's keys are published.
    pub service_account_jwks_uri: String,
    /// Most requests at a time on one HTTP/2 connection; 0 for the default.
    pub streams_max: u32,
}
