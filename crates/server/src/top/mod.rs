//! The heaviest users of the server: requests, time, bytes, errors and watches by user, agent, verb and resource.

mod meter;
mod page;
mod sketch;

pub use meter::{Meter, Work, metered};
pub use page::{PATH, answer};

use crate::request::Request;
use pintle_object::Text;
pub use sketch::Figures;
use sketch::Sketch;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Locks that users are spread over, so that requests of different users seldom meet.
const SHARDS: usize = 16;
/// The users, and the kinds of requests, in one shard of the sketch.
const USERS_MAX: usize = 32;
const KINDS_MAX: usize = 32;
/// The longest name of a user or agent that is kept.
const NAME_BYTES_MAX: usize = 128;

/// The heaviest users, and the heaviest kinds of requests.
#[derive(Debug)]
pub struct Top {
    shards: [Mutex<Shard>; SHARDS],
    hashes: RandomState,
    began: Instant,
}

#[derive(Debug)]
struct Shard {
    users: Sketch<String>,
    kinds: Sketch<RequestKind>,
}

/// Requests that are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestKind {
    pub user: Text,
    pub agent: Text,
    pub verb: Text,
    pub group: Text,
    pub resource: Text,
}

impl From<&RequestKind> for RequestKind {
    fn from(kind: &RequestKind) -> RequestKind {
        kind.clone()
    }
}

impl Default for Top {
    fn default() -> Top {
        let shard = || Mutex::new(Shard { users: Sketch::new(USERS_MAX), kinds: Sketch::new(KINDS_MAX) });
        Top { shards: std::array::from_fn(|_| shard()), hashes: RandomState::new(), began: Instant::now() }
    }
}

impl Top {
    /// Adds the cost of requests of a kind, and opened or closed watches.
    pub fn add(&self, kind: &RequestKind, figures: &Figures, watches: i64) {
        let now = self.now();
        let mut shard = self.shard(&kind.user);
        shard.users.add(now, kind.user.as_str(), figures, watches);
        shard.kinds.add(now, kind, figures, watches);
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn shard(&self, user: &str) -> MutexGuard<'_, Shard> {
        let [first, ..] = &self.shards;
        let index = usize::try_from(self.hashes.hash_one(user)).unwrap_or(0) % SHARDS;
        lock(self.shards.get(index).unwrap_or(first))
    }

    fn shards(&self) -> impl Iterator<Item = MutexGuard<'_, Shard>> {
        self.shards.iter().map(lock)
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RequestKind {
    pub fn of(request: &Request) -> RequestKind {
        let info = &request.info;
        RequestKind {
            user: shortened(&request.user.name),
            agent: shortened(&request.user_agent()),
            verb: shortened(info.verb.as_str()),
            group: shortened(&info.group),
            resource: shortened(&info.resource),
        }
    }
}

fn shortened(text: &str) -> Text {
    let end = (0..=NAME_BYTES_MAX.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or_default();
    text.get(..end).unwrap_or_default().into()
}
