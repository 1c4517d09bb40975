//! `/debug/pprof/`: profiles for authorized users.

use bytes::Bytes;
use pintle_testkit::Server;
use std::time::{Duration, Instant};

#[test]
fn profiles_are_made_for_those_who_may_see_them() {
    let server = Server::start();
    let (admin, alice) = (server.admin(), server.alice());
    let index = admin.get("/debug/pprof/");
    assert_eq!((index.status, index.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(
        index.text().starts_with("<html>\n<head>\n<title>/debug/pprof/</title>\n<style>\n"),
        "{}",
        index.text()
    );
    let moved = admin.get("/debug/pprof");
    assert_eq!((moved.status, moved.header("location")), (302, Some("/debug/pprof/")));
    assert_eq!(moved.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(moved.text(), "<a href=\"/debug/pprof/\">Found</a>.\n\n");
    let posted = admin.send("POST", "/debug/pprof", &[], Bytes::new());
    assert_eq!((posted.status, posted.header("content-type"), posted.body.len()), (302, None, 0));
    assert_eq!(alice.get("/debug/pprof/").status, 403);
    assert_eq!(alice.get("/debug/pprof/profile?seconds=1").status, 403);
    let begun = Instant::now();
    let profile = admin.get("/debug/pprof/profile?seconds=1");
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!((profile.status, profile.header("content-type")), (200, Some("application/octet-stream")));
    // Packed, as pprof wants it.
    assert_eq!(profile.body.get(..2), Some(&[0x1f, 0x8b][..]));
    let line = admin.get("/debug/pprof/cmdline").text();
    assert!(line.split('\0').any(|argument| argument.starts_with("--secure-port=")), "{line}");
    let threads = admin.get("/debug/pprof/threadcreate?debug=1").text();
    assert!(threads.starts_with("threadcreate profile: total "), "{threads}");
    let tasks = admin.get("/debug/pprof/goroutine?debug=1").text();
    assert!(tasks.starts_with("goroutine profile: total ") && !tasks.ends_with(" 0\n"), "{tasks}");
    assert_eq!(admin.get("/debug/pprof/goroutine").body.get(..2), Some(&[0x1f, 0x8b][..]));
}

#[test]
fn what_has_no_profile_is_refused() {
    let server = Server::start();
    let admin = server.admin();
    let check = |path: &str, status: u16, why: &str| {
        let answer = admin.get(&format!("/debug/pprof/{path}"));
        assert_eq!((answer.status, answer.text().as_str()), (status, why), "{path}");
    };
    check(
        "heap",
        501,
        "there is no profile \"heap\": allocations are not recorded; process_resident_memory_bytes in /metrics tells the whole\n",
    );
    check(
        "trace?seconds=1",
        501,
        "there is no profile \"trace\": executions are not recorded; requests are traced by --tracing-config-file\n",
    );
    check("nothing", 404, "Unknown profile\n");
    check("profile?seconds=100000", 400, "a profile takes 300 seconds at most\n");
    let off = Server::with_flags(&["--profiling=false"]);
    assert_eq!(off.admin().get("/debug/pprof/").status, 404);
    assert_eq!(off.admin().get("/debug/pprof/profile?seconds=1").status, 404);
}
