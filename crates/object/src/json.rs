//! JSON by Go's rules.

use crate::value::Value;

/// The value as a compact JSON document with sorted keys.
pub fn to_string(value: &Value) -> String {
    let _ = value;
    String::new()
}
