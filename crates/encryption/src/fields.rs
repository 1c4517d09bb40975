//! Fields of a configuration with upstream's defaults, for its checks and its reading.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pintle_object::Value;
use pintle_object::time::parse_duration;
use std::time::Duration;

const TIMEOUT_DEFAULT: Duration = Duration::from_secs(3);

const VERSION_DEFAULT: &str = "v1";

/// The bytes of a secret; line ends within are skipped, as Go skips them.
pub(crate) fn decode_secret(text: &str) -> Option<Vec<u8>> {
    let text: String = text.chars().filter(|byte| !matches!(byte, '\n' | '\r')).collect();
    STANDARD.decode(text).ok()
}

pub(crate) fn kms_version(document: &Value) -> &str {
    match document.str_at(&["apiVersion"]) {
        "" => VERSION_DEFAULT,
        version => version,
    }
}

/// In nanoseconds, as it may be negative.
pub(crate) fn kms_timeout(document: &Value) -> i64 {
    let given = document.get("timeout").and_then(Value::as_str);
    given.and_then(|text| parse_duration(text).ok()).unwrap_or(TIMEOUT_DEFAULT.as_nanos() as i64)
}

pub(crate) fn texts<'a>(document: &'a Value, field: &str) -> Vec<&'a str> {
    document.list_at(&[field]).iter().filter_map(Value::as_str).collect()
}
