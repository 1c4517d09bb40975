//! Seats and places of requests, given back when they are dropped.

use crate::guard::Guard;
use crate::permits::Permit;

/// A request may go on, in the seat that it was given. Given back when it is dropped.
#[derive(Debug, Default)]
pub struct Seat {
    pub(crate) _permit: Option<Permit>,
    pub(crate) _turn: Option<pintle_fairness::Seat>,
    /// Kept until the answer has ended.
    pub held: Option<Guard>,
}
