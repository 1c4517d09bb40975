//! Spans of requests, under upstream's names and with upstream's attributes. (`k8s.io/apiserver/pkg/endpoints`:
//! `filters/traces.go`, `filterlatency`, `handlers`; OpenTelemetry's conventions for HTTP.)

use crate::app::App;
use crate::client::ConnectionClient;
use crate::metrics::Labels;
use crate::negotiate::{Accept, AcceptedView};
use crate::request::{Request, X_FORWARDED_FOR, X_REAL_IP, text};
use crate::response::Response;
use hyper::{Method, Version, header};
use pintle_audit::source_ips;
use pintle_object::audit::Latency;
use pintle_object::user::{MASTERS, MONITORING};
use pintle_object::{Format, RequestInfo, Status, Verb};
use pintle_traces::{Entered, Library, RequestStart, Role, Span, SpanAttributes, head};
use std::borrow::Cow;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Identities of the audit in spans are cut: upstream's `maxAuditIDLength`.
const AUDIT_ID_BYTES_MAX: usize = 64;

/// The span of authentication, which is a trace of its own: no client is trusted yet, so `traceparent` does not count.
pub fn authentication(app: &App, request: &Request) -> Entered {
    match &app.stages.tracer {
        Some(tracer) => tracer.root(Library::Stages, "authentication", received(request)).enter(),
        None => Entered::default(),
    }
}

/// A later stage, and all that comes after it.
pub fn stage(name: &'static str) -> Entered {
    match pintle_traces::is_recorded() {
        true => pintle_traces::start(Library::Stages, Role::Internal, name, |_| ()).enter(),
        false => Entered::default(),
    }
}

/// The span of a request whose user is known.
pub fn request(app: &App, request: &Request, client: &ConnectionClient) -> Span {
    let Some(tracer) = &app.stages.tracer else { return Span::default() };
    let groups = &request.user.groups;
    let start = RequestStart {
        name: name(request),
        audit_id: head(&request.audit_id, AUDIT_ID_BYTES_MAX),
        is_trusted: groups.iter().any(|group| *group == MASTERS || *group == MONITORING),
        began: received(request),
    };
    let header = |name: &'static str| request.headers.get(name).and_then(|value| value.to_str().ok());
    tracer.request(start, header, |attributes| described(attributes, request, client))
}

/// The time at which the request's head arrived.
fn received(request: &Request) -> SystemTime {
    let seconds = u64::try_from(request.received.seconds).unwrap_or(0);
    UNIX_EPOCH + Duration::new(seconds, request.received.nanos)
}

/// `GET /api/v1/namespaces/{:namespace}/pods/{:name}`; for paths without a resource only the method.
fn name(request: &Request) -> Cow<'static, str> {
    let method = match request.method {
        Method::GET => Cow::Borrowed("GET"),
        _ => Cow::Owned(request.method.to_string()),
    };
    let info = &request.info;
    if !info.is_resource {
        return method;
    }
    let RequestInfo { group, version, namespace, resource, subresource, .. } = info.as_ref();
    let mut path = format!("{method} /{}", if request.path().starts_with("/api/") { "api" } else { "apis" });
    let parts = [
        (group.is_empty(), group.as_str()),
        (false, version.as_str()),
        (namespace.is_empty(), "namespaces/{:namespace}"),
        (false, resource.as_str()),
        (info.name.is_empty(), "{:name}"),
        (subresource.is_empty(), subresource.as_str()),
    ];
    for (_, part) in parts.into_iter().filter(|(is_absent, _)| !is_absent) {
        path.push('/');
        path.push_str(part);
    }
    path.into()
}

fn described(attributes: &mut SpanAttributes, request: &Request, client: &ConnectionClient) {
    let is_tls = !client.is_local;
    let authority = request.authority();
    let (host, port) = split_port(&authority);
    attributes.text("server.address", host);
    method(attributes, request.method.as_str());
    attributes.text("url.scheme", if is_tls { "https" } else { "http" });
    if let Some(port) = port.filter(|port| *port != if is_tls { 443 } else { 80 }) {
        attributes.int("server.port", port);
    }
    let peer = client.address.ip().to_string();
    attributes.text("network.peer.address", &peer);
    attributes.int("network.peer.port", client.address.port().into());
    let agent = request.user_agent();
    if !agent.is_empty() {
        attributes.text("user_agent.original", &agent);
    }
    let forwarded = request.headers.get(X_FORWARDED_FOR).map(text).unwrap_or_default();
    let first = forwarded.split(',').next().unwrap_or_default();
    attributes.text("client.address", if first.is_empty() { &peer } else { first });
    attributes.text("url.path", request.path());
    attributes.text("network.protocol.version", if is_http2(request) { "2" } else { "1.1" });
    attributes.text("http.target", &request.uri);
    attributes.audit_id();
}

/// The method; unknown methods count as GET.
fn method(attributes: &mut SpanAttributes, method: &str) {
    const KNOWN: [&str; 9] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];
    let known = KNOWN.iter().find(|known| known.eq_ignore_ascii_case(method));
    attributes.text("http.request.method", known.unwrap_or(&"GET"));
    if known.is_none_or(|known| *known != method) {
        attributes.text("http.request.method_original", method);
    }
}

fn split_port(authority: &str) -> (&str, Option<usize>) {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
        _ => (authority, None),
    };
    (host.trim_start_matches('[').trim_end_matches(']'), port)
}

fn is_http2(request: &Request) -> bool {
    request.version == Version::HTTP_2
}

/// Notes the answer of a request, which ends the span when it has been sent.
pub fn answered(span: Span, request: &Request, response: &mut Response) {
    if !span.is_recorded() {
        return;
    }
    if response.status >= 500 {
        span.fail("");
    }
    span.set(|attributes| {
        if !request.body.is_empty() {
            attributes.int("http.request.body.size", request.body.len());
        }
        if let Some(len) = response.len().filter(|len| *len > 0) {
            attributes.int("http.response.body.size", len);
        }
        attributes.int("http.response.status_code", response.status.into());
    });
    keep(span, response);
}

/// Keeps a span until an answer is sent that is made while it is sent.
fn keep(span: Span, response: &mut Response) {
    if span.is_recorded() && !response.is_whole() {
        response.carried.held.push(Box::new(span));
    }
}

/// The span of a verb; others than these have none.
pub fn verb(request: &Request) -> Entered {
    let name = match request.info.verb {
        Verb::Create => "Create",
        Verb::Update => "Update",
        Verb::Patch => "Patch",
        Verb::Delete | Verb::DeleteCollection => "Delete",
        Verb::Get => "Get",
        Verb::List => "List",
        Verb::Watch if is_watch_list(request) => "WatchList",
        Verb::Watch | Verb::Proxy | Verb::Other(_) => return Entered::default(),
    };
    pintle_traces::enter(name, |attributes| {
        let labels = Labels::of(request);
        attributes.text("accept", &request.header(header::ACCEPT));
        attributes.audit_id();
        let (forwarded, real) = (request.header_list(X_FORWARDED_FOR), request.header(X_REAL_IP));
        let client = source_ips(&forwarded, &real, request.peer.ip()).first().map(ToString::to_string);
        attributes.text("client", client.as_deref().unwrap_or_default());
        attributes.text("api-group", labels.group);
        attributes.text("api-version", labels.version);
        attributes.text("name", &request.info.name);
        attributes.text("subresource", labels.subresource);
        attributes.text("namespace", &request.info.namespace);
        attributes.text("protocol", protocol(request));
        attributes.text("resource", labels.resource);
        attributes.text("scope", labels.scope);
        attributes.text("url", request.path());
        attributes.text("user-agent", &request.user_agent());
        attributes.text("verb", labels.verb);
    })
}

fn protocol(request: &Request) -> &'static str {
    if is_http2(request) { "HTTP/2.0" } else { "HTTP/1.1" }
}

/// Keeps a verb's span where its answer is made while it is sent. Watches keep theirs themselves.
pub fn acted(verb: Entered, request: &Request, response: &mut Response) {
    if request.info.verb != Verb::Watch {
        keep(verb.leave(), response);
    }
}

/// An answer that is being encoded.
pub struct Serializing<'a> {
    span: Entered,
    /// The part of the server that it counts as.
    part: Latency,
    clock: Option<Instant>,
    request: &'a Request,
}

/// Begins the span in which an answer is encoded.
pub fn serialize(request: &Request, accept: Accept) -> Serializing<'_> {
    pintle_traces::event("About to write a response", |_| ());
    let span = pintle_traces::enter("SerializeObject", |attributes| {
        encoded(attributes, request, accept.format.media_type());
        attributes.text("encoder", &encoder(accept, &request.info.version));
    });
    let part = match accept.view {
        AcceptedView::Object => Latency::SerializeResponseObject,
        AcceptedView::Table | AcceptedView::Partial | AcceptedView::PartialList => {
            Latency::TransformResponseObject
        }
    };
    Serializing { span, part, clock: request.audit_clock(), request }
}

/// Notes that a write begins.
pub fn stored_soon() {
    pintle_traces::event("About to store object in database", |_| ());
}

/// Notes the result of a write.
pub fn stored<T>(request: &Request, result: Result<T, Status>) -> Result<T, Status> {
    let len = request.body.len();
    match &result {
        Ok(_) => pintle_traces::event("Write to database call succeeded", |event| event.int("len", len)),
        Err(status) => pintle_traces::event("Write to database call failed", |event| {
            event.int("len", len);
            event.text("err", &status.message);
        }),
    }
    result
}

fn encoded(attributes: &mut SpanAttributes, request: &Request, media_type: &str) {
    attributes.audit_id();
    attributes.text("method", request.method.as_str());
    attributes.text("url", request.path());
    attributes.text("protocol", protocol(request));
    attributes.text("mediaType", media_type);
}

/// The identity of the encoder that upstream would take.
fn encoder(accept: Accept, version: &str) -> String {
    let json = |is_yaml: bool| {
        let pretty = accept.pretty && !is_yaml;
        format!(
            "{{\\\"name\\\":\\\"json\\\",\\\"pretty\\\":\\\"{pretty}\\\",\\\"strict\\\":\\\"false\\\",\\\"yaml\\\":\\\"{is_yaml}\\\"}}"
        )
    };
    let encoder = match accept.format {
        Format::Protobuf => "protobuf".into(),
        Format::Json => json(false),
        Format::Yaml => json(true),
    };
    format!("{{\"encodeGV\":\"{version}\",\"encoder\":\"{encoder}\",\"name\":\"versioning\"}}")
}

/// Ends the span in which an answer was encoded, now or when it has been sent.
pub fn serialized(
    Serializing { span, part, clock, request }: Serializing<'_>,
    result: Result<Response, Status>,
) -> Result<Response, Status> {
    request.took(part, clock);
    let mut response = result?;
    if span.span().is_recorded() {
        let size = response.len().unwrap_or_default();
        span.span().event("About to start writing response", |attributes| attributes.int("size", size));
        if response.is_whole() {
            span.span().event("Write call succeeded", |attributes| attributes.int("size", size));
        }
        keep(span.leave(), &mut response);
        pintle_traces::event("Writing http response done", |_| ());
    }
    Ok(response)
}

/// The spans of a watch that begins with the state there is: of the request, and of its answer.
pub struct InitialSpans {
    handle: Span,
    _verb: Span,
}

impl Drop for InitialSpans {
    fn drop(&mut self) {
        self.handle.event("Writing initial events done", |_| ());
    }
}

/// The spans of a watch until its initial events are sent; none without these or without tracing.
pub fn watch_list(request: &Request, media_type: &str) -> Option<Box<InitialSpans>> {
    if !pintle_traces::is_recorded() || !is_watch_list(request) {
        return None;
    }
    let attributes = |attributes: &mut SpanAttributes| encoded(attributes, request, media_type);
    let handle =
        pintle_traces::start(Library::Component, Role::Internal, "WatchServer.HandleHTTP", attributes);
    handle.event("About to start writing response", |_| ());
    Some(Box::new(InitialSpans { handle, _verb: pintle_traces::current() }))
}

fn is_watch_list(request: &Request) -> bool {
    request.info.verb == Verb::Watch && request.query.text("sendInitialEvents") == "true"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_have_hosts_and_ports() {
        let check = |text: &str, host: &str, port: Option<usize>| {
            assert_eq!(split_port(text), (host, port), "{text}");
        };
        check("a:6443", "a", Some(6443));
        check("a", "a", None);
        check("[::1]:6443", "::1", Some(6443));
        check("[::1]", "::1", None);
        check("", "", None);
    }
}
