//! Keys and values of labels; a label key is also upstream's "qualified name".

use super::{Messages, dns, is_edged, max_bytes_error, regex_error};
use crate::field::{FieldErrors, Path};
use crate::map::Map;

const PART_LEN_MAX: usize = 63;
const KEY_REGEX: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const KEY_RULE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

/// A name with an optional subdomain before it: `example.com/MyName`.
pub fn label_key(text: &str) -> Messages {
    let mut messages = Messages::new();
    let name = match text.split_once('/') {
        None => text,
        Some((_, rest)) if rest.contains('/') => return vec![too_many_parts()],
        Some((prefix, name)) => {
            let wrong = if prefix.is_empty() { vec![must_not_be_empty()] } else { dns::long_name(prefix) };
            messages.extend(wrong.into_iter().map(|message| format!("prefix part {message}")));
            name
        }
    };
    if name.is_empty() {
        messages.push(format!("name part {}", must_not_be_empty()));
    } else if name.len() > PART_LEN_MAX {
        messages.push(format!("name part {}", max_bytes_error(PART_LEN_MAX)));
    }
    if !is_name(name) {
        messages.push(format!("name part {}", key_form()));
    }
    messages
}

/// A label key that must have its prefix.
pub fn prefixed_label_key(text: &str) -> Messages {
    let messages = label_key(text);
    if messages.is_empty() && !text.contains('/') {
        return vec![String::from("must include a prefix (e.g. 'example.com/key')")];
    }
    messages
}

/// The empty text, or a name of at most 63 bytes.
pub fn label_value(text: &str) -> Messages {
    let mut messages = Messages::new();
    if text.len() > PART_LEN_MAX {
        messages.push(max_bytes_error(PART_LEN_MAX));
    }
    if !text.is_empty() && !is_name(text) {
        let why =
            format!("a valid label must be an empty string or {}", KEY_RULE.trim_start_matches("must "));
        messages.push(regex_error(&why, &format!("({KEY_REGEX})?"), &["MyValue", "my_value", "12345"]));
    }
    messages
}

/// Checks a map of labels; upstream reports the map's own path, not the key's.
pub fn labels(map: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    for (key, value) in map.iter() {
        for message in label_key(key) {
            errors.invalid(path, key, &message);
        }
        let value = value.as_str().unwrap_or("");
        for message in label_value(value) {
            errors.invalid(path, value, &message);
        }
    }
}

fn too_many_parts() -> String {
    format!(
        "a valid label key {} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
        key_form()
    )
}

fn key_form() -> String {
    regex_error(KEY_RULE, KEY_REGEX, &["MyName", "my.name", "123-abc"])
}

fn must_not_be_empty() -> String {
    String::from("must be non-empty")
}

fn is_name(text: &str) -> bool {
    let is_alphanumeric = |b: u8| b.is_ascii_alphanumeric();
    is_edged(text, is_alphanumeric, |b| is_alphanumeric(b) || matches!(b, b'-' | b'_' | b'.'))
}
