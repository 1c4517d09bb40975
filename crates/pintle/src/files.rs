//! `Watched`: files that may change while the server runs.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// How often files are looked at; what changes is taken over this soon.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub struct Watched {
    files: Vec<PathBuf>,
    seen: Vec<Option<SystemTime>>,
}

impl Watched {
    pub fn new(files: Vec<PathBuf>) -> Watched {
        let seen = times(&files);
        Watched { files, seen }
    }

    /// Waits until one of the files changes; for ever when there are none.
    pub async fn changed(&mut self) {
        if self.files.is_empty() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = times(&self.files);
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }

    /// Lets the files count as changed until they are taken over.
    pub fn forget(&mut self) {
        self.seen.clear();
    }
}

fn times(files: &[PathBuf]) -> Vec<Option<SystemTime>> {
    files.iter().map(|file| std::fs::metadata(file).and_then(|meta| meta.modified()).ok()).collect()
}
