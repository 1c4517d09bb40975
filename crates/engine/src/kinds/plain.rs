//! The plainest kind: metadata is all that is checked.

use super::Rules;

/// Rules of a kind that has none of its own.
pub struct Plain;

impl Rules for Plain {}
