//! The context of a write, the encoding of its body, and its warnings.

use crate::answer;
use crate::app::App;
use crate::media_type;
use crate::negotiate;
use crate::request::Request;
use crate::response::Response;
use hyper::header;
use pintle_engine::body::Body;
use pintle_engine::{WriteContext, manager_name};
use pintle_object::time::Time;
use pintle_object::{Format, Reason, Status};
use std::collections::HashSet;

pub fn begin<'a>(request: &'a Request, manager: &str, dry_run: bool) -> WriteContext<'a> {
    WriteContext {
        user: &request.user,
        now: Time { nanos: 0, ..request.received },
        deadline: request.deadline,
        manager: manager_name(manager, &request.user_agent()),
        dry_run,
        options: None,
        audit: Some(&request.audit),
        warnings: Vec::new(),
        empties: Vec::new(),
        conversions: Default::default(),
    }
}

/// The body of a request, in the encoding that its content type names.
pub fn body(request: &Request) -> Result<Body<'_>, Status> {
    let header = request.header(header::CONTENT_TYPE);
    // Most headers are a media type and nothing else.
    let format = match Format::of(&header) {
        None if header.is_empty() => Some(Format::Json),
        None => media_type::parse(&header).as_deref().and_then(Format::of),
        format => format,
    };
    let format = format.ok_or_else(|| unknown_format(negotiate::OBJECTS))?;
    Ok(Body { bytes: &request.body, format })
}

/// The refusal of a body in a format that is not taken.
pub fn unknown_format(taken: &[&str]) -> Status {
    let message = "the body of the request was in an unknown format - accepted media types include: ";
    Status::new(415, Reason::UnsupportedMediaType, format!("{message}{}", taken.join(", ")))
}

/// The answer with the warnings that came up on the way, whether it is a success or not.
pub fn with_warnings(
    app: &App,
    request: &Request,
    warnings: Vec<String>,
    result: Result<Response, Status>,
) -> Result<Response, Status> {
    if warnings.is_empty() {
        return result;
    }
    let mut response = result.unwrap_or_else(|status| answer::refuse(app, request, &status));
    for text in shown(&warnings).map(|warning| format!("299 - {}", quoted(warning))) {
        // A warning that is already there is not repeated.
        if !response.headers.iter().any(|(name, value)| *name == "warning" && *value == text) {
            response = response.with("warning", text);
        }
    }
    Ok(response)
}

/// The warnings of one answer hold so many characters; past that each is cut.
const WARNINGS_CHARS_MAX: usize = 4 * 1024;
/// The length that a long warning is cut to, in characters.
const WARNING_CHARS_MAX: usize = 256;

/// The warnings to send: each once, within upstream's limits. Headers cannot hold control characters, and upstream
/// leaves out a warning that has one.
fn shown(warnings: &[String]) -> impl Iterator<Item = &str> {
    let mut seen = HashSet::new();
    let fits = |warning: &&str| !warning.is_empty() && !warning.contains(char::is_control);
    let told: Vec<&str> =
        warnings.iter().map(String::as_str).filter(fits).filter(|warning| seen.insert(*warning)).collect();
    let mut chars = 0;
    let overflow = told.iter().position(|warning| {
        chars += warning.chars().count();
        chars > WARNINGS_CHARS_MAX
    });
    let mut written = 0;
    told.into_iter().enumerate().map_while(move |(place, warning)| {
        let Some(overflow) = overflow else { return Some(warning) };
        if written >= WARNINGS_CHARS_MAX && place > overflow {
            return None;
        }
        let end = warning.char_indices().nth(WARNING_CHARS_MAX).map_or(warning.len(), |(end, _)| end);
        let cut = warning.get(..end).unwrap_or(warning);
        written += cut.chars().count();
        Some(cut)
    })
}

/// An HTTP quoted string.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_stay_within_upstreams_limits() {
        let of = |lens: &[usize]| -> Vec<usize> {
            let text = |(place, len): (usize, &usize)| format!("{place:04}{}", "é".repeat(len - 4));
            let warnings: Vec<String> = lens.iter().enumerate().map(text).collect();
            shown(&warnings).map(|warning| warning.chars().count()).collect()
        };
        assert_eq!(of(&[4000, 96]), [4000, 96]);
        assert_eq!(of(&[4000, 97]), [256, 97]);
        assert_eq!(of(&[5000; 20]), [256; 16]);
        assert_eq!(of(&[256; 17]), [256; 17], "the one that overflows is told");
        assert_eq!(of(&[256; 18]), [256; 17]);
        let odd = ["a", "", "a", "b\nc"].map(String::from);
        assert_eq!(shown(&odd).collect::<Vec<_>>(), ["a"]);
    }
}
