//! The state of the definition of a custom resource.

use std::sync::atomic::{AtomicBool, Ordering};

/// The state of the definition of a custom resource, as far as requests depend on it.
pub struct CustomFacts {
    /// The warning for clients of a deprecated version.
    pub deprecation: Option<String>,
    /// Set when the definition is deleted: nothing new is created then.
    pub(crate) terminating: AtomicBool,
    /// The definition and its generation: its uid and generation.
    pub identity: String,
}

impl CustomFacts {
    pub fn is_terminating(&self) -> bool {
        self.terminating.load(Ordering::Relaxed)
    }

    /// Lets nothing new be created: the definition is deleted.
    pub fn terminate(&self) {
        self.terminating.store(true, Ordering::Relaxed);
    }
}
