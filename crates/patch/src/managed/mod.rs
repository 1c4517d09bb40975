//! Managed fields: which manager last set which field of an object.

mod cap;
mod entries;
mod filter;
mod scale;
mod track;

pub use entries::{Entry, Managed, ManagedOperation};
pub use filter::Filter;
pub use scale::{scale_managers_to_parent, scale_managers_to_scale};
pub(crate) use track::{Differences, UNTRACKED, misfit, reconcile_managers, update};
pub use track::{NoopCheck, Tracking, Versions, keep_times_of_noop, manager_name, track_update};

#[cfg(test)]
mod tests;
