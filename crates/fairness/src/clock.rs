//! The clock that is passed in: the current time, and alarms.

use crate::moment::Moment;
use std::fmt;
use std::sync::{Arc, Weak};

/// A level that asked to be called.
pub trait Alarm: fmt::Debug + Send + Sync {
    fn ring(self: Arc<Self>);
}

/// Time as the server knows it, or as a test makes it.
pub trait Clock: fmt::Debug + Send + Sync {
    fn now(&self) -> Moment;

    /// Rings an alarm at a moment. A level asks for a call more only if it has to be earlier than the last.
    fn call_at(&self, at: Moment, alarm: Weak<dyn Alarm>);
}
