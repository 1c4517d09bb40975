//! Digests in the form that logs and metrics have.

use aws_lc_rs::digest::{SHA256, digest};

/// The digest of a key's id, which is all that logs and metrics show of it.
pub(crate) fn key_hash(key_id: &str) -> String {
    if key_id.is_empty() {
        return String::new();
    }
    format!("sha256:{}", hex(digest(&SHA256, key_id.as_bytes()).as_ref()))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
