//! `OwnStrategy`: the strategy that a served resource holds.

use super::Strategy;
use std::ops::Deref;

/// The strategy of a kind: those of built-in kinds are part of the program.
pub enum OwnStrategy {
    Builtin(&'static dyn Strategy),
    Custom(Box<dyn Strategy>),
}

impl Deref for OwnStrategy {
    type Target = dyn Strategy;

    fn deref(&self) -> &(dyn Strategy + 'static) {
        match self {
            OwnStrategy::Builtin(strategy) => *strategy,
            OwnStrategy::Custom(strategy) => strategy.as_ref(),
        }
    }
}
