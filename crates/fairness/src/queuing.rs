//! `Queuing`: the ways in which levels treat requests that find no seat.

/// The treatment of requests that find no seat at their level (`limitResponse` of a PriorityLevelConfiguration).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queuing {
    /// There is always a seat.
    Exempt,
    Reject,
    Queue {
        queues: u32,
        hand_size: u32,
        queue_length_max: u32,
    },
}
