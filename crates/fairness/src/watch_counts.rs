//! The number of watchers that a write is sent to, by what they watch (upstream's `util/flowcontrol/watch_tracker.go`).

use pintle_object::Text;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Locks that watched resources are spread over, so that writes of different resources do not meet.
const SHARDS: usize = 16;

/// A set of watched objects: all of a resource, those of a namespace, or one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Watched {
    group: Text,
    resource: Text,
    namespace: Text,
    name: Text,
}

#[derive(Debug, Default)]
pub struct WatchCounts {
    shards: [Mutex<HashMap<Watched, u64>>; SHARDS],
    hashes: RandomState,
}

/// A watch that counts until it is dropped.
#[derive(Debug)]
pub struct WatchCount {
    counts: Arc<WatchCounts>,
    watched: Watched,
}

impl WatchCounts {
    /// Counts a watch.
    pub fn register(
        self: &Arc<Self>,
        group: &str,
        resource: &str,
        namespace: &str,
        name: &str,
    ) -> WatchCount {
        let watched = Watched {
            group: group.into(),
            resource: resource.into(),
            namespace: namespace.into(),
            name: name.into(),
        };
        *self.shard(group, resource).entry(watched.clone()).or_default() += 1;
        WatchCount { counts: self.clone(), watched }
    }

    /// The number of watches that receive a write to an object.
    pub fn interested(&self, group: &str, resource: &str, namespace: &str, name: &str) -> u64 {
        let shard = self.shard(group, resource);
        if shard.is_empty() {
            return 0;
        }
        let mut watched = Watched { group: group.into(), resource: resource.into(), ..Watched::none() };
        let mut total = shard.get(&watched).copied().unwrap_or(0);
        if !namespace.is_empty() {
            watched.namespace = namespace.into();
            total += shard.get(&watched).copied().unwrap_or(0);
        }
        if !name.is_empty() {
            watched.name = name.into();
            total += shard.get(&watched).copied().unwrap_or(0);
        }
        total
    }

    fn shard(&self, group: &str, resource: &str) -> MutexGuard<'_, HashMap<Watched, u64>> {
        let hash = self.hashes.hash_one((group, resource));
        let [first, ..] = &self.shards;
        let shard = self.shards.get(usize::try_from(hash).unwrap_or(0) % SHARDS).unwrap_or(first);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn none() -> Watched {
        let empty = || Text::const_new("");
        Watched { group: empty(), resource: empty(), namespace: empty(), name: empty() }
    }
}

impl Drop for WatchCount {
    fn drop(&mut self) {
        let mut shard = self.counts.shard(&self.watched.group, &self.watched.resource);
        if let Some(count) = shard.get_mut(&self.watched) {
            *count -= 1;
            if *count == 0 {
                shard.remove(&self.watched);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_heard_by_those_who_watch_its_object_namespace_or_resource() {
        let counts = Arc::new(WatchCounts::default());
        let all = counts.register("", "pods", "", "");
        let namespace = counts.register("", "pods", "a", "");
        let other = counts.register("", "pods", "b", "");
        let one = counts.register("", "pods", "a", "x");
        let check = |namespace: &str, name: &str, expected: u64| {
            assert_eq!(counts.interested("", "pods", namespace, name), expected, "{namespace}/{name}");
        };
        check("a", "x", 3);
        check("a", "y", 2);
        check("b", "x", 2);
        check("a", "", 2);
        assert_eq!(counts.interested("apps", "pods", "a", "x"), 0);
        drop((all, namespace));
        check("a", "x", 1);
        drop((other, one));
        assert!(counts.shards.iter().all(|shard| shard.lock().unwrap().is_empty()));
    }
}
