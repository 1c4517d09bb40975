//! The way of a request, top to bottom: resolve, authenticate, authorize, read, act, answer.

use crate::app::App;
use crate::bodies::{self, Seated};
use crate::heavy::LARGE_BYTES_MIN;
use crate::limits::Seat;
use crate::negotiate::{Accept, Format};
use crate::panics::caught;
use crate::query::Query;
use crate::request::{Request, text};
use crate::resolve::{Route, Unserved, resolve};
use crate::respond::{Body, Response};
use crate::route::RequestInfo;
use crate::shares::Who;
use crate::{
    answers, discovery, encoding, head, health, limits, metrics, negotiate, oidc, openapi, route, verbs,
};
use bytes::Bytes;
use hyper::Method;
use hyper::body::{Body as _, Incoming};
use hyper::header::HeaderValue;
use pintle_access::authenticate::Bearer;
use pintle_access::user::ANONYMOUS;
use pintle_access::{Credentials, Decision, User, refusal, websocket};
use pintle_engine::kinds::api_service;
use pintle_object::field::quote;
use pintle_object::{Details, Reason, Status, json, yaml};
use pintle_schema::encode;
use rustls_pki_types::{CertificateDer, UnixTime};
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const PROTOCOLS: &str = "sec-websocket-protocol";

/// What a client hears whose token does not count.
const EXTRA_SPACE: &str = "299 - \"the provided Authorization header contains extra space before the bearer token, \
                           and is ignored\"";

/// Answers one request. Never fails: every error is an answer, and a panic too.
pub async fn handle(
    app: &Arc<App>,
    incoming: hyper::Request<Incoming>,
    certificates: &[CertificateDer<'static>],
) -> Response {
    let (method, uri) = (incoming.method().clone(), incoming.uri().clone());
    caught(answer(app, incoming, certificates)).await.unwrap_or_else(|why| {
        tracing::error!(%method, path = uri.path(), why, "a request panicked");
        Response::panicked()
    })
}

async fn answer(
    app: &Arc<App>,
    incoming: hyper::Request<Incoming>,
    certificates: &[CertificateDer<'static>],
) -> Response {
    let started = std::time::Instant::now();
    let (parts, body) = incoming.into_parts();
    if let Some(response) = head::answer(&parts) {
        return response;
    }
    let Some(path) = route::unescaped(parts.uri.path()) else { return Response::malformed(None) };
    let query = Query::parse(parts.uri.query().unwrap_or(""));
    let parsed = RequestInfo::parse(parts.method.as_str(), &path, &query);
    let unresolved = parsed.as_ref().err().copied();
    let waits_to_send = !body.is_end_stream() && head::waits_to_send(&parts);
    let mut request = Request {
        method: parts.method,
        uri: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        query,
        headers: parts.headers,
        body: Bytes::new(),
        is_read: false,
        user: Arc::new(User::anonymous()),
        info: parsed.unwrap_or_default(),
        now_seconds: i64::try_from(UnixTime::now().as_secs()).unwrap_or(0),
    };
    if let Some(why) = unresolved {
        let why = format!("failed to create RequestInfo: {why}, {}", request.uri);
        let response = internal_error(&request, &why);
        return finish(app, &request, response).await;
    }
    let route = request.info.is_resource.then(|| find(app, &request));
    let is_served = matches!(route, Some(Ok(_)));
    let answer = match app.limits.time(&request) {
        Err(status) => Err(status),
        Ok(time) => {
            let run = run(app, &mut request, route, body, certificates);
            tokio::time::timeout(time, run).await.unwrap_or_else(|_| Ok(limits::timed_out()))
        }
    };
    let mut response = answer.unwrap_or_else(|status| refuse(app, &request, &status));
    if waits_to_send && !request.is_read {
        // Its body may come or not: nobody can tell where the next request begins.
        response = response.with("connection", "close");
    }
    if Bearer::parse(&request.header("authorization")) == Bearer::ExtraSpace {
        response = response.with("warning", EXTRA_SPACE);
    }
    app.metrics.observe(&request, is_served, &response, started.elapsed());
    response.is_to_nobody = request.user.name == ANONYMOUS;
    let response = finish(app, &request, response).await;
    held(app, &request, response).await
}

/// What answers a request about a resource, in the table of now.
fn find(app: &App, request: &Request) -> Result<Route, Unserved> {
    resolve(&app.engine.table(), request, is_built_in(app, request.path()))
}

async fn run(
    app: &Arc<App>,
    request: &mut Request,
    route: Option<Result<Route, Unserved>>,
    body: Incoming,
    certificates: &[CertificateDer<'static>],
) -> Result<Response, Status> {
    request.user = Arc::new(authenticate(app, request, certificates).await?);
    let Some(seat) = app.limits.seat(request).await else { return Ok(limits::too_many()) };
    if let Some(user) = app.access.act_as(&request.user, request).await? {
        request.user = Arc::new(user);
    }
    match app.access.decide(&request.user, &request.attributes()).await {
        Decision::Allow(_) => {}
        Decision::Deny(reason) | Decision::NoOpinion(reason) => {
            let status = refusal(&request.user, &request.attributes(), &reason);
            return Ok(refuse(app, request, &status).with("x-content-type-options", "nosniff"));
        }
        Decision::Error { why, .. } => return Ok(internal_error(request, &why)),
    }
    match route {
        None => covered(app, request, other(app, request).await?).await,
        Some(Err(unserved)) => unanswered(app, request, unserved),
        Some(Ok(route)) => {
            let Some(place) = app.limits.place(request) else { return Ok(limits::too_many()) };
            let response = resource(app, request, route, seat, body).await?;
            Ok(place.kept_by(response))
        }
    }
}

/// Reads what the request says, and does it.
async fn resource(
    app: &Arc<App>,
    request: &mut Request,
    mut route: Route,
    seat: Seat,
    body: Incoming,
) -> Result<Response, Status> {
    let mut seated = Seated { seat, read: Default::default() };
    if route.reads_body(request.info.verb) {
        request.is_read = true;
        seated = match bodies::read_seated(app, request, seated.seat, body).await {
            Ok(seated) => seated,
            Err(unread) => return unread.answer(),
        };
        request.body = seated.read.bytes.clone();
        // A body takes its time, in which a definition may go, or come back as another.
        if route.is_stale(&app.engine.table()) {
            match find(app, request) {
                Ok(found) => route = found,
                Err(unserved) => return unanswered(app, request, unserved),
            }
        }
    }
    sized(app, request, route).await
}

/// The answer to a request that is allowed, and that nothing answers.
fn unanswered(app: &App, request: &Request, unserved: Unserved) -> Result<Response, Status> {
    match unserved {
        Unserved::Path => Ok(served_elsewhere(app, request).unwrap_or_else(Response::not_found_page)),
        Unserved::Resource => Err(no_such_resource()),
        Unserved::Method => Err(method_not_allowed()),
        Unserved::Because(status) => Err(*status),
    }
}

async fn authenticate(
    app: &App,
    request: &mut Request,
    certificates: &[CertificateDer<'static>],
) -> Result<User, Status> {
    let authorization = request.header("authorization");
    let headers: Vec<(&str, &[u8])> = match app.authenticators.front_proxy {
        Some(_) => request.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect(),
        None => Vec::new(),
    };
    let protocols: Vec<Cow<'_, str>> = match is_websocket(request) {
        true => request.headers.get_all(PROTOCOLS).iter().map(text).collect(),
        false => Vec::new(),
    };
    let protocols: Vec<&str> = protocols.iter().map(AsRef::as_ref).collect();
    let path = request.path();
    let authorization = Some(authorization.as_ref());
    let credentials =
        Credentials { certificates, authorization, headers: &headers, protocols: &protocols, path };
    let user = app.authenticators.authenticate(&credentials, UnixTime::now()).await?;
    // Nobody further on should see, or answer with, the token of a web socket.
    if !protocols.is_empty() {
        let others = HeaderValue::from_maybe_shared(Bytes::from(websocket::others(&protocols)));
        match others {
            Ok(others) => drop(request.headers.insert(PROTOCOLS, others)),
            Err(_) => drop(request.headers.remove(PROTOCOLS)),
        }
    }
    Ok(user)
}

/// Whether a request opens a web socket.
fn is_websocket(request: &Request) -> bool {
    request.header("upgrade").eq_ignore_ascii_case("websocket")
        && request.header_list("connection").to_ascii_lowercase().contains("upgrade")
}

/// What upstream says when it could not find out whether a request is allowed.
fn internal_error(request: &Request, why: &str) -> Response {
    let words = format!("Internal Server Error: {}: {why}", quote(&request.uri));
    // Nothing in it reads as HTML.
    let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    Response::new(500, "text/plain; charset=utf-8", format!("{words}\n"))
        .with("x-content-type-options", "nosniff")
}

/// What answers to writes may take of the bytes that they are made of: defaults and managers of fields are added.
const WRITTEN_RATIO: usize = 2;

/// Does what a request asks: on the threads for what is large when its body or object is.
async fn sized(app: &Arc<App>, request: &Request, route: Route) -> Result<Response, Status> {
    let who = Who::of(&request.user);
    let bytes = verbs::bytes(app, request, &route);
    // What is seldom is boxed, so that the others need not make room for it.
    if bytes >= LARGE_BYTES_MIN {
        return Box::pin(large(app, request, route, bytes)).await;
    }
    if who != Who::Master {
        app.answers.room(who).await?;
    }
    let mut response = verbs::dispatch(app, request, &route).await?;
    let wanted = response.weight();
    if app.answers.try_cover(who, &mut response.shares, wanted) {
        return Ok(response);
    }
    if !request.info.verb.is_read() {
        return Box::pin(covered(app, request, response)).await;
    }
    drop(response);
    Box::pin(again(app, request, wanted, verbs::dispatch(app, request, &route))).await
}

/// Does what a large request asks on the threads for that. Room for its answer is there before it is made.
async fn large(app: &Arc<App>, request: &Request, route: Route, bytes: usize) -> Result<Response, Status> {
    let who = Who::of(&request.user);
    let is_read = request.info.verb.is_read();
    let run = || {
        let (own, copy, route) = (app.clone(), request.clone(), route.clone());
        app.heavy.run(who, bytes, async move { verbs::dispatch(&own, &copy, &route).await })
    };
    let reserved = app.answers.share(who, bytes * if is_read { 1 } else { WRITTEN_RATIO }).await?;
    let mut response = run().await?;
    response.shares.push(reserved);
    let wanted = response.weight();
    if !is_read || app.answers.try_cover(who, &mut response.shares, wanted) {
        return covered(app, request, response).await;
    }
    drop(response);
    again(app, request, wanted, run()).await
}

/// Reads again when there is room for as much as was found: who waits holds nothing.
async fn again(
    app: &App,
    request: &Request,
    wanted: usize,
    run: impl Future<Output = Result<Response, Status>>,
) -> Result<Response, Status> {
    let share = app.answers.share(Who::of(&request.user), wanted).await?;
    let mut response = run.await?;
    response.shares.push(share);
    covered(app, request, response).await
}

/// An answer with its share of what all may take in memory. When there is no room in time, who asked to read is told
/// to come back, and who wrote that it took too long: what is written is written.
async fn covered(app: &App, request: &Request, mut response: Response) -> Result<Response, Status> {
    let weight = response.weight();
    match app.answers.cover(Who::of(&request.user), &mut response.shares, weight).await {
        Ok(()) => Ok(response),
        Err(status) if request.info.verb.is_read() || !request.info.is_resource => Err(status),
        Err(_) => Ok(limits::timed_out()),
    }
}

/// Paths that are no resources.
async fn other(app: &App, request: &Request) -> Result<Response, Status> {
    // Nobody is connected to anything, which a success would say.
    if request.method == Method::CONNECT {
        return Ok(Response::not_found_page());
    }
    let path = request.path();
    if let Some(response) = health::answer(app, request).await {
        return Ok(response);
    }
    if let Some(response) = metrics::answer(app, request) {
        return Ok(response);
    }
    if let Some(response) = openapi::answer(app, request) {
        return Ok(response);
    }
    if let Some(response) = oidc::answer(app, request)? {
        return Ok(response);
    }
    match discovery::answer(app, request)? {
        Some(response) => Ok(response),
        None if is_built_in(app, path) => Err(no_such_resource()),
        None => {
            tracing::debug!(path, "nothing is served here");
            Ok(served_elsewhere(app, request).unwrap_or_else(Response::not_found_page))
        }
    }
}

/// The answer to a path under a group and version that an APIService gives to another server.
pub fn served_elsewhere(app: &App, request: &Request) -> Option<Response> {
    let mut parts = request.path().strip_prefix("/apis/")?.split('/');
    let (group, version) = (parts.next()?, parts.next()?);
    api_service::is_remote(&app.engine, group, version).then(Response::unavailable)
}

/// Whether a path is under a group that is compiled in, be it of a version that is not served.
pub fn is_built_in(app: &App, path: &str) -> bool {
    if path.starts_with("/api/") {
        return true;
    }
    let group = path.strip_prefix("/apis/").and_then(|rest| rest.split_once('/')).map(|(group, _)| group);
    group.is_some_and(|group| app.engine.api.resources.all.iter().any(|resource| resource.group == group))
}

/// What the router says to a method that a path does not take.
pub fn method_not_allowed() -> Status {
    Status::new(
        405,
        Reason::MethodNotAllowed,
        "the server does not allow this method on the requested resource",
    )
    .with_details(Details::default())
}

/// What the router says to a path under a known group and version that is no resource.
pub fn no_such_resource() -> Status {
    Status::new(404, Reason::NotFound, "the server could not find the requested resource")
        .with_details(Details::default())
}

/// A Status as the client asked to see it.
pub fn refuse(app: &App, request: &Request, status: &Status) -> Response {
    if let Some(internal) = &status.internal {
        tracing::warn!(path = request.path(), code = status.code, internal, "request failed");
    }
    // A client that accepts nothing that there is gets JSON for people.
    let readable = Accept { pretty: true, ..Accept::plain(Format::Json) };
    let accept = negotiate::plain(request).unwrap_or(readable);
    let mut response = object(app, accept, status.code, "v1", "Status", &status.to_value());
    if let Some(details) = status.details.as_deref().filter(|details| details.retry_after_seconds > 0) {
        response = response.with("retry-after", details.retry_after_seconds.to_string());
    }
    response
}

/// An object of a built-in kind of meta in the form asked for.
pub fn object(
    app: &App,
    accept: Accept,
    status: u16,
    api_version: &str,
    kind: &str,
    value: &pintle_object::Value,
) -> Response {
    let api = &app.engine.api;
    let known = if api_version.is_empty() { "v1" } else { api_version };
    let (group, version) = known.split_once('/').unwrap_or(("", known));
    let Some(ty) = api.kind(&pintle_object::GroupVersionKind::new(group, version, kind)) else {
        return Response::json(status, json::to_string(value) + "\n");
    };
    let media_type = accept.format.media_type();
    match accept.format {
        Format::Json => {
            let mut out = Vec::with_capacity(512);
            encode::json::encode(&api.schema, ty, value, &mut out);
            if accept.pretty {
                out = json::pretty(&out);
            } else {
                out.push(b'\n');
            }
            Response::new(status, media_type, out)
        }
        Format::Yaml => Response::new(status, media_type, yaml::to_string(value)),
        Format::Protobuf => Response::new(
            status,
            media_type,
            encode::protobuf::document(&api.schema, ty, api_version, kind, value),
        ),
    }
}

/// Headers that every answer has, and gzip where it is worth it.
async fn finish(app: &App, request: &Request, mut response: Response) -> Response {
    if response.header("cache-control").is_none() {
        response = response.with("cache-control", "no-cache, private");
    }
    let security = &app.options.strict_transport_security;
    if !security.is_empty() {
        response = response.with("strict-transport-security", security.as_str());
    }
    let response = response.with("audit-id", audit_id(app, request));
    without_body(request, compressed(app, request, response).await)
}

/// An answer that holds its share of what all may take in memory until it is sent. Refusals have none yet; when there
/// is no room for them, a shorter one says to come back.
async fn held(app: &App, request: &Request, mut response: Response) -> Response {
    let (who, weight) = (Who::of(&request.user), response.weight());
    if !app.answers.try_cover(who, &mut response.shares, weight) && response.shares.is_empty() {
        let is_to_nobody = response.is_to_nobody;
        let mut refusal = limits::too_many();
        if let Some(connection) = response.header("connection") {
            refusal = refusal.with("connection", connection);
        }
        drop(response);
        let refusal = finish(app, request, refusal).await;
        return Response { is_to_nobody, ..refusal };
    }
    match &mut response.body {
        Body::Bytes(bytes) => {
            *bytes = answers::hold(std::mem::take(bytes), std::mem::take(&mut response.shares))
        }
        Body::Flow(flow) => flow.hold(std::mem::take(&mut response.shares)),
        Body::Chunks(_) | Body::Stream(_) => {}
    }
    response
}

/// The answer to HEAD is the head of the answer.
fn without_body(request: &Request, response: Response) -> Response {
    if request.method != Method::HEAD {
        return response;
    }
    let len = response.len();
    let response = Response { body: Body::Bytes(Bytes::new()), ..response };
    match len {
        Some(len) => response.with("content-length", len.to_string()),
        None => response,
    }
}

/// The client's own id, when it gave a usable one.
fn audit_id(app: &App, request: &Request) -> String {
    let given = request.header("audit-id");
    if !given.is_empty() && given.len() <= 64 {
        return given.into_owned();
    }
    app.engine.generator.uid()
}

/// Bodies from this size on are compressed, at the level that costs least: upstream's choice.
pub const GZIP_BYTES_MIN: usize = 128 << 10;

async fn compressed(app: &App, request: &Request, response: Response) -> Response {
    let accepted = request.header_list("accept-encoding");
    if response.header("content-encoding").is_some() {
        return response;
    }
    // Pages of metrics are compressed at any size, and say nothing of what they vary by.
    let is_page = metrics::is_page(request.path());
    let accepts = if is_page { encoding::takes_gzip(&accepted) } else { encoding::names_gzip(&accepted) };
    if !accepts {
        return response;
    }
    if let Body::Flow(flow) = &response.body {
        flow.compress();
        return response.with("content-encoding", "gzip").with("vary", "Accept-Encoding");
    }
    let Some(len) = response.len().filter(|len| is_page || *len >= GZIP_BYTES_MIN) else { return response };
    let chunks = match &response.body {
        Body::Bytes(bytes) => vec![bytes.clone()],
        Body::Chunks(chunks) => chunks.clone(),
        Body::Stream(_) | Body::Flow(_) => return response,
    };
    let gzip = async move { encoding::gzip(&chunks).map_err(Status::internal) };
    match app.heavy.run(Who::of(&request.user), len, gzip).await {
        Ok(body) => {
            let mut response = response.with("content-encoding", "gzip");
            response.body = Body::Bytes(body.into());
            if is_page { response } else { response.with("vary", "Accept-Encoding") }
        }
        Err(_) => response,
    }
}

/// Whether the server still takes new work.
pub fn is_stopping(app: &App) -> bool {
    app.is_stopping.load(Ordering::Relaxed)
}
