//! A watch that is followed over the ends of its connections and of the server, as a client of Kubernetes does it.

use crate::session::Session;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

const PAUSE: Duration = Duration::from_millis(20);

/// An event as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub kind: String,
    pub revision: u64,
    pub object: Value,
}

/// Collects the events of one collection, and goes on after the last of them whenever a watch ends.
pub struct Follower {
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<String>,
}

impl Follower {
    /// Must be called within a runtime. `path` is the collection's; events after `revision` are collected.
    pub fn start(port: u16, token: &str, path: &str, revision: u64) -> Follower {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let follow = Follow {
            session: Session::new(port, token),
            path: path.into(),
            last: revision,
            seen: seen.clone(),
        };
        Follower { seen, task: tokio::spawn(follow.run()) }
    }

    /// All events, once `is_last` says of them that they are complete; fails the test when they never are.
    pub async fn until(self, within: Duration, is_last: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        let end = Instant::now() + within;
        loop {
            assert!(!self.task.is_finished(), "{}", self.task.await.unwrap_or_default());
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if is_last(&seen) {
                self.task.abort();
                return seen;
            }
            assert!(Instant::now() < end, "the watch has told of {} events, and no more", seen.len());
            tokio::time::sleep(PAUSE).await;
        }
    }
}

struct Follow {
    session: Session,
    path: String,
    last: u64,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Follow {
    /// Ends only with the reason why a watch cannot go on.
    async fn run(mut self) -> String {
        loop {
            let path =
                format!("{}?watch=1&allowWatchBookmarks=true&resourceVersion={}", self.path, self.last);
            let Ok(response) = self.session.open("GET", &path, None).await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let status = response.status().as_u16();
            match status {
                200 => {
                    if let Err(why) = self.read(response.into_body()).await {
                        return why;
                    }
                }
                410 => return format!("revision {} is gone", self.last),
                _ => tokio::time::sleep(PAUSE).await,
            }
            self.session = self.session.again();
        }
    }

    /// Reads a watch to its end; a line that was cut off never came.
    async fn read(&mut self, mut body: Incoming) -> Result<(), String> {
        let mut rest: Vec<u8> = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            rest.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                self.hear(serde_json::from_slice(&line).map_err(|error| error.to_string())?)?;
            }
        }
        Ok(())
    }

    fn hear(&mut self, mut event: Value) -> Result<(), String> {
        let kind = event["type"].as_str().unwrap_or("").to_string();
        let object = event["object"].take();
        let revision = object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok());
        let Some(revision) = revision else { return Err(format!("the watch ended with {kind} {object}")) };
        let is_bookmark = kind == "BOOKMARK";
        if revision < self.last || (revision == self.last && !is_bookmark) {
            return Err(format!("{kind} of revision {revision} came after revision {}", self.last));
        }
        self.last = revision;
        if !is_bookmark {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.push(Seen { kind, revision, object });
        }
        Ok(())
    }
}
