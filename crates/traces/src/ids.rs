//! Identities of traces and spans: random, and never zero.

use std::hash::{BuildHasher, RandomState};

pub(crate) type TraceId = [u8; 16];
pub(crate) type SpanId = [u8; 8];

/// Each state hashes the same to something else, without a call to the system.
fn random() -> u64 {
    RandomState::new().hash_one(()).max(1)
}

pub(crate) fn span_id() -> SpanId {
    random().to_be_bytes()
}

pub(crate) fn trace_id() -> TraceId {
    (u128::from(random()) << 64 | u128::from(random())).to_be_bytes()
}
