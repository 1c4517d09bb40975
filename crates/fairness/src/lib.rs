//! API priority and fairness (KEP-1040): flow schemas, priority levels and their seats, and fair queues.
//!
//! This crate is pure: no I/O, no tasks, and the clock is passed in, so that it is tested in virtual time.

pub mod allocation;
pub mod classify;
pub mod clock;
pub mod configuration;
pub mod dump;
pub mod fairness;
pub mod flow_stats;
mod gauges;
pub mod in_flight;
pub mod integrator;
mod lending;
pub mod level;
pub mod metrics;
mod moment;
mod queue;
pub mod queue_set;
mod queuing;
mod retry_after;
pub mod seat_seconds;
pub mod shuffle;
pub mod watch_counts;
pub mod width;

#[cfg(test)]
mod tests;

pub use clock::{Alarm, Clock};
pub use configuration::{LevelSpec, SchemaSpec};
pub use fairness::{Classified, Fairness, Schema};
pub use flow_stats::Refusal;
pub use gauges::ByKind;
pub use level::{Admitted, Level, Seat, Waiting};
pub use moment::Moment;
pub use watch_counts::{WatchCount, WatchCounts};
pub use width::{Facts, ListShape, ObjectStats};
