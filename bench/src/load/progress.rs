//! A bar on the terminal for work that takes long.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const WIDTH: u64 = 40;

/// Shared by all who do the work. Without a terminal nothing is shown.
pub struct Progress {
    what: String,
    total: u64,
    done: AtomicU64,
    /// The part of the bar that is shown.
    shown: AtomicU64,
    begin: Instant,
    is_shown: bool,
}

impl Progress {
    pub fn new(what: &str, total: u64) -> Progress {
        Progress {
            what: what.into(),
            total: total.max(1),
            done: AtomicU64::new(0),
            shown: AtomicU64::new(u64::MAX),
            begin: Instant::now(),
            is_shown: std::io::stderr().is_terminal(),
        }
    }

    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    pub fn add(&self, count: u64) {
        let done = self.done.fetch_add(count, Ordering::Relaxed) + count;
        let permille = done.saturating_mul(1000) / self.total;
        if self.is_shown && self.shown.swap(permille, Ordering::Relaxed) != permille {
            let filled = (permille * WIDTH / 1000).min(WIDTH) as usize;
            let rate = done as f64 / self.begin.elapsed().as_secs_f64().max(1e-9);
            let bar = format!("{}{}", "#".repeat(filled), ".".repeat(WIDTH as usize - filled));
            eprint!("\r{} [{bar}] {:>3} % {rate:>12.0}/s ", self.what, permille / 10);
            let _ = std::io::stderr().flush();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            eprintln!();
        }
    }
}
