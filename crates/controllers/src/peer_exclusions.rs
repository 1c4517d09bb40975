//! `Excluded`: the versions of groups that are not looked for on other servers, since all know them from the store, and
//! those removed from it a while ago (`peerproxy/gv_exclusion_manager.go` upstream).

use pintle_object::Text;
use pintle_proxy::peers::GroupVersion;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::Instant;

/// The time for which a version that is gone is excluded; by then all servers have heard of that
/// (`defaultExclusionGracePeriod`).
const GRACE: Duration = Duration::from_secs(5 * 60);

#[derive(Default)]
pub struct Excluded {
    /// The versions of each object, by its source and name.
    objects: HashMap<(usize, Text), Vec<GroupVersion>>,
    /// The number of objects for each version.
    counts: HashMap<GroupVersion, usize>,
    /// The versions without objects, and the time of their removal.
    gone: HashMap<GroupVersion, Instant>,
}

impl Excluded {
    pub fn all(&self) -> HashSet<GroupVersion> {
        self.counts.keys().chain(self.gone.keys()).cloned().collect()
    }

    /// The objects with versions.
    pub fn objects(&self) -> impl Iterator<Item = (usize, Text)> {
        self.objects.keys().cloned()
    }

    /// Sets the versions of an object; whether one is excluded that was not.
    pub fn set(&mut self, (source, name): (usize, &str), versions: Vec<GroupVersion>, now: Instant) -> bool {
        let mut is_more = false;
        for version in &versions {
            is_more |= !self.counts.contains_key(version) && !self.gone.contains_key(version);
            *self.counts.entry(version.clone()).or_default() += 1;
            self.gone.remove(version);
        }
        let key = (source, Text::from(name));
        let before = match versions.is_empty() {
            true => self.objects.remove(&key),
            false => self.objects.insert(key, versions),
        };
        for version in before.unwrap_or_default() {
            let Some(count) = self.counts.get_mut(&version) else { continue };
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&version);
                self.gone.insert(version, now);
            }
        }
        is_more
    }

    /// The end of the next exclusion.
    pub fn next_end(&self) -> Option<Instant> {
        self.gone.values().min().map(|since| *since + GRACE)
    }

    /// Forgets the versions that have been gone for long enough; whether there were some.
    pub fn end(&mut self, now: Instant) -> bool {
        let before = self.gone.len();
        self.gone.retain(|_, since| now < *since + GRACE);
        self.gone.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_went_are_left_out_for_a_while() {
        let pair = |group: &str| (group.to_string(), String::from("v1"));
        let (mut excluded, now) = (Excluded::default(), Instant::now());
        assert!(excluded.set((1, "x.a"), vec![pair("a"), pair("b")], now));
        assert!(!excluded.set((1, "y.a"), vec![pair("a")], now));
        assert!(!excluded.set((1, "x.a"), Vec::new(), now), "nothing more is left out");
        assert_eq!(excluded.all(), HashSet::from([pair("a"), pair("b")]));
        assert_eq!(excluded.objects().collect::<Vec<_>>(), [(1, Text::from("y.a"))]);
        assert_eq!(excluded.next_end(), Some(now + GRACE));
        assert!(!excluded.end(now + GRACE / 2) && excluded.end(now + GRACE));
        assert_eq!(excluded.all(), HashSet::from([pair("a")]));
        assert_eq!(excluded.next_end(), None);
        // One that comes back is no longer gone.
        assert!(!excluded.set((1, "y.a"), Vec::new(), now));
        assert!(!excluded.set((2, "v1.a"), vec![pair("a")], now));
        assert!(excluded.next_end().is_none() && excluded.all() == HashSet::from([pair("a")]));
    }
}
