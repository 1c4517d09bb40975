//! The line of the log that each request leaves, at klog's verbosity 3. (`k8s.io/apiserver/pkg/server/httplog`.)

use crate::metrics::Labels;
use crate::request::Request;
use crate::response::{Body, Response};
use std::time::Instant;
use tracing::Level;

/// The target that has the verbosity of request lines.
const TARGET: &str = "pintle::http";

/// A line that is written when it is dropped: when the answer has ended.
pub struct RequestLine {
    verb: &'static str,
    uri: String,
    started: Instant,
    user_agent: String,
    audit_id: String,
    source: String,
    /// None for a connection that became a stream of its own.
    status: Option<u16>,
}

impl RequestLine {
    /// The line of a request, if lines are written at all.
    pub fn begin(request: &Request, response: &Response, started: Instant) -> Option<RequestLine> {
        if !tracing::enabled!(target: TARGET, Level::DEBUG) {
            return None;
        }
        Some(RequestLine {
            verb: Labels::of(request).verb,
            uri: request.uri.clone(),
            started,
            user_agent: request.user_agent().into_owned(),
            audit_id: request.audit_id.clone(),
            source: request.peer.to_string(),
            status: (!matches!(response.body, Body::Upgrade(_))).then_some(response.status),
        })
    }
}

impl Drop for RequestLine {
    fn drop(&mut self) {
        let RequestLine { verb, uri, started, user_agent, audit_id, source, status } = self;
        let latency = format!("{:?}", started.elapsed());
        let (resp, hijacked) = (*status, status.is_none().then_some(true));
        tracing::debug!(
            target: TARGET,
            verb,
            URI = uri.as_str(),
            latency,
            userAgent = user_agent.as_str(),
            "audit-ID" = audit_id.as_str(),
            srcIP = source.as_str(),
            hijacked,
            resp,
            "HTTP"
        );
    }
}
