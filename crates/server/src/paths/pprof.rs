//! `/debug/pprof/`: profiles of the process, for Go's `pprof` and other readers of its format. (`net/http/pprof`.)

use crate::request::Request;
use crate::response::Response;
use hyper::Method;
use pintle_object::field::quote;
use std::time::Duration;

const PREFIX: &str = "/debug/pprof/";
const HTML: &str = "text/html; charset=utf-8";
const SECONDS_DEFAULT: u64 = 30;
/// A longer profile is refused: its samples are kept until it ends.
const SECONDS_MAX: u64 = 300;

/// Profiles that Go's runtime has, and that have no meaning here.
const ABSENT: [(&str, &str); 5] = [
    ("allocs", "allocations are not recorded"),
    ("block", "blocked tasks are not recorded"),
    ("heap", "allocations are not recorded; process_resident_memory_bytes in /metrics tells the whole"),
    ("mutex", "waits for locks are not recorded"),
    ("trace", "executions are not recorded; requests are traced by --tracing-config-file"),
];

/// The profiles that exist: their names, queries for a readable or quick one, and descriptions.
const PRESENT: [(&str, &str, &str); 4] = [
    ("cmdline", "", "The command line of the server, with a zero byte between its arguments."),
    ("goroutine", "?debug=1", "Tasks that have not ended. Without debug it is a file for pprof."),
    (
        "profile",
        "?seconds=30",
        "Where CPU time goes, for as many seconds as are asked for; a file for pprof.",
    ),
    ("threadcreate", "?debug=1", "Threads by name. Without debug it is a file for pprof."),
];

const STYLE: &str = ".profile-name{\n\tdisplay:inline-block;\n\twidth:6rem;\n}\n";

/// The answer, when the path is one of these.
pub async fn answer(request: &Request) -> Option<Response> {
    if request.path() == "/debug/pprof" {
        return Some(moved(request));
    }
    let name = request.path().strip_prefix(PREFIX)?;
    if let Some((name, why)) = ABSENT.iter().find(|(known, _)| *known == name) {
        return Some(refusal(501, &format!("there is no profile {}: {why}", quote(name))));
    }
    Some(match name {
        "" => Response::new(200, HTML, index()).with("x-content-type-options", "nosniff"),
        "profile" => profile(request).await,
        "cmdline" => text(std::env::args().collect::<Vec<_>>().join("\0")),
        // Profiles name their functions themselves.
        "symbol" => text("num_symbols: 0\n".into()),
        "goroutine" => counted(request, name, pintle_profiles::tasks()),
        "threadcreate" => counted(request, name, pintle_profiles::threads()),
        _ => refusal(404, "Unknown profile"),
    })
}

/// The redirect to the index, as Go's `http.Redirect` makes it, with a page for browsers.
fn moved(request: &Request) -> Response {
    let response = match request.method {
        Method::GET | Method::HEAD => {
            Response::new(302, HTML, format!("<a href=\"{PREFIX}\">Found</a>.\n\n"))
        }
        _ => Response::empty(302),
    };
    response.with("location", PREFIX)
}

/// A page of all profiles, with the reasons for missing ones.
fn index() -> String {
    let link =
        |(name, query, _): &(&str, &str, &str)| format!("<li><a href='{name}{query}'>{name}</a></li>\n");
    let present = |(name, _, what): &(&str, &str, &str)| entry(name, what);
    let absent = |(name, why): &(&str, &str)| entry(name, &format!("Not made: {why}."));
    let links: String = PRESENT.iter().map(link).collect();
    let entries: String = PRESENT.iter().map(present).chain(ABSENT.iter().map(absent)).collect();
    format!(
        "<html>\n<head>\n<title>{PREFIX}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{PREFIX}\n<br>\n<p>Types of \
         profiles available:</p>\n<ul>\n{links}</ul>\n<p>Profile descriptions:</p>\n<ul>\n{entries}</ul>\n</body>\n</html>\n"
    )
}

fn entry(name: &str, what: &str) -> String {
    format!("<li><div class=profile-name>{name}: </div> {what}</li>\n")
}

async fn profile(request: &Request) -> Response {
    if request.method != Method::GET {
        return refusal(405, "profiles are asked for by GET");
    }
    // As in Go, an invalid number means the default.
    let asked = request.query.text("seconds").parse().ok().filter(|seconds| *seconds > 0);
    let seconds = asked.unwrap_or(SECONDS_DEFAULT);
    if seconds > SECONDS_MAX {
        return refusal(400, &format!("a profile takes {SECONDS_MAX} seconds at most"));
    }
    match pintle_profiles::cpu(Duration::from_secs(seconds)).await {
        Ok(bytes) => binary("profile", bytes),
        Err(failure) => refusal(500, &format!("Could not enable CPU profiling: {failure}")),
    }
}

fn counted(request: &Request, name: &str, (count, bytes): (usize, Vec<u8>)) -> Response {
    match request.query.text("debug") {
        "" | "0" => binary(name, bytes),
        _ => text(format!("{name} profile: total {count}\n")),
    }
}

fn binary(name: &str, bytes: Vec<u8>) -> Response {
    Response::new(200, "application/octet-stream", bytes)
        .with("content-disposition", format!("attachment; filename={}", quote(name)))
        .with("x-content-type-options", "nosniff")
}

fn text(text: String) -> Response {
    Response::new(200, "text/plain; charset=utf-8", text).with("x-content-type-options", "nosniff")
}

fn refusal(status: u16, why: &str) -> Response {
    Response::new(status, "text/plain; charset=utf-8", format!("{why}\n"))
        .with("x-content-type-options", "nosniff")
        .with("x-go-pprof", "1")
}
