//! Admission: plugins in upstream's order, each of which may change or refuse a write.

mod chain;
mod namespace_lifecycle;

pub use chain::{Chain, Plugin};
pub use namespace_lifecycle::NamespaceLifecycle;
