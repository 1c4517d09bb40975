//! `/statusz` and `/flagz`: version, start time and flags of this server, as text for people or as an object of
//! `config.k8s.io`. (`k8s.io/apiserver/pkg/server/statusz`, `flagz`; KEP-4827, KEP-4828.)

use crate::accept::{Clause, clauses};
use crate::app::App;
use crate::options::{FLAGZ, STATUSZ};
use crate::paths::discovery;
use crate::request::Request;
use crate::response::Response;
use crate::version_parts;
use hyper::header;
use pintle_object::time::{Time, civil};
use pintle_object::{Map, Reason, Status, Value, json, yaml};
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

/// The name that upstream's generic server has here, whichever component it is part of.
const COMPONENT: &str = "apiserver";
const GROUP: &str = "config.k8s.io";
/// The newest version first; the others are deprecated.
const VERSIONS: [&str; 2] = ["v1beta1", "v1alpha1"];
const WARNING: &str = "Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility \
                       guarantees and is for debugging purposes only.";
const DELIMITERS: [&str; 4] = [":", ": ", "=", " "];
/// Folders that are of no use for debugging.
const NOT_FOR_DEBUGGING: [&str; 5] = ["/apis", "/api", "/openid", "/openapi", "/.well-known"];

/// The form of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ZpageForm {
    Text,
    Json(&'static str),
    Yaml(&'static str),
}

/// The answer, when the path is one of these pages and it is served.
pub fn answer(app: &App, request: &Request) -> Result<Option<Response>, Status> {
    let (kind, page) = match request.path() {
        STATUSZ if app.options.has_statusz => ("Statusz", "statusz"),
        FLAGZ if app.options.has_flagz => ("Flagz", "flagz"),
        _ => return Ok(None),
    };
    let form = form(&request.header(header::ACCEPT), kind).ok_or_else(not_accepted)?;
    let body = match kind {
        "Statusz" => status(app, request.received),
        _ => Map::from_iter([("flags", flags(app))]),
    };
    let (text, media_type, version) = match form {
        ZpageForm::Text => {
            let lines = if kind == "Statusz" { status_text(app, &body) } else { flags_text(app) };
            let text = format!("\n{COMPONENT} {page}\n{WARNING}\n{lines}");
            return Ok(Some(Response::new(200, "text/plain; charset=utf-8", text)));
        }
        ZpageForm::Json(version) => {
            (json::to_string(&object(kind, version, body)) + "\n", "application/json", version)
        }
        ZpageForm::Yaml(version) => {
            (yaml::to_string(&object(kind, version, body)), "application/yaml", version)
        }
    };
    let response = Response::new(200, media_type, text);
    if VERSIONS.first() == Some(&version) {
        return Ok(Some(response));
    }
    let why = format!("This version of the {page} endpoint is deprecated. Please use a newer version.");
    Ok(Some(response.with("warning", format!("299 - \"{why}\""))))
}

/// The first accepted format; none without one. For an object its whole kind has to be named.
fn form(accept: &str, kind: &str) -> Option<ZpageForm> {
    if accept.trim().is_empty() {
        return Some(ZpageForm::Text);
    }
    let version = |clause: &Clause<'_>| {
        let is_kind = clause.parameter("g") == Some(GROUP) && clause.parameter("as") == Some(kind);
        VERSIONS.into_iter().find(|version| is_kind && clause.parameter("v") == Some(*version))
    };
    clauses(accept).iter().find_map(|clause| match version(clause) {
        Some(version) if clause.fits("application/json") => Some(ZpageForm::Json(version)),
        Some(version) if clause.fits("application/yaml") => Some(ZpageForm::Yaml(version)),
        None if clause.fits("text/plain") && clause.parameter("as").is_none() => Some(ZpageForm::Text),
        _ => None,
    })
}

fn not_accepted() -> Status {
    let taken = "application/json, application/yaml, text/plain";
    Status::new(406, Reason::NotAcceptable, format!("only the following media types are accepted: {taken}"))
}

fn object(kind: &str, version: &str, body: Map) -> Value {
    let mut object = Value::map();
    object.set(&["kind"], kind);
    object.set(&["apiVersion"], format!("{GROUP}/{version}"));
    object.set(&["metadata", "name"], COMPONENT);
    body.iter().for_each(|(name, value)| object.set(&[name], value.clone()));
    object
}

fn status(app: &App, now: Time) -> Map {
    let parts = version_parts(&app.options.reported_version);
    let part = |name: &str| parts.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value);
    let (major, minor) = (part("major"), part("minor"));
    let mut status = Map::new();
    status.insert("startTime", app.started.to_seconds_text());
    status.insert("uptimeSeconds", (now.seconds - app.started.seconds).max(0));
    status.insert("goVersion", part("goVersion"));
    status.insert("binaryVersion", format!("{major}.{minor}"));
    status.insert("emulationVersion", format!("1.{}", app.options.emulated_minor));
    status.insert("paths", folders(discovery::paths(app)).into_iter().map(Value::from).collect::<Vec<_>>());
    status
}

/// The first parts of paths that are of use for debugging, each once.
fn folders(paths: Vec<String>) -> BTreeSet<String> {
    let first = paths.iter().filter_map(|path| path.split('/').nth(1)).filter(|part| !part.is_empty());
    first.map(|part| format!("/{part}")).filter(|path| !NOT_FOR_DEBUGGING.contains(&path.as_str())).collect()
}

/// The delimiter of a page, by chance: upstream's way to keep programs from reading pages that are for people.
fn delimiter(chance: u64) -> &'static str {
    let place = usize::try_from(chance % DELIMITERS.len() as u64).unwrap_or_default();
    DELIMITERS.get(place).copied().unwrap_or(" ")
}

fn status_text(app: &App, status: &Map) -> String {
    let text = |name: &str| status.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
    let up = status.get("uptimeSeconds").and_then(Value::as_i64).unwrap_or(0);
    let paths: Vec<&str> = status
        .get("paths")
        .and_then(Value::as_list)
        .unwrap_or_default()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let lines = [
        ("Started", unix_date(app.started)),
        ("Up", format!("{} hr {:02} min {:02} sec", up / 3600, up / 60 % 60, up % 60)),
        ("Go version", text("goVersion")),
        ("Binary version", text("binaryVersion")),
        ("Emulation version", text("emulationVersion")),
        ("Paths", paths.join(" ")),
    ];
    let delimiter = delimiter(RandomState::new().hash_one(()));
    let lines: String = lines.iter().map(|(name, value)| format!("{name}{delimiter} {value}\n")).collect();
    format!("\n{lines}")
}

/// A time as Go's `time.UnixDate` writes it: `Tue Mar  5 06:07:08 UTC 2024`.
fn unix_date(time: Time) -> String {
    let (days, second) = (time.seconds.div_euclid(86_400), time.seconds.rem_euclid(86_400));
    let (year, _, date) = civil(days);
    let (day, month) = time.day_and_month();
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{day} {month} {date:>2} {hour:02}:{minute:02}:{second:02} UTC {year}")
}

fn flags(app: &App) -> Map {
    app.options.flags.iter().map(|(name, value)| (name.as_str(), Value::from(value.as_str()))).collect()
}

/// Upstream keeps the text that it made first, and with it the delimiter.
fn flags_text(app: &App) -> String {
    let delimiter = delimiter(u64::from(app.started.nanos / 1000));
    app.options.flags.iter().map(|(name, value)| format!("{name}{delimiter}{value}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_to_be_asked_for_by_its_kind() {
        let check = |accept: &str, expected: Option<ZpageForm>| {
            assert_eq!(form(accept, "Flagz"), expected, "{accept}")
        };
        check("", Some(ZpageForm::Text));
        check("*/*", Some(ZpageForm::Text));
        check("text/plain", Some(ZpageForm::Text));
        check("application/json", None);
        check("application/json;v=v1beta1;g=config.k8s.io;as=Flagz", Some(ZpageForm::Json("v1beta1")));
        check("application/yaml;v=v1alpha1;g=config.k8s.io;as=Flagz", Some(ZpageForm::Yaml("v1alpha1")));
        check("application/json;v=v1;g=config.k8s.io;as=Flagz", None);
        check("application/json;v=v1beta1;g=config.k8s.io;as=Statusz", None);
        check("application/json;v=v1;g=config.k8s.io;as=Flagz,text/plain", Some(ZpageForm::Text));
    }

    #[test]
    fn times_of_pages_are_for_people() {
        let check = |text: &str, expected: &str| assert_eq!(unix_date(Time::parse(text).unwrap()), expected);
        check("2024-03-05T06:07:08Z", "Tue Mar  5 06:07:08 UTC 2024");
        check("1970-01-01T00:00:00Z", "Thu Jan  1 00:00:00 UTC 1970");
        check("1969-12-31T23:59:59Z", "Wed Dec 31 23:59:59 UTC 1969");
        assert_eq!([0, 1, 2, 3, 4].map(delimiter), [":", ": ", "=", " ", ":"]);
    }

    #[test]
    fn folders_are_told_once_and_without_the_api() {
        let paths = ["/", "/api", "/healthz", "/healthz/ping", "/metrics", "/openapi/v2"].map(String::from);
        assert_eq!(folders(paths.into()).into_iter().collect::<Vec<_>>(), ["/healthz", "/metrics"]);
    }
}
