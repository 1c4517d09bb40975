//! The limit on open files, of which every connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit that is assumed if the system has none.
const UNLIMITED: u64 = 1 << 20;

/// Raises the limit as far as the process may, as Go does for every program, and returns it.
pub fn raise_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "cannot raise the limit on open files");
            limit.current
        }
    };
    usize::try_from(current.unwrap_or(UNLIMITED).min(UNLIMITED)).unwrap_or(usize::MAX)
}
