//! Values that several parts of a pod spec have.

use pintle_object::{FieldErrors, Path, Value};

/// A field that must be set, to one of a few words.
pub(crate) fn one_of(object: &Value, field: &str, words: &[&str], path: &Path<'_>, errors: &mut FieldErrors) {
    match object.str_at(&[field]) {
        "" => errors.required(&path.child(field), ""),
        word if words.contains(&word) => {}
        word => errors.not_supported(&path.child(field), word, words),
    }
}

/// A field that may be absent, but if set must be one of a few words.
pub(crate) fn optional_one_of(
    object: &Value,
    field: &str,
    words: &[&str],
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if let Some(word) = object.at(&[field]).and_then(Value::as_str)
        && !words.contains(&word)
    {
        errors.not_supported(&path.child(field), word, words);
    }
}

/// A relative path that never climbs.
pub(crate) fn descending_path(text: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if text.starts_with('/') {
        errors.invalid(path, text, "must be a relative path");
    }
    no_backsteps(text, path, errors);
}

pub(crate) fn no_backsteps(text: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if text.split('/').any(|part| part == "..") {
        errors.invalid(path, text, "must not contain '..'");
    }
}
