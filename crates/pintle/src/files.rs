//! `Watched`: files that may change while the server runs.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The time between two looks at watched files, and so the longest delay of a change.
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

    /// Waits until one of the files changes; forever without files.
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

pub fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// All certificates of a PEM text, of which there must be one.
pub fn parse_certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let found = found.map_err(|error| error.to_string())?;
    if found.is_empty() { Err(String::from("contains no certificate")) } else { Ok(found) }
}
