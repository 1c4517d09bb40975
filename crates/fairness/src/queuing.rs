//! Ways of levels with requests that find no seat.

/// What a level does with requests that find no seat.
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
