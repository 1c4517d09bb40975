//! `/metrics` and `/metrics/slis`.

use crate::app::App;
use crate::request::Request;
use crate::response::Response;

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
pub const PATH: &str = "/metrics";
const INDICATORS: &str = "/metrics/slis";

/// Whether a path is one of metrics.
pub fn is_page(path: &str) -> bool {
    path == PATH || path == INDICATORS
}

/// The answer, when the path is one of metrics.
pub fn answer(app: &App, request: &Request) -> Option<Response> {
    let text = match request.path() {
        PATH => app.metrics.text(&app.engine, app.stages.fairness.as_ref()),
        INDICATORS => app.metrics.indicators(),
        _ => return None,
    };
    Some(Response::new(200, CONTENT_TYPE, text))
}
