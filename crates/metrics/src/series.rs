//! The series of a family: one value for each combination of its labels' values.

use crate::value::{Counter, Gauge, Histogram, Summary};
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Arc, PoisonError, RwLock};

/// The number of series in one family; further ones are counted and not served.
const SERIES_MAX: usize = 16 << 10;
/// The label value in place of those that the administrator has not listed.
const UNEXPECTED: &str = "unexpected";

pub type Counters = Series<Counter>;
pub type Gauges = Series<Gauge>;
pub type Histograms = Series<Histogram>;
pub type Summaries = Series<Summary>;

/// The values of a label, in the order of the table's labels.
type Labels = Box<[Box<str>]>;

/// Values by the hash of their labels.
type Found<V> = HashMap<u64, Vec<(Labels, V)>, RandomState>;

/// Values by their labels. Clones are the same.
#[derive(Clone)]
pub struct Series<V>(Arc<SeriesInner<V>>);

struct SeriesInner<V> {
    make: Box<dyn Fn() -> V + Send + Sync>,
    /// The values that each label may have, where they are restricted; empty without any restriction.
    allowed: Vec<Option<Allowed>>,
    unexpected: Counter,
    hasher: RandomState,
    /// By the hash of the labels, so that a lookup needs no key.
    found: RwLock<Found<V>>,
}

impl<V: Clone + Default + 'static> Series<V> {
    /// Values that no family shows, by labels that nothing restricts.
    pub fn unshown() -> Series<V> {
        Series::new(V::default, Vec::new(), Counter::default())
    }
}

impl<V: Clone> Series<V> {
    pub(crate) fn new(
        make: impl Fn() -> V + Send + Sync + 'static,
        allowed: Vec<Option<Allowed>>,
        unexpected: Counter,
    ) -> Series<V> {
        let hasher = RandomState::default();
        Series(Arc::new(SeriesInner {
            make: Box::new(make),
            allowed,
            unexpected,
            hasher,
            found: RwLock::default(),
        }))
    }

    /// The value of these labels, which are in the order of the table; made when it is not there yet.
    pub fn with(&self, labels: &[&str]) -> V {
        if self.0.allowed.is_empty() {
            return self.find(labels);
        }
        let kept = labels.iter().zip(&self.0.allowed).map(|(label, allowed)| match allowed {
            Some(allowed) if !allowed.iter().any(|one| one == label) => {
                self.0.unexpected.inc();
                UNEXPECTED
            }
            _ => label,
        });
        self.find(&kept.collect::<Vec<_>>())
    }

    fn find(&self, labels: &[&str]) -> V {
        let hash = self.0.hasher.hash_one(labels);
        let is_same = |known: &Labels| {
            known.len() == labels.len() && known.iter().zip(labels).all(|(known, label)| same(known, label))
        };
        let value = |found: &Found<V>| {
            found.get(&hash)?.iter().find(|(known, _)| is_same(known)).map(|(_, value)| value.clone())
        };
        if let Some(value) = value(&self.0.found.read().unwrap_or_else(PoisonError::into_inner)) {
            return value;
        }
        let mut found = self.0.found.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = value(&found) {
            return value;
        }
        let made = (self.0.make)();
        if found.len() < SERIES_MAX {
            let labels = labels.iter().map(|label| Box::from(*label)).collect();
            found.entry(hash).or_default().push((labels, made.clone()));
        }
        made
    }

    /// Forgets the series of these labels.
    pub fn remove(&self, labels: &[&str]) {
        let hash = self.0.hasher.hash_one(labels);
        let mut found = self.0.found.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = found.get_mut(&hash) {
            known.retain(|(known, _)| !known.iter().map(AsRef::as_ref).eq(labels.iter().copied()));
        }
    }

    /// Forgets all series, before those of now are set.
    pub fn clear(&self) {
        self.0.found.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// All series by their labels.
    pub(crate) fn all(&self) -> Vec<(Labels, V)> {
        let found = self.0.found.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = found.values().flatten().cloned().collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

/// Whether two labels are equal. They are a few bytes long, which takes less time to compare than a call of `memcmp`.
pub fn same(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).all(|(one, other)| one == other)
}

/// The values that a label may have.
pub type Allowed = Arc<[String]>;

/// A family in use.
#[derive(Clone)]
pub(crate) enum SeriesOf {
    Counters(Counters),
    Gauges(Gauges),
    Histograms(Histograms),
    Summaries(Summaries),
}
