//! `Verdict`: the errors of a check, and the part of the schema that a value has passed.

use super::spot::Spot;
use pintle_object::field::{Shown, quote};
use pintle_object::{ErrorKind, FieldError, FieldErrors, Path, Value};

/// The outcome of checking one value against one schema.
///
/// Upstream counts the checks that ran: of several alternatives that all fail, the errors of the one with the
/// highest count are shown.
#[derive(Default)]
pub(super) struct Verdict {
    pub(super) errors: FieldErrors,
    pub(super) count: usize,
}

impl Verdict {
    pub(super) fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }

    pub(super) fn merge(&mut self, other: Verdict) {
        self.errors.extend(other.errors);
        self.count += other.count;
    }

    pub(super) fn report(self, errors: &mut FieldErrors) {
        errors.extend(self.errors);
    }

    /// `spec.x in body must be of type integer: "string"`
    pub(super) fn wrong_type(&mut self, path: &Spot<'_>, expected: &str, got: &str) {
        let detail = format!("{path} in body must be of type {expected}: {}", quote(got));
        self.errors.type_invalid(path.field(), got, &detail);
    }

    /// Adds the error `spec.x in body <what>`.
    pub(super) fn invalid(&mut self, path: &Spot<'_>, bad: &Value, what: &str) {
        self.errors.invalid(path.field(), bad, &format!("{path} in body {what}"));
    }

    pub(super) fn invalid_shown(&mut self, path: &Spot<'_>, bad: String, detail: &str) {
        self.errors.invalid(path.field(), Shown(bad), detail);
    }

    /// Adds an error without a field, whose text has the place.
    pub(super) fn general(&mut self, message: &str) {
        let message = format!("Invalid value: \"\": {message}");
        self.errors.push(FieldError { kind: ErrorKind::Invalid, field: String::from("<nil>"), message });
    }
}

/// An error of a part as one of the whole; `path` leads to the part.
pub(super) fn below(path: &Path<'_>, error: FieldError) -> FieldError {
    let field = match error.field.as_str() {
        "" | "<nil>" => path.to_string(),
        field if field.starts_with('[') => format!("{path}{field}"),
        field => path.child(field).to_string(),
    };
    FieldError { field, ..error }
}
