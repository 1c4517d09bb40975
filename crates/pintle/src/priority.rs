//! Priorities of threads.

/// The niceness of threads that work on large requests. On Linux they get about a tenth of the time of other threads
/// when the processors are busy.
const NICENESS: i32 = 10;

/// Lets the calling thread give way to others. On Linux the kernel has a niceness for each thread; elsewhere it is
/// the process's, which nothing here may change.
pub fn lower() {
    if cfg!(target_os = "linux")
        && let Err(error) = rustix::process::setpriority_process(None, NICENESS)
    {
        tracing::debug!(%error, "cannot lower the priority of a thread");
    }
}
