//! Servers of tests, each on a thread and a runtime of its own.

use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// Starts a thread that serves until it is stopped, or its stopper is dropped. Work that is still going on then ends at
/// once.
pub fn serve_until(
    stopped: oneshot::Receiver<()>,
    serving: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime can be made");
        runtime.block_on(async {
            tokio::select! {
                () = serving => {}
                _ = stopped => {}
            }
        });
        runtime.shutdown_timeout(Duration::ZERO);
    })
}
