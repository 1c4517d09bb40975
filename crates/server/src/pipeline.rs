//! The way of a request, top to bottom: resolve, authenticate, audit, impersonate, wait for a turn, authorize, read, act,
//! answer. `stages.rs` has the places that other crates fill.

use crate::answer::{finish, refuse};
use crate::app::App;
use crate::authentication::authenticate;
use crate::client::ConnectionClient;
use crate::exchange::Exchange;
use crate::metrics::Counted;
use crate::panics::caught;
use crate::refusals::{internal_error, method_not_allowed, no_such_resource};
use crate::request::{AUDIT_ID, Request, is_long_running, text};
use crate::request_log::RequestLine;
use crate::resolve::{Place, Route, Unserved, resolve};
use crate::response::{Body, Headers, Response};
use crate::seat::Seat;
use crate::seated_body::{SeatedBody, read_seated};
use crate::served::{elsewhere, is_built_in};
use crate::sized::{covered, held, sized};
use crate::stages::{Audit, AuditRecord, End, NotStored, Recording};
use crate::top::{self, Meter, RequestKind, Work};
use crate::{
    aggregation, head, inflight, legacy_paths, memory_refusal, metrics, paths, peers, route, spans, verbs,
    watch_socket,
};
use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use hyper::{header, http};
use pintle_access::authenticate::Bearer;
use pintle_access::{Decision, refusal};
use pintle_engine::own;
use pintle_object::Query;
use pintle_object::audit::{Latency, Level};
use pintle_object::user::ANONYMOUS;
use pintle_object::{AuditContext, RequestInfo, Status, Verb};
use pintle_traces::Span;
use std::any::Any;
use std::borrow::Cow;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The warning to a client whose bearer token is ignored for the space before it.
const EXTRA_SPACE: &str = "299 - \"the provided Authorization header contains extra space before the bearer token, \
                           and is ignored\"";

/// The time of requests without an end.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The time that the audit of an answer always gets, even when the request's own time is over.
const AUDIT_MIN: Duration = Duration::from_secs(1);

/// Answers one request. Never fails: every error is an answer, and a panic too.
pub async fn handle(
    app: &Arc<App>,
    incoming: hyper::Request<Incoming>,
    client: &ConnectionClient,
) -> Response {
    match &app.stages.tracer {
        // Boxed, so that requests that nobody traces need no room for it.
        Some(tracer) => Box::pin(tracer.scope(whole(app, incoming, client))).await,
        None => whole(app, incoming, client).await,
    }
}

async fn whole(app: &Arc<App>, incoming: hyper::Request<Incoming>, client: &ConnectionClient) -> Response {
    let (method, uri) = (incoming.method().clone(), incoming.uri().clone());
    caught(pin!(answer(app, incoming, client))).await.unwrap_or_else(|why| {
        tracing::error!(%method, path = uri.path(), why, "a request panicked");
        Response::panicked()
    })
}

async fn answer(app: &Arc<App>, incoming: hyper::Request<Incoming>, client: &ConnectionClient) -> Response {
    let started = Instant::now();
    let (mut parts, body) = incoming.into_parts();
    if let Some(response) = head::answer(&parts) {
        return response;
    }
    let Some(path) = route::unescaped(parts.uri.path()) else { return Response::malformed(None) };
    let agent = parts.headers.get(header::USER_AGENT).map(text).unwrap_or_default();
    if let Some(refusal) = app.leaving.refusal(&path, &agent) {
        return refusal;
    }
    let moved = if app.options.legacy_proxy_paths { legacy_paths::moved(&path) } else { None };
    let path = moved.map_or(path, Into::into);
    let waits_to_send = !body.is_end_stream() && head::waits_to_send(&parts);
    let exchange = Exchange::new(&mut parts, body);
    let (mut request, unresolved) = request(app, parts, &path, client);
    if let Some(why) = unresolved {
        let why = format!("failed to create RequestInfo: {why}, {}", request.uri);
        let response = internal_error(&request, &why);
        return finish(app, &request, response).await;
    }
    let route = request.info.is_resource.then(|| find(app, &request));
    let is_served = matches!(route, Some(Ok(_)));
    let _under_way = (!is_long_running(&request.info)).then(|| app.leaving.begin());
    let mut way = Way {
        exchange,
        client,
        record: None,
        span: Span::default(),
        turn_headers: Headers::new(),
        started,
        is_served,
        waited: Duration::ZERO,
    };
    let (mut response, work) = top::metered(pin!(in_time(app, &mut request, route, &mut way))).await;
    response.headers.append(&mut way.turn_headers);
    if waits_to_send && !request.is_read && way.exchange.body.is_some() {
        // Its body may come or not: nobody can tell where the next request begins.
        response = response.with("connection", "close");
    }
    if Bearer::parse(&request.header(header::AUTHORIZATION)) == Bearer::ExtraSpace {
        response = response.with("warning", EXTRA_SPACE);
    }
    if let Some(line) = RequestLine::begin(&request, &response, started)
        && !response.is_whole()
    {
        response.carried.held.push(Box::new(line));
    }
    // Refused anonymous requests are not counted: anybody could make series of metrics without bound.
    let is_refused = request.user.name == ANONYMOUS && matches!(response.status, 401 | 403);
    let is_counted = is_served && !is_refused;
    if let Some(observation) = app.metrics.observe(&request, is_counted, &response, started, way.waited)
        && !response.is_whole()
    {
        response.carried.held.push(Box::new(observation));
    }
    response.is_to_nobody = request.user.name == ANONYMOUS;
    response.carried.meter = Some(meter(app, &request, &response, work));
    if let Some(record) = way.record {
        record.answered(&request, &mut response);
        response = recorded(app, &request, record, response).await;
    }
    let response = finish(app, &request, response).await;
    let mut response = held(app, &request, response).await;
    spans::answered(way.span, &request, &mut response);
    response
}

/// Measures a request from here on, with what was worked on it so far.
fn meter(app: &App, request: &Request, response: &Response, work: Work) -> Meter {
    let is_watch = request.info.verb == Verb::Watch && !response.is_whole();
    let mut meter = Meter::new(app.top.clone(), RequestKind::of(request), is_watch, work);
    if response.status >= 400 {
        meter.failed();
    }
    meter
}

/// The request that a head asks for, and why that is nothing, when it is.
fn request(
    app: &App,
    parts: http::request::Parts,
    path: &str,
    client: &ConnectionClient,
) -> (Request, Option<route::Unresolved>) {
    let query = Query::parse(parts.uri.query().unwrap_or(""));
    let parsed = route::parse(parts.method.as_str(), path, &query);
    let unresolved = parsed.as_ref().err().copied();
    let (info, resource_path) = parsed.unwrap_or_default();
    // Annotations made before the policy is evaluated are kept until then.
    let level = if app.stages.audit.is_some() { Level::Metadata } else { Level::None };
    let request = Request {
        method: parts.method,
        version: parts.version,
        authority: parts.uri.authority().cloned(),
        uri: parts.uri.path_and_query().map_or_else(|| "/".into(), ToString::to_string),
        query,
        audit_id: audit_id(app, &parts.headers),
        headers: parts.headers,
        body: Bytes::new(),
        is_read: false,
        user: app.anonymous.clone(),
        info: info.into(),
        resource_path,
        received: own::now(),
        deadline: None,
        peer: client.address,
        audit: Arc::new(AuditContext::new(level)),
    };
    (request, unresolved)
}

/// The client's own id as it is, when it gave one.
fn audit_id(app: &App, headers: &hyper::HeaderMap) -> String {
    let given = headers.get(AUDIT_ID).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    match given {
        Some(given) if !given.is_empty() => given.into(),
        _ => app.engine.generator.uid(),
    }
}

/// The state of a request in the pipeline, beside the request itself.
struct Way<'a> {
    exchange: Exchange,
    client: &'a ConnectionClient,
    record: Option<Arc<dyn AuditRecord>>,
    span: Span,
    /// Headers that name the request's flow schema and priority level, for its answer or refusal.
    turn_headers: Headers,
    started: Instant,
    /// Whether a resource of this server answers the request.
    is_served: bool,
    /// The time that the request waited for its turn.
    waited: Duration,
}

/// The answer of the stages within the time that the request may take. A panic in one of them ends this request alone.
async fn in_time(
    app: &Arc<App>,
    request: &mut Request,
    route: Option<Result<Route, Unserved>>,
    way: &mut Way<'_>,
) -> Response {
    let time = match app.limits.time(request) {
        Ok(time) => time,
        Err(status) => return unaudited(app, request, &status).await,
    };
    request.deadline = way.started.checked_add(time);
    let end = request.deadline.unwrap_or_else(|| way.started + FOR_EVER);
    let outcome = {
        let mut stages = pin!(stages(app, request, route, way));
        let stages = poll_fn(|context| {
            let polled = stages.as_mut().poll(context);
            if polled.is_pending() {
                app.stages.audit.iter().for_each(|audit| audit.flush());
            }
            polled
        });
        caught(pin!(tokio::time::timeout_at(end.into(), stages))).await
    };
    match outcome {
        Ok(Ok(answer)) => answer.unwrap_or_else(|status| refuse(app, request, &status)),
        Ok(Err(_)) => {
            app.metrics.observe_abort(request, way.is_served);
            let response = inflight::timed_out();
            app.metrics.observe_termination(request, way.is_served, response.status);
            response
        }
        Err(why) => {
            tracing::error!(method = %request.method, path = request.path(), why, "a request panicked");
            if let Some(record) = way.record.take() {
                // No request fails for it.
                let _ = record.end(End::Panic(why)).stored().await;
            }
            Response::panicked()
        }
    }
}

/// The served resource for a request, in the current table.
fn find(app: &App, request: &Request) -> Result<Route, Unserved> {
    resolve(&app.engine.table(), request, is_built_in(app, request.path()))
}

/// The stages of a request in upstream's order.
async fn stages(
    app: &Arc<App>,
    request: &mut Request,
    route: Option<Result<Route, Unserved>>,
    way: &mut Way<'_>,
) -> Result<Response, Status> {
    let mut clock = Laps::begin();
    let _authentication = spans::authentication(app, request);
    let result = authenticate(app, request, way.client).await;
    let lap = clock.lap();
    app.metrics.observe_authentication(result.as_ref().ok().map(|user| user.name.as_str()), lap);
    request.audit.add_latency(Latency::Authentication, lap);
    request.user = match result {
        Ok(user) => user,
        Err(status) => return Ok(unaudited(app, request, &status).await),
    };
    way.span = spans::request(app, request, way.client);
    let _request = way.span.clone().enter();
    let _audit = spans::stage("audit");
    if let Some(audit) = &app.stages.audit {
        way.record = match begun(audit.as_ref(), request).await {
            Ok(record) => record,
            Err(_) => return Ok(internal_error(request, "failed to store audit event")),
        };
        clock.lap();
    }
    let _impersonation = spans::stage("impersonation");
    if let Some((user, constraint)) = app.access.impersonate(&request.user, request).await? {
        request.user = Arc::new(user);
        way.record.iter().for_each(|record| record.impersonated(&request.user, &constraint));
        request.audit.add_latency(Latency::Impersonation, clock.lap());
    }
    let _turn = spans::stage("priorityandfairness");
    if let Some(refusal) = memory_refusal::refusal(app, request) {
        return Err(refusal);
    }
    let turn = app.limits.seat(app.stages.fairness.as_ref(), request, false, &app.metrics.in_queue).await;
    way.waited = clock.lap();
    app.metrics.observe_filter("priorityandfairness", way.waited);
    way.turn_headers = turn.headers;
    let seat = match turn.seat {
        Ok(seat) => seat,
        Err(refusal) => {
            app.metrics.observe_termination(request, way.is_served, refusal.status);
            return Ok(refusal);
        }
    };
    request.audit.add_latency(Latency::ApfQueueWait, way.waited);
    let _in_flight = in_flight(app, request);
    let _authorization = spans::stage("authorization");
    if let Some(refusal) = authorize(app, request, &mut clock).await {
        return Ok(seated(refusal, seat));
    }
    let exchange = &mut way.exchange;
    if let Some(response) = by_others(app, request, exchange).await {
        return Ok(seated(response, seat));
    }
    match route {
        None => {
            let response = Box::pin(paths::answer(app, request, exchange)).await?;
            covered(app, request, response).await.map(|response| seated(response, seat))
        }
        Some(Err(unserved)) => Box::pin(unanswered(app, request, unserved, exchange)).await,
        Some(Ok(route)) => {
            let Some(place) = app.limits.place(request) else { return Ok(inflight::too_many(1)) };
            let response = resource(app, request, route, seat, exchange).await?;
            Ok(place.kept_by(response))
        }
    }
}

/// The record of a request, if one is wanted, with the request as it came.
async fn begun(audit: &dyn Audit, request: &Request) -> Result<Option<Arc<dyn AuditRecord>>, NotStored> {
    let Some(record) = audit.begin(request) else { return Ok(None) };
    record.received().stored().await?;
    Ok(Some(record))
}

/// Measures parts of the work that follow each other, at one reading of the clock for each.
struct Laps(Instant);

impl Laps {
    fn begin() -> Laps {
        Laps(Instant::now())
    }

    /// The time since the last lap, or since the begin.
    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now.saturating_duration_since(std::mem::replace(&mut self.0, now))
    }
}

/// The answer of another server to a request that is its own.
async fn by_others(app: &App, request: &Request, exchange: &mut Exchange) -> Option<Response> {
    match peers::answer(app, request, exchange).await {
        None => aggregation::answer(app, request, exchange).await,
        answer => answer,
    }
}

/// Counts a request among those under way; those that last are none of them.
fn in_flight(app: &App, request: &Request) -> Option<Counted> {
    let [reads, writes] = &app.metrics.in_flight;
    let kind = if request.info.verb.is_read() { reads } else { writes };
    (!inflight::is_long_running(&request.info)).then(|| kind.begin())
}

/// The refusal of a request whose user is not known, and which the audit hears of only now.
async fn unaudited(app: &App, request: &Request, status: &Status) -> Response {
    let mut response = refuse(app, request, status);
    if let Some(audit) = &app.stages.audit {
        audit.failed(request, &mut response).await;
    }
    response
}

/// The refusal of a request that its user may not make.
async fn authorize(app: &App, request: &Request, clock: &mut Laps) -> Option<Response> {
    let info = match request.path() {
        // Users who may read metrics may read these figures too.
        top::PATH => Cow::Owned(RequestInfo { path: metrics::PATH.into(), ..request.info.as_ref().clone() }),
        _ => Cow::Borrowed(request.info.as_ref()),
    };
    let annotate = |decision: &'static str, reason: &str| {
        request.audit.annotate("authorization.k8s.io/decision", decision);
        request.audit.annotate_with("authorization.k8s.io/reason", || reason.into());
    };
    let decision = app.access.authorize(&request.user, &info).await;
    let lap = clock.lap();
    app.metrics.observe_authorization(&decision, lap);
    request.audit.add_latency(Latency::Authorization, lap);
    match decision {
        Decision::Allow(reason) => {
            annotate("allow", &reason);
            None
        }
        Decision::Deny(reason) | Decision::NoOpinion(reason) => {
            annotate("forbid", &reason);
            let status = refusal(&request.user, &info, &reason);
            Some(refuse(app, request, &status).with("x-content-type-options", "nosniff"))
        }
        Decision::Error { why, .. } => {
            request.audit.annotate("authorization.k8s.io/reason", "internal error");
            Some(internal_error(request, &why))
        }
    }
}

/// An answer that keeps its seat while it is made, and what stays until its end.
fn seated(mut response: Response, mut seat: Seat) -> Response {
    if !response.is_whole() {
        response.carried.held.extend(seat.held.take());
    }
    response.carried.seat = Some(seat);
    response
}

/// Reads what the request says, and does it.
async fn resource(
    app: &Arc<App>,
    request: &mut Request,
    mut route: Route,
    seat: Seat,
    exchange: &mut Exchange,
) -> Result<Response, Status> {
    if route.place == Place::Connect {
        return Box::pin(verbs::tunnel(app, request, &route, exchange))
            .await
            .map(|response| seated(response, seat));
    }
    let verb = spans::verb(request);
    let mut read_body = SeatedBody { seat, read: Default::default() };
    if route.reads_body(&request.info.verb)
        && let Some(body) = exchange.body.take()
    {
        request.is_read = true;
        read_body = match read_seated(app, request, read_body.seat, body).await {
            Ok(read_body) => read_body,
            Err(unread) => return unread.answer(),
        };
        request.body = read_body.read.bytes.clone();
        app.metrics.observe_body(request);
        pintle_traces::event("limitedReadBody succeeded", |event| event.int("len", request.body.len()));
        // A body takes its time, in which a definition may go, or come back as another.
        if route.is_stale(&app.engine.table()) {
            match find(app, request) {
                Ok(found) => route = found,
                Err(unserved) => return Box::pin(unanswered(app, request, unserved, exchange)).await,
            }
        }
    }
    let mut response = sized(app, request, route).await?;
    spans::acted(verb, request, &mut response);
    Ok(seated(watch_socket::opened(request, exchange, response), read_body.seat))
}

/// The answer to a request that is allowed, and that nothing of this server answers.
async fn unanswered(
    app: &App,
    request: &Request,
    unserved: Unserved,
    exchange: &mut Exchange,
) -> Result<Response, Status> {
    match unserved {
        Unserved::Path => {
            let response = elsewhere(app, request, exchange).await?;
            Ok(response.unwrap_or_else(Response::not_found_page))
        }
        Unserved::Resource => Err(no_such_resource()),
        Unserved::Method => Err(method_not_allowed()),
        Unserved::Because(status) => Err(*status),
    }
}

/// An answer whose end is told to the audit: now when it is there whole, otherwise when it has been sent. When the
/// audit does not take it in the time that is left, its client hears what it hears of all that takes too long.
async fn recorded(
    app: &App,
    request: &Request,
    record: Arc<dyn AuditRecord>,
    mut response: Response,
) -> Response {
    if response.is_whole() {
        // An event that was left is stored before the connection writes the answer.
        let Recording::Awaited(mut stored) = record.clone().end(End::Complete) else {
            response.carried.left = record.left();
            return response;
        };
        let now = Instant::now();
        let end = request.deadline.unwrap_or(now + FOR_EVER).max(now + AUDIT_MIN);
        if tokio::time::timeout_at(end.into(), &mut stored).await.is_err() {
            tokio::spawn(stored);
            response = inflight::timed_out();
        }
        response.carried.left = record.left();
        return response;
    }
    if inflight::is_long_running(&request.info) || matches!(response.body, Body::Upgrade(_)) {
        // No request fails for it.
        let _ = record.started().stored().await;
    }
    response.carried.left = record.left();
    let ending: Box<dyn Any + Send> =
        Box::new(Ending { record: Some(record), audit: app.stages.audit.clone() });
    response.carried.held.push(ending);
    response
}

/// Tells an audit of the end of an answer that was sent, or could not be.
struct Ending {
    record: Option<Arc<dyn AuditRecord>>,
    audit: Option<Arc<dyn Audit>>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let why = std::thread::panicking().then(|| String::from("a panic while the answer was sent"));
        let end = why.map_or(End::Complete, End::Panic);
        let (Some(record), Ok(runtime)) = (self.record.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        match record.end(end) {
            // No answer comes after it that would wait for it.
            Recording::Left => self.audit.iter().for_each(|audit| audit.flush()),
            Recording::Awaited(stored) => {
                runtime.spawn(stored);
            }
        }
    }
}
