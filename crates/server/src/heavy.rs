//! Threads for large requests, apart from those of all others: large objects are decoded, validated and encoded here,
//! while small requests, watches and health checks go on.

use crate::permits::{Pool, Requester};
use pintle_object::Status;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// The size from which bodies and objects are large: smaller ones take a millisecond or two.
pub const LARGE_BYTES_MIN: usize = 16 << 10;
/// The kilobytes of bodies and objects that may be worked on at a time. Their trees are many times as large.
const WORK_KB_MAX: usize = 8 << 10;
/// Of that, one user's part: a body of the largest size leaves room for others.
const WORK_USER_PART: usize = 3;
/// The stack for walks of the deepest trees, as for all threads.
const STACK_BYTES: usize = 8 << 20;

pub struct Heavy {
    /// Taken when the server ends.
    runtime: Option<Runtime>,
    work: Pool,
}

impl Heavy {
    /// Makes `threads` threads; each begins with `on_start`, which may lower its priority.
    pub fn new(threads: usize, on_start: fn()) -> Result<Heavy, String> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("heavy")
            .thread_stack_size(STACK_BYTES)
            .on_thread_start(on_start)
            .enable_all()
            .build()
            .map_err(|error| format!("threads cannot start: {error}"))?;
        Ok(Heavy { runtime: Some(runtime), work: Pool::new(WORK_KB_MAX, WORK_USER_PART) })
    }

    /// Runs work of that size when its turn has come. When its future is dropped, it ends at its next await.
    pub async fn run<T: Send + 'static>(
        &self,
        who: Requester<'_>,
        bytes: usize,
        work: impl Future<Output = Result<T, Status>> + Send + 'static,
    ) -> Result<T, Status> {
        let Some(runtime) = &self.runtime else { return work.await };
        let permit = self.work.permit(who, bytes.div_ceil(1024)).await;
        let task = runtime.spawn(pintle_traces::carry(async move {
            let _permit = permit;
            work.await
        }));
        match Aborted(task).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(Status::internal("the server is stopping")),
        }
    }
}

impl Drop for Heavy {
    fn drop(&mut self) {
        // It may be dropped on a thread that must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A task that is aborted when its handle is dropped.
struct Aborted<T>(JoinHandle<T>);

impl<T> Future for Aborted<T> {
    type Output = <JoinHandle<T> as Future>::Output;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for Aborted<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[tokio::test]
    async fn work_is_done_elsewhere_and_ends_with_its_client() {
        let heavy = Heavy::new(1, || ()).unwrap();
        let here = thread::current().id();
        let there = heavy.run(Requester::Master, 1, async { Ok(thread::current().id()) }).await.unwrap();
        assert_ne!(here, there);
        let (sender, gone) = tokio::sync::oneshot::channel::<()>();
        let work = heavy.run(Requester::Master, 1, async move {
            let _sender = sender;
            std::future::pending::<Result<(), Status>>().await
        });
        assert!(tokio::time::timeout(std::time::Duration::from_millis(20), work).await.is_err());
        assert!(gone.await.is_err());
    }
}
