//! The tasks of HTTP/2 streams: each can be ended from outside, which resets the stream.

use hyper::rt::Executor;
use std::sync::{Arc, OnceLock};
use tokio::task::AbortHandle;

tokio::task_local! {
    static STREAM: Arc<OnceLock<AbortHandle>>;
}

/// Runs every stream of a connection as a task that knows how it can be ended.
#[derive(Clone, Copy)]
pub struct Streams;

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, stream: F) {
        let handle = Arc::new(OnceLock::new());
        let task = tokio::spawn(STREAM.scope(handle.clone(), stream));
        // It is set this once.
        let _ = handle.set(task.abort_handle());
    }
}

/// The handle that aborts the stream of the current task; none on HTTP/1.1, where a connection is its own task.
pub fn current() -> Option<Arc<OnceLock<AbortHandle>>> {
    STREAM.try_with(Arc::clone).ok()
}
