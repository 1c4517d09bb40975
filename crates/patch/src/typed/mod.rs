//! Objects seen through their schema, as server-side apply sees them: what is a leaf, what is a list item with
//! keys, and which fields differ between two objects.

mod atom;
mod check;
mod collect;
mod compare;
mod configuration;
mod merge;
mod reconcile;
mod remove;

pub use check::check;
pub(crate) use check::check_unlike;
pub use collect::fields_of;
pub use compare::{Comparison, compare};
pub use configuration::merge_configuration;
pub(crate) use merge::merge;
pub(crate) use reconcile::reconcile;
pub(crate) use remove::{named_fields_as_members, remove};

#[cfg(test)]
mod tests;
