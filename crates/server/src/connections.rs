//! The open connections: their limits, in all and for one address, and the choice of those to close for new ones.

use crate::activity::Activity;
use crate::seldom::Seldom;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most connections at a time: those of some thousand nodes. Each takes some ten kilobytes at rest.
pub const CONNECTIONS_MAX: usize = 16 << 10;
/// Open files that are not for connections: the store, logs, calls to other servers.
pub const FILES_RESERVED: usize = 256;
/// Of all connections one address may have this part: behind a balancer many clients are one address.
const ADDRESS_PART: usize = 2;
/// Connections that have not sent their first request: honest clients are past that in milliseconds.
pub const PENDING_MAX: usize = 1024;
/// So many make room at once, so that a flood does not search all for each.
const EVICTED_AT_ONCE: usize = 32;

pub struct Connections {
    open: Mutex<HashMap<u64, Arc<Activity>>>,
    next: AtomicU64,
    pending: Arc<AtomicUsize>,
    max: usize,
    pending_max: usize,
    refused: Seldom,
}

/// A connection that may be open.
pub struct Admitted {
    connections: Arc<Connections>,
    number: u64,
    pub activity: Arc<Activity>,
}

impl Connections {
    /// As many connections as `files_max` open files allow.
    pub fn new(files_max: usize) -> Arc<Connections> {
        let files = files_max.saturating_sub(FILES_RESERVED).max(files_max / 2).max(1);
        Connections::with_limits(files.min(CONNECTIONS_MAX), PENDING_MAX)
    }

    fn with_limits(max: usize, pending_max: usize) -> Arc<Connections> {
        Arc::new(Connections {
            open: Mutex::default(),
            next: AtomicU64::new(0),
            pending: Arc::default(),
            max,
            pending_max: pending_max.min(max),
            refused: Seldom::default(),
        })
    }

    /// Takes a connection in, if there is room or can be made.
    pub fn admit(self: &Arc<Connections>, address: IpAddr) -> Option<Admitted> {
        let address = network(address);
        let mut open = self.lock();
        let is_full = open.len() >= self.max;
        if self.pending.load(Ordering::Relaxed) >= self.pending_max {
            evict(&mut open, |activity| activity.is_pending());
        }
        // Counted only when it matters: fewer than an address may have are in all.
        let address_max = (self.max / ADDRESS_PART).max(1);
        let of_address = |open: &HashMap<u64, Arc<Activity>>| {
            open.values().filter(|activity| activity.address == address).count()
        };
        if open.len() >= address_max && of_address(&open) >= address_max {
            evict(&mut open, |activity| activity.address == address);
            if of_address(&open) >= address_max {
                return self.refuse(address);
            }
        }
        if is_full {
            evict(&mut open, |_| true);
            if open.len() >= self.max {
                return self.refuse(address);
            }
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let activity = Arc::new(Activity::new(address, self.pending.clone()));
        open.insert(number, activity.clone());
        Some(Admitted { connections: self.clone(), number, activity })
    }

    /// Closes some of the connections that rest, when the process has no more files.
    pub fn make_room(&self) {
        evict(&mut self.lock(), |_| true);
    }

    fn refuse(&self, address: IpAddr) -> Option<Admitted> {
        if let Some(count) = self.refused.count() {
            tracing::warn!(count, %address, "connections were refused: too many are open");
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Activity>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.connections.lock().remove(&self.number);
    }
}

/// Closes some of the idle connections: first those without any request so far, and of these the longest idle.
fn evict(open: &mut HashMap<u64, Arc<Activity>>, is_meant: impl Fn(&Activity) -> bool) {
    let resting = open.iter().filter(|(_, activity)| activity.is_resting() && is_meant(activity));
    let mut resting: Vec<_> =
        resting.map(|(number, activity)| (!activity.is_pending(), activity.rests_since(), *number)).collect();
    let count = EVICTED_AT_ONCE.min(resting.len().div_ceil(ADDRESS_PART));
    if count == 0 {
        return;
    }
    resting.select_nth_unstable(count - 1);
    for (_, _, number) in resting.iter().take(count) {
        if let Some(activity) = open.remove(number) {
            activity.close();
        }
    }
}

/// The /64 network of an IPv6 address, since its owner usually has all of it; an IPv4 address itself.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn an_address_has_its_part_and_no_more() {
        let connections = Connections::with_limits(8, 8);
        let busy: Vec<_> = (0..4).map(|_| connections.admit(address(1)).unwrap()).collect();
        let requests: Vec<_> = busy.iter().map(|admitted| admitted.activity.begin(None)).collect();
        assert!(connections.admit(address(1)).is_none());
        let other = connections.admit(address(2)).unwrap();
        drop(requests);
        // Idle connections make room.
        assert!(connections.admit(address(1)).is_some());
        drop((busy, other));
        assert_eq!((connections.lock().len(), connections.pending.load(Ordering::Relaxed)), (0, 0));
    }

    #[tokio::test]
    async fn who_has_asked_nothing_makes_room_for_others() {
        let connections = Connections::with_limits(64, 4);
        let asked = connections.admit(address(1)).unwrap();
        drop(asked.activity.begin(None));
        let silent: Vec<_> = (0..4).map(|_| connections.admit(address(1)).unwrap()).collect();
        let next = connections.admit(address(1)).unwrap();
        silent.first().unwrap().activity.closed().await;
        assert_eq!(connections.lock().len(), 4);
        assert!(
            connections.lock().contains_key(&asked.number) && connections.lock().contains_key(&next.number)
        );
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::2:3"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), address(1));
    }
}
