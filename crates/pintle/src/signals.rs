//! SIGTERM and SIGINT: the first one stops the server, a second one ends the process at once.

use std::process::exit;
use std::thread;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// The exit code of a forced end: upstream's.
const FORCED: i32 = 1;

/// Told when the first signal comes. It is followed on a thread of its own, so that a server whose threads are all
/// busy ends too: `stop_max` after the first signal the process is ended.
pub fn follow(stop_max: Duration) -> Result<oneshot::Receiver<()>, String> {
    let (teller, told) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot handle signals: {error}"))?;
    let guard = runtime.enter();
    let failed = |error: std::io::Error| format!("cannot handle signals: {error}");
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    drop(guard);
    let follow = async move {
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        next().await;
        // The server may have ended by itself meanwhile.
        let _ = teller.send(());
        match tokio::time::timeout(stop_max, next()).await {
            Ok(()) => tracing::warn!("second signal: exiting at once"),
            Err(_) => tracing::error!("the server did not stop in time: exiting"),
        }
        exit(FORCED);
    };
    let thread = thread::Builder::new().name("signals".into()).spawn(move || runtime.block_on(follow));
    thread.map(|_| told).map_err(|error| format!("cannot handle signals: {error}"))
}
