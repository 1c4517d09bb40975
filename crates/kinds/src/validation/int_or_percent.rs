//! Values that are a number or a percentage.

use super::check;
use pintle_object::{FieldErrors, Path, Value, content};

/// A number that is not negative, or a percentage.
pub fn non_negative(value: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    match value {
        Value::Text(text) => {
            for message in content::percent(text) {
                errors.invalid(path, value, &message);
            }
        }
        Value::Int(number) => check::non_negative(*number, path, errors),
        _ => errors.invalid(path, value, "must be an integer or percentage (e.g '5%%')"),
    }
}

/// A percentage is one of a whole.
pub fn at_most_all(value: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    if percentage(value).is_some_and(|percentage| percentage > 100) {
        errors.invalid(path, value, "must not be greater than 100%");
    }
}

/// The number before the percent sign.
pub fn percentage(value: &Value) -> Option<i64> {
    let text = value.as_str()?;
    text.strip_suffix('%').filter(|_| content::percent(text).is_empty())?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_of_a_whole() {
        let cases = [
            (Value::Int(-1), 1),
            (Value::Int(101), 0),
            (Value::from("100%"), 0),
            (Value::from("101%"), 1),
            (Value::from("x"), 1),
        ];
        for (value, expected) in cases {
            let mut errors = FieldErrors::new();
            non_negative(&value, &Path::root("f"), &mut errors);
            at_most_all(&value, &Path::root("f"), &mut errors);
            assert_eq!(errors.len(), expected, "{value:?}");
        }
    }
}
