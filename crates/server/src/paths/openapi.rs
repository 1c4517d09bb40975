//! `/openapi/v2` and `/openapi/v3`.

use crate::aggregation;
use crate::app::App;
use crate::exchange::Exchange;
use crate::openapi::{GroupOwner, V2, empty, form, location};
use crate::request::Request;
use crate::response::Response;
use pintle_openapi::wire;

const V3: &str = "/openapi/v3";

const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

const V3_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf";

/// A year: a document at a hash never changes.
const MAX_AGE_SECONDS: i64 = 365 * 24 * 3600;

/// Passes a request for a document of version 3 on to the server that has it; none when no other has.
pub async fn passed_on(app: &App, request: &Request, exchange: &mut Exchange) -> Option<Response> {
    let path = request.path().strip_prefix("/openapi/v3/")?;
    let Some(GroupOwner::Remote(group, version)) = owner(app, path) else { return None };
    let remote = app.aggregator.services.get(&group, &version)?;
    Some(aggregation::forward(app, request, &remote, exchange).await)
}

fn owner(app: &App, path: &str) -> Option<GroupOwner> {
    app.openapi.owner(&app.engine, &app.aggregator.documents, path)
}

/// Whether a path is one of OpenAPI.
pub fn is_path(path: &str) -> bool {
    matches!(path, V2 | V3) || path.starts_with("/openapi/v3/")
}

/// The answer, when the path is one of OpenAPI. It may take long to make.
pub fn answer(app: &App, request: &Request) -> Option<Response> {
    match request.path() {
        V2 => Some(version_2(app, request)),
        V3 => {
            // Go's file server guesses the type, and guesses text.
            Some(
                app.openapi
                    .index(&app.engine, &app.aggregator.documents)
                    .page
                    .answer(request, "text/plain; charset=utf-8"),
            )
        }
        path => Some(group(app, request, path.strip_prefix("/openapi/v3/")?)),
    }
}

pub(crate) fn version_2(app: &App, request: &Request) -> Response {
    // All answers vary by the encoding, since any may be compressed.
    let varied = |response: Response| response.with("vary", "Accept-Encoding").with("vary", "Accept");
    let Some(form) = form(request, V2_PROTOBUF) else { return varied(empty(406)) };
    let count = |name: &str, reason: &str, seconds: f64| {
        app.metrics.openapi_made.with(&[name, reason]).inc();
        app.metrics.openapi_seconds.with(&[reason]).set(seconds);
    };
    let page = app.openapi.version_2(&app.engine, &app.aggregator.documents, &count);
    varied(page.answer_in(form, request, V2_PROTOBUF, wire::v2))
}

pub(crate) fn group(app: &App, request: &Request, path: &str) -> Response {
    let page = match owner(app, path) {
        Some(GroupOwner::Converted(name)) => app.openapi.converted_page(&app.aggregator.documents, &name),
        // Its server was looked up before, and is gone.
        Some(GroupOwner::Remote(..)) => None,
        None => {
            app.openapi.custom_page(&app.engine, path).or_else(|| app.openapi.page(&app.engine.api, path))
        }
    };
    let Some(page) = page else { return empty(404) };
    let Some(form) = form(request, V3_PROTOBUF) else { return empty(406).with("vary", "Accept") };
    let wanted = request.query.text("hash");
    if !wanted.is_empty() && wanted != page.hash {
        return empty(301).with("location", location(path, &page.hash)).with("vary", "Accept");
    }
    let response = page.answer_in(form, request, V3_PROTOBUF, wire::v3).with("vary", "Accept");
    if wanted.is_empty() {
        return response;
    }
    let expires = http_date(request.now_seconds() + MAX_AGE_SECONDS);
    response.with("cache-control", "public, immutable").with("expires", expires)
}

/// `Sat, 21 Nov 2026 07:21:37 GMT`
fn http_date(seconds: i64) -> String {
    let time = pintle_object::time::Time { seconds, nanos: 0 };
    let (text, (day, month)) = (time.to_seconds_text(), time.day_and_month());
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or("");
    format!("{day}, {} {month} {} {} GMT", part(8..10), part(0..4), part(11..19))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_http_wants() {
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(1_795_246_897), "Sat, 21 Nov 2026 07:41:37 GMT");
    }
}
