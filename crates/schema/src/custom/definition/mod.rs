//! Validation of schemas in a CustomResourceDefinition: upstream's refusals, in upstream's order and words.

mod defaults;
pub(super) mod expressions;
pub mod field_path;
pub mod internal;
mod lists;
mod openapi;
mod root;
mod rules;
mod stored;
mod strictness;
mod structural;
mod structure;

#[cfg(test)]
mod tests;
pub(super) mod visit;

use crate::custom::visit::any;
pub use strictness::Strictness;

use pintle_object::{FieldErrors, Path, Value};

/// All errors of an `openAPIV3Schema`; `path` leads to the field that contains it.
pub fn validate(
    props: &Value,
    has_status: bool,
    strictness: Strictness,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let before = errors.len();
    if has_status {
        root::check(props, path, errors);
    }
    if props.bool_at(&["nullable"]) {
        errors.forbidden(&path.child("openAPIV3Schema.nullable"), "nullable cannot be true at the root");
    }
    let path = path.child("openAPIV3Schema");
    let unfit = strictness.structural.then(|| structure::unfit(props)).flatten();
    let mut is_structural = strictness.structural && unfit.is_none();
    if is_structural {
        let found = errors.len();
        structural::check(props, &path, errors);
        if errors.len() == found {
            defaults::check(props, strictness.pruned_defaults, &path, errors);
        }
        is_structural = errors.len() == found;
    }
    openapi::check(props, strictness, is_structural, &path, errors);
    // A schema without any structure is mostly named by the checks above already.
    if let Some(why) = unfit.filter(|_| errors.len() == before) {
        errors.invalid(&path, "", &why);
    }
}

/// The errors of a schema that is not structural, sorted; `path` leads to the schema.
pub fn structural_errors(props: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    match structure::unfit(props) {
        Some(why) => errors.invalid(path, "", &why),
        None => structural::check(props, path, errors),
    }
}

/// Formats in a schema that are not checked, in no particular order.
pub fn unrecognized_formats(props: &Value) -> Vec<String> {
    let mut found = Vec::new();
    any(props, &mut |props| {
        let (ty, format) = (props.str_at(&["type"]), props.str_at(&["format"]));
        let types: &[&str] = if ty.is_empty() { &[] } else { &[ty] };
        if !format.is_empty() && super::format::supported(types, format).is_empty() {
            found.push(format.to_string());
        }
        false
    });
    found
}

/// Whether a schema has defaults anywhere.
pub fn has_defaults(props: &Value) -> bool {
    any(props, &mut |props| props.get("default").is_some_and(|value| !value.is_null()))
}
