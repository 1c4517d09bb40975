//! The revision that etcd stands at, asked for once by all who want it at the same time.

use crate::etcd::client::{Client, Failure, Repeat};
use crate::etcd::wire::{self, RangeRequest, RangeResponse};
use crate::object::Revision;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Mutex;

/// Answers that are shared: who asks gets one that was asked for after it came, and many get the same.
pub(crate) struct Heads {
    /// How many have come.
    came: AtomicU64,
    latest: Mutex<Latest>,
}

struct Latest {
    /// How many had come when it was asked for.
    came: u64,
    answer: Result<Revision, Failure>,
}

impl Heads {
    pub fn new() -> Heads {
        let latest = Latest { came: 0, answer: Ok(Revision(0)) };
        Heads { came: AtomicU64::new(0), latest: Mutex::new(latest) }
    }

    /// A revision that etcd had reached after the call began, at least all that it had acknowledged before.
    pub async fn revision(&self, client: &Client, key: &[u8]) -> Result<Revision, Failure> {
        let mine = self.came.fetch_add(1, Ordering::AcqRel) + 1;
        // While one asks, the others wait here; the next of them asks for all who came in the meantime.
        let mut latest = self.latest.lock().await;
        if latest.came >= mine {
            return latest.answer.clone();
        }
        let came = self.came.load(Ordering::Acquire);
        let answer = read(client, key).await;
        *latest = Latest { came, answer: answer.clone() };
        answer
    }
}

/// A read that etcd's members agree on: its answer's revision is no older than any write that was acknowledged.
async fn read(client: &Client, key: &[u8]) -> Result<Revision, Failure> {
    let ask = RangeRequest { key: key.to_vec(), count_only: true, ..RangeRequest::default() };
    let answer: RangeResponse = client.call(wire::RANGE, ask, Repeat::Always).await?;
    Ok(wire::of_header(answer.header.as_ref()))
}
