//! The heaviest of many keys, in bounded space: heavy ones are kept, and a new one takes the place of the lightest
//! (Metwally's Space-Saving, with costs that fade).

use foldhash::{HashMap, HashMapExt as _};
use std::borrow::Borrow;
use std::hash::Hash;
use std::time::Duration;

/// The two windows over which figures fade: the present, and the last minutes.
pub const SHORT: Duration = Duration::from_secs(10);
pub const LONG: Duration = Duration::from_secs(300);

/// The figures of requests, in sum or over a window of time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    pub requests: f64,
    pub errors: f64,
    pub cpu_seconds: f64,
    pub bytes: f64,
}

/// Figures that fade, and how many watches are open.
#[derive(Clone, Copy, Debug, Default)]
pub struct SketchEntry {
    short: Figures,
    long: Figures,
    updated_at: Duration,
    pub watches: u64,
    /// The cost of the entry that this one replaced: so much of its own cost may be another's.
    pub uncertain_cost: f64,
}

/// Seconds of a core that a request counts for beside its own, and bytes that count for one.
const REQUEST_SECONDS: f64 = 20e-6;
const BYTES_PER_SECOND: f64 = 1e9;

impl Figures {
    /// The cost in seconds of a core.
    pub fn cost(&self) -> f64 {
        self.cpu_seconds + self.requests * REQUEST_SECONDS + self.bytes / BYTES_PER_SECOND
    }

    fn add(&mut self, other: &Figures) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.cpu_seconds += other.cpu_seconds;
        self.bytes += other.bytes;
    }

    #[must_use]
    pub fn times(&self, factor: f64) -> Figures {
        Figures {
            requests: self.requests * factor,
            errors: self.errors * factor,
            cpu_seconds: self.cpu_seconds * factor,
            bytes: self.bytes * factor,
        }
    }
}

impl SketchEntry {
    /// Figures per second, now.
    pub fn rates(&self, now: Duration) -> Figures {
        self.faded(now).short.times(1.0 / SHORT.as_secs_f64())
    }

    /// Figures of the last minutes, the older the less.
    pub fn totals(&self, now: Duration) -> Figures {
        self.faded(now).long
    }

    fn faded(mut self, now: Duration) -> SketchEntry {
        let seconds = now.saturating_sub(self.updated_at).as_secs_f64();
        if seconds > 0.0 {
            self.short = self.short.times((-seconds / SHORT.as_secs_f64()).exp());
            let factor = (-seconds / LONG.as_secs_f64()).exp();
            self.long = self.long.times(factor);
            self.uncertain_cost *= factor;
            self.updated_at = now;
        }
        self
    }
}

/// The heaviest of many.
#[derive(Debug)]
pub struct Sketch<K> {
    entries: HashMap<K, SketchEntry>,
    entries_max: usize,
}

impl<K: Clone + Eq + Hash> Sketch<K> {
    pub fn new(entries_max: usize) -> Sketch<K> {
        Sketch { entries: HashMap::new(), entries_max }
    }

    /// Adds figures to a key, and opened (or closed) watches.
    pub fn add<Q>(&mut self, now: Duration, key: &Q, figures: &Figures, watches: i64)
    where
        K: Borrow<Q> + for<'a> From<&'a Q>,
        Q: Eq + Hash + ?Sized,
    {
        if !self.entries.contains_key(key) {
            // The end of a watch whose entry was evicted meanwhile.
            if watches < 0 {
                return;
            }
            let entry = self.make_room(now);
            self.entries.insert(K::from(key), entry);
        }
        let Some(entry) = self.entries.get_mut(key) else { return };
        *entry = entry.faded(now);
        entry.short.add(figures);
        entry.long.add(figures);
        entry.watches = entry.watches.saturating_add_signed(watches);
    }

    /// The entry of a newcomer: empty while there is room; then it takes over the cost of the lightest.
    fn make_room(&mut self, now: Duration) -> SketchEntry {
        let mut entry = SketchEntry { updated_at: now, ..SketchEntry::default() };
        if self.entries.len() < self.entries_max {
            return entry;
        }
        let weight = |entry: &SketchEntry| entry.totals(now).cost() + entry.faded(now).uncertain_cost;
        let lightest = self.entries.iter().map(|(key, entry)| (weight(entry), key));
        let lightest = lightest.min_by(|one, other| one.0.total_cmp(&other.0));
        if let Some((weight, key)) = lightest.map(|(weight, key)| (weight, key.clone())) {
            entry.uncertain_cost = weight;
            self.entries.remove(&key);
        }
        entry
    }

    pub fn iter(&self) -> impl Iterator<Item = (&K, &SketchEntry)> {
        self.entries.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(count: f64) -> Figures {
        Figures { requests: count, cpu_seconds: count * 0.001, ..Figures::default() }
    }

    #[test]
    fn the_heavy_are_kept_among_many_newcomers() {
        let mut sketch: Sketch<String> = Sketch::new(16);
        for round in 0..2000_u64 {
            let now = Duration::from_millis(round * 10);
            sketch.add(now, "heavy", &requests(1.0), 0);
            sketch.add(now, format!("passing-{round}").as_str(), &requests(1.0), 0);
            sketch.add(now, format!("another-{round}").as_str(), &requests(1.0), 0);
        }
        let now = Duration::from_secs(20);
        assert_eq!(sketch.iter().count(), 16);
        let (_, heavy) = sketch.iter().find(|(key, _)| *key == "heavy").expect("the heavy one is kept");
        let totals = heavy.totals(now);
        assert!(totals.requests > 1800.0 && heavy.uncertain_cost < totals.cost(), "{heavy:?}");
        let rate = heavy.rates(now).requests;
        assert!((80.0..=100.0).contains(&rate), "{rate} requests a second");
    }

    #[test]
    fn figures_fade_and_watches_do_not() {
        let mut sketch: Sketch<String> = Sketch::new(2);
        sketch.add(Duration::ZERO, "a", &requests(100.0), 1);
        let entry = |sketch: &Sketch<String>| *sketch.iter().next().expect("an entry").1;
        assert_eq!(entry(&sketch).watches, 1);
        let later = Duration::from_secs(100);
        assert!(entry(&sketch).rates(later).requests < 0.001);
        assert!(entry(&sketch).totals(later).requests > 70.0);
        sketch.add(later, "a", &Figures::default(), -1);
        sketch.add(later, "unknown", &Figures::default(), -1);
        assert_eq!((entry(&sketch).watches, sketch.iter().count()), (0, 1));
    }
}
