//! Leases that end objects: many objects that live equally long share one, as each lease costs etcd more than an
//! object.

use crate::etcd::client::{EtcdClient, EtcdFailure, Repeat};
use crate::etcd::wire::{self, LeaseGrantRequest, LeaseGrantResponse};
use pintle_metrics::Histogram;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// The end of a lease deletes all its objects in one step, which must stay short.
const OBJECTS_MAX: u32 = 1000;
/// The part of its objects' time to live for which a lease is shared at most, as a divisor.
const REUSE_DIVISOR: u64 = 20;

pub(crate) struct Leases {
    reuse: Duration,
    /// The number of objects of each lease, counted when it is given to no more.
    objects: Histogram,
    /// The latest by the seconds that objects live: of events, and of the servers' addresses.
    latest: Mutex<BTreeMap<u64, EtcdLease>>,
}

#[derive(Clone, Copy)]
struct EtcdLease {
    id: i64,
    ends: Instant,
    objects: u32,
}

impl Leases {
    pub fn new(reuse: Duration, objects: Histogram) -> Leases {
        Leases { reuse, objects, latest: Mutex::default() }
    }

    /// A lease that ends after `ttl_seconds`, and not much later.
    pub async fn lease(&self, client: &EtcdClient, ttl_seconds: u64) -> Result<i64, EtcdFailure> {
        let mut latest = self.latest.lock().await;
        let (now, reuse_seconds) = (Instant::now(), self.reuse_seconds(ttl_seconds));
        if let Some(lease) = latest.get_mut(&ttl_seconds)
            && lease.fits(now, ttl_seconds, reuse_seconds)
        {
            lease.objects += 1;
            return Ok(lease.id);
        }
        let seconds = ttl_seconds.saturating_add(reuse_seconds).max(1);
        let ask = LeaseGrantRequest { ttl: i64::try_from(seconds).unwrap_or(i64::MAX) };
        let granted: LeaseGrantResponse = client.call(wire::LEASE_GRANT, ask, Repeat::Always).await?;
        let ends = now + Duration::from_secs(seconds);
        let former = latest.insert(ttl_seconds, EtcdLease { id: granted.id, ends, objects: 1 });
        former.iter().for_each(|former| self.objects.observe(former.objects.into()));
        Ok(granted.id)
    }

    fn reuse_seconds(&self, ttl_seconds: u64) -> u64 {
        self.reuse.as_secs().min(ttl_seconds / REUSE_DIVISOR)
    }
}

impl EtcdLease {
    /// Whether it ends no sooner than an object may, and not much later.
    fn fits(&self, now: Instant, ttl_seconds: u64, reuse_seconds: u64) -> bool {
        let left = self.ends.saturating_duration_since(now);
        left >= Duration::from_secs(ttl_seconds)
            && left <= Duration::from_secs(ttl_seconds + reuse_seconds)
            && self.objects < OBJECTS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_shared_by_objects_that_end_at_about_its_end() {
        let now = Instant::now();
        let lease = EtcdLease { id: 1, ends: now + Duration::from_secs(3660), objects: 1 };
        for (after, ttl, expected) in [
            (0, 3600, true),
            (60, 3600, true),
            (61, 3600, false),
            (0, 3661, false),
            (0, 600, false),
            (3050, 600, true),
        ] {
            let now = now + Duration::from_secs(after);
            assert_eq!(lease.fits(now, ttl, 60), expected, "{after} {ttl}");
        }
        assert!(!EtcdLease { objects: OBJECTS_MAX, ..lease }.fits(now, 3600, 60));
    }

    #[test]
    fn short_lives_share_a_lease_for_a_short_time() {
        let objects = pintle_metrics::Registry::default().histogram("etcd_lease_object_counts");
        let leases = Leases::new(Duration::from_secs(60), objects);
        for (ttl, expected) in [(3600, 60), (600, 30), (1, 0)] {
            assert_eq!(leases.reuse_seconds(ttl), expected);
        }
    }
}
