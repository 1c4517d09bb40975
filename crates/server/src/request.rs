//! A request, read and resolved.

use crate::route::ResourcePath;
use bytes::Bytes;
use hyper::header::{self, AsHeaderName, HeaderName, HeaderValue};
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Method, Version};
use pintle_access::User;
use pintle_object::audit::{Latency, Level};
use pintle_object::time::Time;
use pintle_object::{AuditContext, Query, RequestInfo, Verb};
use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// The client's own id of a request, for its audit.
pub const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");
/// The addresses that proxies name.
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub version: Version,
    /// The requested host, where HTTP/2 has it outside of the headers.
    pub authority: Option<Authority>,
    /// Path and query as they came, with their escapes.
    pub uri: String,
    pub query: Query,
    pub headers: HeaderMap,
    /// Read whole, and within the limit on bodies.
    pub body: Bytes,
    /// Whether reading of the body has begun.
    pub is_read: bool,
    /// The user that the request acts as.
    pub user: Arc<User>,
    pub info: Arc<RequestInfo>,
    pub resource_path: ResourcePath,
    /// The time at which the request's head arrived.
    pub received: Time,
    /// The time by which it must be answered; none for long-running requests.
    pub deadline: Option<Instant>,
    /// The client's end of the connection.
    pub peer: SocketAddr,
    /// The client's own id where it gave a usable one.
    pub audit_id: String,
    /// Annotations and latencies that the stages collect for the audit event.
    pub audit: Arc<AuditContext>,
}

impl Request {
    /// The time of the request, in seconds since 1970.
    pub fn now_seconds(&self) -> i64 {
        self.received.seconds
    }

    /// The path without its escapes: the one that was authorized.
    pub fn path(&self) -> &str {
        &self.info.path
    }

    /// The first value of a header; empty when absent. Bytes that are not UTF-8 become replacement characters, so that
    /// such a value equals no valid one.
    pub fn header(&self, name: impl AsHeaderName) -> Cow<'_, str> {
        self.headers.get(name).map_or(Cow::Borrowed(""), text)
    }

    /// All values of a header, joined as one list.
    pub fn header_list(&self, name: impl AsHeaderName) -> Cow<'_, str> {
        let mut values = self.headers.get_all(name).iter().map(text);
        let first = values.next().unwrap_or_default();
        values.fold(first, |list, value| format!("{list}, {value}").into())
    }

    /// The name and port that the client knows the server by.
    pub fn authority(&self) -> Cow<'_, str> {
        match &self.authority {
            Some(authority) => Cow::Borrowed(authority.as_str()),
            None => self.header(header::HOST),
        }
    }

    /// The current time, if latencies are audited.
    pub fn audit_clock(&self) -> Option<Instant> {
        self.audit.is_at_least(Level::Metadata).then(Instant::now)
    }

    /// Adds to a latency the time since a clock of the audit was read.
    pub fn took(&self, of: Latency, clock: Option<Instant>) {
        if let Some(clock) = clock {
            self.audit.add_latency(of, clock.elapsed());
        }
    }

    pub fn user_agent(&self) -> Cow<'_, str> {
        self.header(header::USER_AGENT)
    }
}

/// A header's value as text.
pub fn text(value: &HeaderValue) -> Cow<'_, str> {
    // Nearly all are, and to see that takes less than to look for what is not.
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(value.as_bytes()),
    }
}

/// Whether a request lasts for as long as its client likes.
pub fn is_long_running(info: &RequestInfo) -> bool {
    matches!(info.verb, Verb::Watch | Verb::Proxy)
        || (info.is_resource && LONG_RUNNING.contains(&info.subresource.as_str()))
        || (!info.is_resource && info.path.starts_with(PROFILES))
}

/// Profiles take as long as their query says.
const PROFILES: &str = "/debug/pprof/";

/// Subresources whose requests are long-running, whatever their verb.
pub(crate) const LONG_RUNNING: [&str; 5] = ["attach", "exec", "log", "portforward", "proxy"];
