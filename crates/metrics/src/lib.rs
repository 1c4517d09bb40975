//! Metrics: counters, gauges, histograms and summaries in upstream's families, and their text for Prometheus.
//!
//! `families.txt` is the table of all families that may be served: names, labels, buckets, help and stability. A crate
//! that counts gets a `Registry` when it is set up, looks up its families by name once, and counts without further
//! lookups:
//!
//! ```text
//! let rejected = registry.counters("apiserver_audit_error_total");      at the start
//! let of_log = rejected.with(&["log"]);                                 values in the order of the table's labels
//! of_log.inc();                                                         one atomic addition
//! ```
//!
//! A family is served as soon as some code uses it, one with labels from its first series. Values that are known
//! elsewhere are set by a function that is called before each scrape (`Registry::on_scrape`). Values of labels never
//! come from the content of an unauthenticated request; the number of series is bounded all the same.

mod families;
mod registry;
mod series;
#[cfg(test)]
mod tests;
mod text;
mod value;

pub use registry::{MetricsOptions, Registry};
pub use series::{Allowed, Counters, Gauges, Histograms, Series, Summaries, same};
pub use value::{Counter, Gauge, Histogram, Summary};
