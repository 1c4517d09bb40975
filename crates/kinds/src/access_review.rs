//! SubjectAccessReview and its relatives: validation of questions about access.

use crate::validation::internal::{self, Form, Shape};
use pintle_object::content;
use pintle_object::{FieldErrors, Path, Value};

const SPEC: Path<'static> = Path::root("spec");
const NON_RESOURCE: Shape = &[("Path", "path", Form::Text), ("Verb", "verb", Form::Text)];
const RESOURCE: Path<'static> = SPEC.child("resourceAttributes");

/// Errors of a review. `has_subject` for the kinds that ask about a user, `namespace` for the kind that asks within
/// one; `metadata` is the review's metadata as JSON, which must say nothing.
pub fn validate(
    review: &Value,
    has_subject: bool,
    namespace: Option<&str>,
    metadata: &str,
    errors: &mut FieldErrors,
) {
    let resource = review.at(&["spec", "resourceAttributes"]);
    let path = review.at(&["spec", "nonResourceAttributes"]);
    if resource.is_some() && path.is_some() {
        let why = "cannot be specified in combination with resourceAttributes";
        let shown = internal::shown(path.unwrap_or(&Value::Null), NON_RESOURCE);
        errors.invalid(&SPEC.child("nonResourceAttributes"), shown, why);
    }
    if resource.is_none() && path.is_none() {
        let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        errors.invalid(&RESOURCE, &Value::Null, why);
    }
    let is_nobody =
        review.str_at(&["spec", "user"]).is_empty() && review.list_at(&["spec", "groups"]).is_empty();
    if has_subject && is_nobody {
        errors.invalid(&SPEC.child("user"), "", "at least one of user or group must be specified");
    }
    if let Some(resource) = resource {
        selector(resource, "fieldSelector", false, errors);
        selector(resource, "labelSelector", true, errors);
    }
    validate_metadata(review, namespace, metadata, errors);
    let Some(namespace) = namespace else { return };
    if let Some(resource) = resource.filter(|resource| resource.str_at(&["namespace"]) != namespace) {
        let own = resource.str_at(&["namespace"]);
        errors.invalid(&RESOURCE.child("namespace"), own, "must match metadata.namespace");
    }
    if let Some(path) = path {
        let shown = internal::shown(path, NON_RESOURCE);
        errors.invalid(&SPEC.child("nonResourceAttributes"), shown, "disallowed on this kind of request");
    }
}

/// Checks that the metadata has only fields that the server itself set.
fn validate_metadata(review: &Value, namespace: Option<&str>, shown: &str, errors: &mut FieldErrors) {
    let own = |field: &str| field == "managedFields" || (namespace.is_some() && field == "namespace");
    let says_nothing = review.map_at(&["metadata"]).is_none_or(|metadata| metadata.keys().all(own));
    if says_nothing {
        return;
    }
    let why = if namespace.is_some() { "must be empty except for namespace" } else { "must be empty" };
    let shown = pintle_object::field::Shown(shown.to_string());
    errors.invalid(&Path::root("metadata"), shown, why);
}

fn selector(resource: &Value, name: &'static str, is_label: bool, errors: &mut FieldErrors) {
    let Some(selector) = resource.get(name) else { return };
    let path = RESOURCE.child(name);
    let raw = selector.str_at(&["rawSelector"]);
    let requirements = selector.list_at(&["requirements"]);
    if !raw.is_empty() && !requirements.is_empty() {
        errors.invalid(&path.child("rawSelector"), raw, "may not specified at the same time as requirements");
    }
    if raw.is_empty() && requirements.is_empty() {
        let why = format!("when {path} is specified, requirements or rawSelector is required");
        errors.required(&path.child("requirements"), &why);
    }
    let list = path.child("requirements");
    for (place, requirement) in requirements.iter().enumerate() {
        validate_requirement(requirement, &list.index(place), is_label, errors);
    }
}

/// Operators that are not known are passed over when the question is answered.
fn validate_requirement(requirement: &Value, path: &Path<'_>, is_label: bool, errors: &mut FieldErrors) {
    let key = requirement.str_at(&["key"]);
    if !is_label && key.is_empty() {
        errors.required(&path.child("key"), "must be specified");
    }
    let values = requirement.list_at(&["values"]);
    match requirement.str_at(&["operator"]) {
        "In" | "NotIn" if values.is_empty() => {
            let why = "must be specified when `operator` is 'In' or 'NotIn'";
            errors.required(&path.child("values"), why);
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.forbidden(&path.child("values"), why);
        }
        _ => {}
    }
    if !is_label {
        return;
    }
    for message in content::label_key(key) {
        errors.invalid(&path.child("key"), key, &message);
    }
    let list = path.child("values");
    for (place, value) in values.iter().enumerate() {
        let value = value.as_str().unwrap_or("");
        for message in content::label_value(value) {
            errors.invalid(&list.index(place), value, &message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::json;

    fn check(review: &str, namespace: Option<&str>, expected: &[&str]) {
        let review = json::parse(review.as_bytes()).unwrap();
        let mut errors = FieldErrors::new();
        validate(&review, true, namespace, "{}", &mut errors);
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn a_question_names_a_subject_and_one_thing() {
        check(r#"{"spec":{"user":"u","resourceAttributes":{"verb":"get"}}}"#, None, &[]);
        check(
            "{}",
            None,
            &[
                "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or \
                 resourceAttributes must be specified",
                "spec.user: Invalid value: \"\": at least one of user or group must be specified",
            ],
        );
        check(
            r#"{"spec":{"user":"u","resourceAttributes":{"namespace":"a"}}}"#,
            Some("b"),
            &["spec.resourceAttributes.namespace: Invalid value: \"a\": must match metadata.namespace"],
        );
    }
}
