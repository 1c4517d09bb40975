//! Objects seen through their schema, as server-side apply sees them: leaves, list items with keys, and the fields that
//! differ between two objects.

mod atom;
mod check;
mod collect;
mod compare;
mod configuration;
mod merge;
mod reconcile;
mod remove;

pub use check::check;
pub(crate) use check::{check_unlike, fit_where_unlike};
pub use collect::fields_of;
pub use compare::{Comparison, compare};
pub use configuration::merge_configuration;
pub(crate) use merge::merge;
pub(crate) use reconcile::reconcile;
pub(crate) use remove::{named_fields_as_members, remove};

#[cfg(test)]
mod tests;
