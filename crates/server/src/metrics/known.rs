//! Cached series of metrics: every request counts in them, so each is looked up once.

use pintle_metrics::{Counter, Histogram, Series, same};
use std::sync::OnceLock;

/// The series of a family with one label of few values.
pub(super) struct KnownLabels<V, const N: usize> {
    series: Series<V>,
    values: [(&'static str, OnceLock<V>); N],
}

impl<V: Clone, const N: usize> KnownLabels<V, N> {
    pub(super) fn new(series: Series<V>, labels: [&'static str; N]) -> KnownLabels<V, N> {
        KnownLabels { series, values: labels.map(|label| (label, OnceLock::new())) }
    }

    /// Counts in the series of a label, which appears when it is first counted in.
    pub(super) fn count(&self, label: &str, count: impl FnOnce(&V)) {
        match self.values.iter().find(|(known, _)| same(known, label)) {
            Some((_, value)) => count(value.get_or_init(|| self.series.with(&[label]))),
            None => count(&self.series.with(&[label])),
        }
    }
}

/// The series of requests with the same labels.
pub(super) struct RequestSeries {
    pub count: Counter,
    pub duration: Histogram,
    /// None of rehearsals.
    pub indicator: Option<Histogram>,
    pub sizes: OnceLock<Histogram>,
}
