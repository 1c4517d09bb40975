//! The plainest kind: metadata is all that is checked.

use super::Strategy;

/// Strategy of a kind that has none of its own.
pub struct Plain;

impl Strategy for Plain {}
