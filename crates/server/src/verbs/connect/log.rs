//! Logs of containers.

use super::reply;
use crate::app::App;
use crate::exchange::Exchange;
use crate::negotiate::{self, AcceptedView};
use crate::request::Request;
use crate::response::Response;
use crate::upgrade::Upgrade;
use crate::verbs::connect::objects::{node, object};
use http_body_util::{BodyExt, Full};
use hyper::body::Body as _;
use pintle_engine::ObjectRef;
use pintle_object::Query;
use pintle_object::time::Time;
use pintle_object::{FieldErrors, GroupKind, Path, Reason, Status};
use pintle_proxy::{AnswerBody, Reply, log as logs, pod, socket, websocket};
use std::pin::Pin;
use std::task::Poll;

/// The options of a request for a log.
struct LogOptions {
    container: String,
    is_unchecked: bool,
    /// For the kubelet.
    pairs: Vec<(&'static str, String)>,
}

pub async fn log(
    app: &App,
    request: &Request,
    target: ObjectRef<'_>,
    exchange: &mut Exchange,
) -> Result<Response, Status> {
    let accept = negotiate::resource(request, &target)?;
    let options = LogOptions::read(&request.query, target.name)?;
    let found = object(app, &target, target.name).await?;
    let container = pod::container(&found, &options.container)?;
    let node_name = found.str_at(&["spec", "nodeName"]);
    let kubelets = &app.backends.kubelets;
    let kubelet = match node_name {
        "" => None,
        name => Some(kubelets.of(&node(app, &target, name).await?)?),
    };
    // A log is no object, and has no metadata to show.
    match accept.view {
        AcceptedView::Object | AcceptedView::Table => {}
        AcceptedView::Partial => {
            return Err(Status::new(500, Reason::Unknown, "object does not implement the Object interfaces"));
        }
        AcceptedView::PartialList => {
            let message = "you requested PartialObjectMetadataList, but the requested object is not a list \
                           (*rest.LocationStreamer)";
            return Err(Status::new(406, Reason::NotAcceptable, message));
        }
    }
    // A pod that runs nowhere has said nothing.
    let Some(kubelet) = kubelet else { return Ok(Response::empty(204)) };
    let location = pod::log(&kubelet, &found, &container, &options.pairs);
    let transport = if options.is_unchecked { &kubelets.insecure } else { &kubelets.transport };
    let body = logs::open(transport, &location, target.name).await?;
    if let (Some(named), Some(_)) = (websocket::protocols(&request.headers), &exchange.upgrade) {
        return by_websocket(request, exchange, &named, body);
    }
    Ok(Response { body: reply::passed(body), ..Response::new(200, "text/plain", "") })
}

impl LogOptions {
    fn read(query: &Query, pod: &str) -> Result<LogOptions, Status> {
        let (tail, limit) = (query.int("tailLines")?, query.int("limitBytes")?);
        let since = query.int("sinceSeconds")?;
        let since_time = match query.text("sinceTime") {
            "" | "null" => None,
            text => Some(Time::parse(text).map_err(Status::bad_request)?),
        };
        let mut errors = FieldErrors::new();
        if let Some(lines) = tail.filter(|lines| *lines < 0) {
            errors.invalid(&Path::root("tailLines"), lines, "must be greater than or equal to 0");
        }
        if let Some(bytes) = limit.filter(|bytes| *bytes < 1) {
            errors.invalid(&Path::root("limitBytes"), bytes, "must be greater than 0");
        }
        if since.is_some() && since_time.is_some() {
            let why = "at most one of `sinceTime` or `sinceSeconds` may be specified";
            errors.forbidden(&Path::root("[]"), why);
        } else if let Some(seconds) = since.filter(|seconds| *seconds < 1) {
            errors.invalid(&Path::root("sinceSeconds"), seconds, "must be greater than 0");
        }
        if !query.text("stream").is_empty() {
            errors.forbidden(&Path::root("stream"), "may not be specified");
        }
        if !errors.is_empty() {
            return Err(Status::invalid(&GroupKind::new("", "PodLogOptions"), pod, errors));
        }
        let flags = ["follow", "previous", "timestamps"].into_iter();
        let flags =
            flags.filter(|name| query.flag(name) == Some(true)).map(|name| (name, "true".to_string()));
        let mut pairs: Vec<(&'static str, String)> = flags.collect();
        let numbers = [("sinceSeconds", since), ("tailLines", tail), ("limitBytes", limit)];
        pairs.extend(numbers.into_iter().filter_map(|(name, number)| Some((name, number?.to_string()))));
        pairs.extend(since_time.map(|time| ("sinceTime", time.to_seconds_text().to_string())));
        Ok(LogOptions {
            container: query.text("container").to_string(),
            is_unchecked: query.flag("insecureSkipTLSVerifyBackend") == Some(true),
            pairs,
        })
    }
}

/// The log in messages of a web socket.
fn by_websocket(
    request: &Request,
    exchange: &mut Exchange,
    named: &[String],
    mut body: AnswerBody,
) -> Result<Response, Status> {
    let Some((protocol, framing)) = socket::bytes_protocol(named) else {
        return Ok(Response::empty(403).with("connection", "close"));
    };
    let head = match websocket::accept(&request.method, &request.headers, protocol) {
        Ok(head) => head,
        Err(refusal) => {
            let refusal = refusal.map(|text| Full::from(text).map_err(|never| match never {}).boxed_unsync());
            return reply::answer(Reply::Answer(refusal), exchange);
        }
    };
    let Some(on) = exchange.upgrade.take() else { return Ok(Response::empty(403)) };
    let next: socket::Next = Box::new(move |context| {
        loop {
            let frame = std::task::ready!(Pin::new(&mut body).poll_frame(context));
            let Some(Ok(frame)) = frame else { return Poll::Ready(None) };
            if let Ok(data) = frame.into_data() {
                return Poll::Ready(Some(data));
            }
        }
    });
    let upgrade = Upgrade::new(on, move |stream| socket::tell(Box::new(stream), framing, true, next));
    Ok(Response::upgraded(upgrade).passing(head))
}
