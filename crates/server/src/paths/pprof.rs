//! `/debug/pprof/`: profiles of the process, for Go's `pprof` and what reads its format. (`net/http/pprof`.)

use crate::request::Request;
use crate::response::Response;
use hyper::Method;
use pintle_object::field::quote;
use std::time::Duration;

const PREFIX: &str = "/debug/pprof/";
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

const INDEX: &str = "<html>\n<head>\n<title>/debug/pprof/</title>\n</head>\n<body>\n/debug/pprof/\n<p>Types of profiles \
                     available:</p>\n<ul>\n<li><a href='profile?seconds=30'>profile</a>: where CPU time goes, for so \
                     many seconds</li>\n<li><a href='goroutine?debug=1'>goroutine</a>: tasks that have not \
                     ended</li>\n<li><a href='threadcreate?debug=1'>threadcreate</a>: threads by name</li>\n<li><a \
                     href='cmdline'>cmdline</a>: the command line</li>\n</ul>\n</body>\n</html>\n";

/// The answer, when the path is one of these.
pub async fn answer(request: &Request) -> Option<Response> {
    if request.path() == "/debug/pprof" {
        return Some(Response::empty(302).with("location", PREFIX));
    }
    let name = request.path().strip_prefix(PREFIX)?;
    if let Some((name, why)) = ABSENT.iter().find(|(known, _)| *known == name) {
        return Some(refusal(501, &format!("there is no profile {}: {why}", quote(name))));
    }
    Some(match name {
        "" => Response::new(200, "text/html; charset=utf-8", INDEX).with("x-content-type-options", "nosniff"),
        "profile" => profile(request).await,
        "cmdline" => text(std::env::args().collect::<Vec<_>>().join("\0")),
        // Profiles name their functions themselves.
        "symbol" => text("num_symbols: 0\n".into()),
        "goroutine" => counted(request, name, pintle_profiles::tasks()),
        "threadcreate" => counted(request, name, pintle_profiles::threads()),
        _ => refusal(404, "Unknown profile"),
    })
}

async fn profile(request: &Request) -> Response {
    if request.method != Method::GET {
        return refusal(405, "profiles are asked for by GET");
    }
    // As Go's: what is no number, or none, is the default.
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
