//! Tags of keys: the key that encrypted a value, to see when the value would be encrypted with another one.

use aws_lc_rs::digest::{Context, SHA256};
use pintle_store::transformer::KeyTag;

/// The tag of these parts together; never that of plain values.
pub(crate) fn tag(parts: &[&[u8]]) -> KeyTag {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&part.len().to_le_bytes());
        context.update(part);
    }
    let digest = context.finish();
    let first = digest.as_ref().first_chunk().copied().unwrap_or_default();
    match KeyTag(u64::from_le_bytes(first)) {
        KeyTag::PLAIN => KeyTag(1),
        tag => tag,
    }
}
