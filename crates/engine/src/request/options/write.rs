//! Options of create, update and patch.

use super::refusal::{refuse, validate_dry_run};
use pintle_object::field::is_printable;
use pintle_object::{FieldErrors, Path, Query, Status};

/// Longest name of a field manager, in bytes.
const MANAGER_MAX: usize = 128;

/// The treatment of unknown and duplicate fields of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValidation {
    Ignore,
    Warn,
    Strict,
}

/// The patch format of a PATCH's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchKind {
    Json,
    Merge,
    Strategic,
    Apply,
}

/// `CreateOptions`, `UpdateOptions` and `PatchOptions` in one.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    pub dry_run: bool,
    /// As given; empty means that the user agent names the manager.
    pub field_manager: String,
    pub field_validation: FieldValidation,
    /// Whether the query names a field validation, even the default one.
    pub has_field_validation: bool,
    /// Of an apply patch: take fields over from other managers.
    pub force: Option<bool>,
}

impl WriteOptions {
    pub fn create(query: &Query) -> Result<WriteOptions, Status> {
        WriteOptions::read(query, "CreateOptions", FieldErrors::new())
    }

    pub fn update(query: &Query) -> Result<WriteOptions, Status> {
        WriteOptions::read(query, "UpdateOptions", FieldErrors::new())
    }

    pub fn patch(query: &Query, kind: PatchKind) -> Result<WriteOptions, Status> {
        let mut errors = FieldErrors::new();
        if kind == PatchKind::Apply {
            if query.text("fieldManager").is_empty() {
                errors.required(&Path::root("fieldManager"), "is required for apply patch");
            }
        } else if query.first("force").is_some() {
            errors.forbidden(&Path::root("force"), "may not be specified for non-apply patch");
        }
        WriteOptions::read(query, "PatchOptions", errors)
    }

    fn read(query: &Query, kind: &str, mut errors: FieldErrors) -> Result<WriteOptions, Status> {
        let manager = query.text("fieldManager");
        validate_manager(manager, &Path::root("fieldManager"), &mut errors);
        let dry_run: Vec<&str> = query.all("dryRun").collect();
        validate_dry_run(&dry_run, &mut errors);
        let validation = query.text("fieldValidation");
        let field_validation = match validation {
            "Ignore" => FieldValidation::Ignore,
            "Strict" => FieldValidation::Strict,
            "" | "Warn" => FieldValidation::Warn,
            other => {
                let supported = ["", "Ignore", "Strict", "Warn"];
                errors.not_supported(&Path::root("fieldValidation"), other, &supported);
                FieldValidation::Warn
            }
        };
        refuse(kind, errors)?;
        Ok(WriteOptions {
            dry_run: !dry_run.is_empty(),
            field_manager: manager.to_string(),
            field_validation,
            has_field_validation: !validation.is_empty(),
            force: query.flag("force"),
        })
    }
}

/// The name of a field manager is printable and not too long.
pub fn validate_manager(manager: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if manager.len() > MANAGER_MAX {
        errors.too_long(path, MANAGER_MAX);
    }
    for (place, c) in manager.char_indices().filter(|(_, c)| !is_printable(*c)) {
        let shown = format!("U+{:04X}", c as u32);
        errors.invalid(path, manager, &format!("invalid character {shown} (at position {place})"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &[(&str, &str)], expected: &str) {
        let pairs = query.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        let message = WriteOptions::create(&Query::of(pairs)).err().map(|status| status.message);
        assert_eq!(message.as_deref().unwrap_or(""), expected);
    }

    #[test]
    fn bad_options_are_refused_in_upstreams_words() {
        check(&[("dryRun", "All"), ("fieldManager", "me"), ("fieldValidation", "Strict")], "");
        check(
            &[("dryRun", "All"), ("dryRun", "Bad")],
            "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"All\",\"Bad\"]: \
             supported values: \"All\"",
        );
        check(
            &[("fieldManager", "tab\tx")],
            "CreateOptions.meta.k8s.io \"\" is invalid: fieldManager: Invalid value: \"tab\\tx\": \
             invalid character U+0009 (at position 3)",
        );
        check(
            &[("fieldManager", &"m".repeat(129))],
            "CreateOptions.meta.k8s.io \"\" is invalid: fieldManager: Too long: may not be more than 128 bytes",
        );
    }
}
