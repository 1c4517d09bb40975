//! The objects that must still exist for a token to be valid.

use pintle_object::Value;

/// Whether an object was deleted a while ago, and only waits for its finalizers.
pub(crate) fn is_gone(object: &Value, now_seconds: i64) -> bool {
    let deleted = object.str_at(&["metadata", "deletionTimestamp"]);
    if deleted.is_empty() {
        return false;
    }
    // An unreadable time must not make a token valid.
    pintle_object::time::Time::parse(deleted)
        .ok()
        .is_none_or(|time| time.seconds < now_seconds - LEEWAY_SECONDS)
}

/// Clocks may differ by this much, and objects may be gone for as long.
pub(crate) const LEEWAY_SECONDS: i64 = 60;
