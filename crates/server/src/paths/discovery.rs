//! Paths of discovery, and the small documents beside it (`/`, `/version`).

use crate::app::App;
use crate::discovery::{AGGREGATED, Made, version_parts};
use crate::options::Options;
use crate::paths::health;
use crate::request::Request;
use crate::response::Response;
use crate::{answer, negotiate, refusals};
use hyper::header;
use pintle_object::{Map, Status, Value};
use std::sync::Arc;

/// The answer, when the path is one of discovery or a small document beside it.
pub fn answer(app: &App, request: &Request) -> Result<Option<Response>, Status> {
    let path = request.path().trim_end_matches('/');
    let is_read = request.method == hyper::Method::GET;
    if matches!(request.path(), "/" | "/index.html") {
        return Ok(Some(root(app)));
    }
    match path {
        "/version" if is_read => {
            negotiate::check_consumed(request, negotiate::JSON_ALONE)?;
            negotiate::check_route(request, negotiate::JSON_ALONE)?;
            return Ok(Some(version(&app.options)));
        }
        "/version" => return Err(refusals::method_not_allowed()),
        _ if path.starts_with("/version/") => return Err(refusals::no_such_resource()),
        _ => {}
    }
    let made = current(app);
    let Some(document) = made.documents.get(path) else {
        // Unknown versions of the core group are the router's to refuse, unknown groups are not found.
        let is_core = path.starts_with("/api/");
        return if is_core { Err(refusals::no_such_resource()) } else { Ok(None) };
    };
    if document.is_routed {
        if !is_read {
            return Err(refusals::method_not_allowed());
        }
        negotiate::check_consumed(request, negotiate::OBJECTS)?;
        negotiate::check_route(request, negotiate::OBJECTS)?;
    }
    if let Some(response) = aggregated_answer(app, &made, request, path) {
        return Ok(Some(response));
    }
    let accept = negotiate::plain(request).ok_or_else(negotiate::not_accepted)?;
    Ok(Some(answer::object(app, accept, 200, document.api_version, document.kind, &document.value)))
}

/// The documents of the resources that are served now.
fn current(app: &App) -> Arc<Made> {
    app.discovery.current(&app.engine, &app.aggregator, &app.metrics.discovery_made)
}

fn aggregated_answer(app: &App, made: &Arc<Made>, request: &Request, path: &str) -> Option<Response> {
    let is_core = path == "/api";
    // The list of groups has a path of its own besides, at which it is all there is.
    if !is_core && (path, request.path()) != ("/apis", "/apis") {
        return None;
    }
    let (accept, is_alone) = negotiate::aggregated_discovery(request)?;
    if is_alone && app.options.has_peers {
        app.metrics.discovery_alone.inc();
    }
    let peers = app.peers.as_deref().filter(|_| !is_core && !is_alone);
    let of_all = peers.map(|peers| app.discovery.of_all(&app.engine.api, &app.metrics, peers, made));
    let document = match of_all.as_ref().and_then(|of_all| of_all.groups.as_ref()) {
        Some(groups) => groups,
        None if is_core => &made.core,
        None => &made.groups,
    };
    let tagged = |response: Response| {
        response.with("cache-control", "public").with("etag", document.etag.clone()).with("vary", "Accept")
    };
    if request.header(header::IF_NONE_MATCH) == document.etag {
        return Some(tagged(Response::empty(304)));
    }
    let media_type = format!("{}{AGGREGATED}", accept.format.media_type());
    Some(tagged(Response::new(200, media_type, document.body(&app.engine.api, accept))))
}

/// The paths in this server's index, sorted.
pub fn paths(app: &App) -> Vec<String> {
    let mut paths: Vec<String> = current(app).documents.keys().cloned().collect();
    let others = [
        "/.well-known/openid-configuration",
        "/apis/",
        "/healthz",
        "/livez",
        "/metrics",
        "/metrics/slis",
        "/openapi/v2",
        "/openapi/v3",
        "/openapi/v3/",
        "/openid/v1/jwks",
        "/readyz",
        "/version",
    ];
    paths.extend(others.iter().map(ToString::to_string));
    paths.extend(health::paths(app));
    paths.extend(app.options.process_pages().map(String::from));
    paths.sort();
    paths
}

pub(crate) fn root(app: &App) -> Response {
    let paths: Vec<Value> = paths(app).into_iter().map(Value::from).collect();
    let body = Map::from_iter([("paths", paths)]);
    Response::json(
        200,
        pintle_object::json::pretty(pintle_object::json::to_string(&Value::Map(body)).as_bytes()),
    )
}

pub(crate) fn version(options: &Options) -> Response {
    let mut parts = version_parts(&options.reported_version);
    let compatible = [
        ("emulationMajor", String::from("1")),
        ("emulationMinor", options.emulated_minor.to_string()),
        ("minCompatibilityMajor", String::from("1")),
        ("minCompatibilityMinor", options.oldest_minor.to_string()),
    ];
    parts.splice(2..2, compatible);
    let lines: Vec<String> = parts.iter().map(|(name, value)| format!("  \"{name}\": \"{value}\"")).collect();
    Response::json(200, format!("{{\n{}\n}}", lines.join(",\n")))
}
