//! Graceful shutdown: watches end one after the other, and late requests are told to come back.

use pintle_testkit::{Server, WITHIN, eventually};
use std::time::{Duration, Instant};

const CONFIGMAPS: &str = "/api/v1/namespaces/default/configmaps";
const WATCHES: usize = 12;

/// Opens watches, and returns how long after now each of them ended.
fn open_watches(server: &Server) -> Vec<std::thread::JoinHandle<Duration>> {
    let watch = |_| {
        let admin = server.admin();
        std::thread::spawn(move || {
            let began = Instant::now();
            admin.watch_for(&format!("{CONFIGMAPS}?watch=1"), WITHIN);
            began.elapsed()
        })
    };
    let watches = (0..WATCHES).map(watch).collect();
    let admin = server.admin();
    eventually("the watches are open", WITHIN, || {
        let page = admin.get("/debug/pintle/top").json();
        let users = page["users"].as_array().expect("a table").clone();
        users.iter().map(|row| row["watches"].as_u64().unwrap_or(0)).sum::<u64>() == WATCHES as u64
    });
    watches
}

#[test]
fn watches_end_one_after_the_other() {
    let grace = Duration::from_secs(3);
    let mut server = Server::with_flags(&["--shutdown-watch-termination-grace-period=3s"]);
    let watches = open_watches(&server);
    let began = Instant::now();
    server.signal("TERM");
    let mut ends: Vec<Duration> = watches.into_iter().map(|watch| watch.join().expect("it ends")).collect();
    ends.sort();
    assert!(began.elapsed() < grace + Duration::from_secs(4), "{:?}", began.elapsed());
    let (first, last) = (ends[0], ends[WATCHES - 1]);
    assert!(last - first > grace / 4, "not all at once: {ends:?}");
    assert_eq!(server.ended_within(WITHIN), Some(0));
}

#[test]
fn who_comes_late_is_told_to_come_back() {
    let mut server =
        Server::with_flags(&["--shutdown-send-retry-after", "--shutdown-watch-termination-grace-period=4s"]);
    let watches = open_watches(&server);
    let admin = server.admin();
    server.signal("TERM");
    let mut refused = None;
    eventually("who comes is turned away", Duration::from_secs(3), || {
        refused = admin.try_get(CONFIGMAPS).filter(|answer| answer.status == 429);
        refused.is_some()
    });
    let refused = refused.expect("an answer");
    assert_eq!(refused.text(), "The apiserver is shutting down, please try again later.\n");
    assert_eq!(refused.header("retry-after"), Some("5"));
    // Its probes are still answered.
    assert_eq!(admin.get("/readyz").status, 500);
    for watch in watches {
        watch.join().expect("it ends");
    }
    assert_eq!(server.ended_within(WITHIN), Some(0));
}
