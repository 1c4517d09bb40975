//! Encoding of answers in the format that the client accepts, and the headers of every answer.

use crate::app::App;
use crate::encoding::GZIP_BYTES_MIN;
use crate::negotiate::{self, Accept, Format};
use crate::permits::Requester;
use crate::request::Request;
use crate::response::{Body, Response};
use crate::{encoding, metrics};
use bytes::Bytes;
use hyper::{Method, header};
use pintle_object::{Status, json, yaml};
use pintle_schema::encode;

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

/// An object of a built-in kind of meta, in the accepted format.
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
pub async fn finish(app: &App, request: &Request, mut response: Response) -> Response {
    if response.header("cache-control").is_none() {
        response = response.with("cache-control", "no-cache, private");
    }
    let security = &app.options.strict_transport_security;
    if !security.is_empty() {
        response = response.with("strict-transport-security", security.clone());
    }
    let response = response.with("audit-id", request.audit_id.clone());
    without_body(request, compressed(app, request, response).await)
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

async fn compressed(app: &App, request: &Request, response: Response) -> Response {
    let accepted = request.header_list(header::ACCEPT_ENCODING);
    if response.header("content-encoding").is_some() {
        return response;
    }
    // Pages of metrics are compressed at any size, and have no `Vary`.
    let is_page = metrics::is_page(request.path());
    let accepts = if is_page { encoding::takes_gzip(&accepted) } else { encoding::names_gzip(&accepted) };
    if !accepts {
        return response;
    }
    if let Body::List(list) = &response.body {
        list.compress();
        return response.with("content-encoding", "gzip").with("vary", "Accept-Encoding");
    }
    let Some(len) = response.len().filter(|len| is_page || *len >= GZIP_BYTES_MIN) else { return response };
    let chunks = match &response.body {
        Body::Bytes(bytes) => vec![bytes.clone()],
        Body::Chunks(chunks) => chunks.clone(),
        Body::Stream(_) | Body::List(_) | Body::Passed(_) | Body::Upgrade(_) => return response,
    };
    let gzip = async move { encoding::gzip(&chunks).map_err(Status::internal) };
    // Boxed, so that answers that are sent as they are need no room for it.
    match Box::pin(app.heavy.run(Requester::of(&request.user), len, gzip)).await {
        Ok(body) => {
            let mut response = response.with("content-encoding", "gzip");
            response.body = Body::Bytes(body.into());
            if is_page { response } else { response.with("vary", "Accept-Encoding") }
        }
        Err(_) => response,
    }
}
