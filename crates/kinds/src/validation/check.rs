//! Small checks that many kinds make.

use pintle_object::{FieldErrors, Path, Value, content};

pub const IMMUTABLE: &str = "field is immutable";
const NOT_NEGATIVE: &str = "must be greater than or equal to 0";

/// The number in a field, where there is one, is not negative.
pub fn non_negative_field(object: &Value, field: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(number) = object.int_at(&[field]) {
        non_negative(number, &path.child(field), errors);
    }
}

pub fn non_negative(number: i64, path: &Path<'_>, errors: &mut FieldErrors) {
    if number < 0 {
        errors.invalid(path, number, NOT_NEGATIVE);
    }
}

/// A field has the value it had; absent and null are the same.
pub fn immutable(new: Option<&Value>, old: Option<&Value>, path: &Path<'_>, errors: &mut FieldErrors) {
    let (new, old) = (new.unwrap_or(&Value::Null), old.unwrap_or(&Value::Null));
    if new != old {
        errors.invalid(path, new, IMMUTABLE);
    }
}

/// All messages about one value, as invalid.
pub fn invalid_all(messages: Vec<String>, bad: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    for message in messages {
        errors.invalid(path, bad, &message);
    }
}

/// `example.com/a/b`
pub fn domain_prefixed_path(text: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if text.is_empty() {
        return errors.required(path, "");
    }
    let (domain, rest) = text.split_once('/').unwrap_or((text, ""));
    if domain.is_empty() || rest.is_empty() {
        errors.invalid(path, text, "must be a domain-prefixed path (such as \"acme.io/foo\")");
        return;
    }
    invalid_all(content::dns1123_subdomain(domain), domain, path, errors);
    let is_segment = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte);
    if !rest.bytes().all(is_segment) {
        let why = content::regex_error("Invalid path", "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+", &[]);
        errors.invalid(path, rest, &why);
    }
}

/// The value at a path that is neither absent nor null.
pub fn present<'a>(object: &'a Value, path: &[&str]) -> Option<&'a Value> {
    object.at(path).filter(|value| !value.is_null())
}
