//! `Options`: the settings from the command line that the handling of requests depends on.

use std::time::Duration;

pub(crate) const STATUSZ: &str = "/statusz";
pub(crate) const FLAGZ: &str = "/flagz";

/// The settings from the command line that the handling of requests depends on.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `host:port` that clients outside reach the server at.
    pub server_address: String,
    /// The version that `/version` reports.
    pub reported_version: String,
    /// The first is the issuer of new tokens.
    pub service_account_issuers: Vec<String>,
    /// The URI at which the issuer's keys are published.
    pub service_account_jwks_uri: String,
    /// The audiences of tokens for this server.
    pub api_audiences: Vec<String>,
    /// The longest lifetime of a requested token; zero for any.
    pub token_expiration_seconds_max: i64,
    /// Whether tokens in pods live longer than requested, so that old clients need not read them again.
    pub extends_token_expiration: bool,
    /// Most requests at a time on one HTTP/2 connection; 0 for the default.
    pub streams_max: u32,
    /// The minor version of Kubernetes 1 that the server behaves as, and that of the oldest servers beside it.
    pub emulated_minor: u16,
    pub oldest_minor: u16,
    /// The flags of the command line, by name, with their values.
    pub flags: Vec<(String, String)>,
    /// Whether `/flagz` and `/statusz` are served (ComponentFlagz, ComponentStatusz).
    pub has_flagz: bool,
    pub has_statusz: bool,
    /// Whether pages about the process are served (`--profiling`).
    pub has_profiling: bool,
    /// The timeouts of the store's checks of health, and of readiness.
    pub health_max: Duration,
    pub ready_max: Duration,
    /// A watch without a timeout of its own lasts at least this long, and less than twice as long; zero for ever.
    pub watch_min: Duration,
    /// The number of HTTP/2 requests in a million after which the client is told (GOAWAY) to connect anew.
    pub goaway_per_million: u32,
    /// Whether HTTP/2 connections of anonymous clients end with their first answer
    /// (UnauthenticatedHTTP2DOSMitigation).
    pub ends_anonymous_http2: bool,
    /// Whether watches may begin with the state there is (WatchList).
    pub watch_list: bool,
    /// Whether proxies are served at the legacy paths too.
    pub legacy_proxy_paths: bool,
    /// Whether this server publishes itself to its peers (the gate UnknownVersionInteroperabilityProxy).
    pub has_peers: bool,
    /// The value of the header `Strict-Transport-Security`; empty for none.
    pub strict_transport_security: String,
}

impl Options {
    /// The paths of the pages about the process itself that are served.
    pub fn process_pages(&self) -> impl Iterator<Item = &'static str> {
        let all = [(self.has_flagz, FLAGZ), (self.has_statusz, STATUSZ)];
        all.into_iter().filter(|(is_served, _)| *is_served).map(|(_, path)| path)
    }
}
