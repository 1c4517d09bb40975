//! Admission policies and their bindings, with the types of their expressions.

use super::internal::{self, Form, Shape};
use super::{admission_rules, check};
use pintle_cel::{Scope, Type};
use pintle_object::selector::validate_label_selector;
use pintle_object::{FieldErrors, GroupVersion, Path, Seen, Value, content, repeats};

const SPEC: Path<'static> = Path::root("spec");
const NO_ITEMS: &str = "validations or auditAnnotations must contain at least one item";
const ANNOTATIONS_MAX: usize = 20;
const EXPRESSION_BYTES_MAX: usize = 5 * 1024;
const ACTIONS: [&str; 3] = ["Audit", "Deny", "Warn"];
const REASONS: [&str; 3] = ["Forbidden", "Invalid", "RequestEntityTooLarge"];
const PATCH_TYPES: [&str; 2] = ["ApplyConfiguration", "JSONPatch"];
const BLANK: &str = "must be non-empty if specified";

const ANNOTATION: Shape = &[("Key", "key", Form::Text), ("ValueExpression", "valueExpression", Form::Text)];

pub fn validating(object: &Value, errors: &mut FieldErrors) {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let scope = common(spec, scope(spec), errors);
    let (validations, annotations) = (spec.list_at(&["validations"]), spec.list_at(&["auditAnnotations"]));
    if validations.is_empty() && annotations.is_empty() {
        errors.required(&SPEC.child("validations"), NO_ITEMS);
        errors.required(&SPEC.child("auditAnnotations"), NO_ITEMS);
        return;
    }
    let path = SPEC.child("validations");
    for (index, one) in validations.iter().enumerate() {
        validation(one, &scope, &path.index(index), errors);
    }
    audit_annotations(object, spec, &scope, errors);
}

pub fn mutating(object: &Value, errors: &mut FieldErrors) {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let mut scope = common(spec, scope(spec), errors);
    scope.with_objects();
    scope.with_variables();
    if let Some(constraints) = check::present(spec, &["matchConstraints"]) {
        admission_rules::mutable_operations(constraints, &SPEC.child("matchConstraints"), errors);
    }
    let mutations = spec.list_at(&["mutations"]);
    let path = SPEC.child("mutations");
    if mutations.is_empty() {
        errors.required(&path, "mutations must contain at least one item");
    }
    for (index, one) in mutations.iter().enumerate() {
        mutation(one, &scope, &path.index(index), errors);
    }
    if spec.str_at(&["reinvocationPolicy"]).is_empty() {
        errors.required(&SPEC.child("reinvocationPolicy"), "");
    } else {
        admission_rules::one_of(spec, "reinvocationPolicy", &["IfNeeded", "Never"], &SPEC, errors);
    }
}

/// A binding, validating or mutating; only the former has actions for failures.
pub fn binding(object: &Value, has_actions: bool, errors: &mut FieldErrors) {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let policy = spec.str_at(&["policyName"]);
    let path = SPEC.child("policyName");
    if policy.is_empty() {
        errors.required(&path, "");
    } else {
        check::invalid_all(content::dns1123_subdomain(policy), policy, &path, errors);
    }
    if let Some(reference) = check::present(spec, &["paramRef"]) {
        parameters(reference, &SPEC.child("paramRef"), errors);
    }
    if let Some(resources) = check::present(spec, &["matchResources"]) {
        admission_rules::match_resources(resources, &SPEC.child("matchResources"), errors);
        if !has_actions {
            admission_rules::mutable_operations(resources, &SPEC.child("matchResources"), errors);
        }
    }
    if has_actions {
        actions(spec, errors);
    }
}

/// Checks warnings of a controller about types in a policy: each names its field and has a text.
pub fn type_checking(object: &Value, errors: &mut FieldErrors) {
    let path = Path::root("status.typeChecking.expressionWarnings");
    let warnings = object.list_at(&["status", "typeChecking", "expressionWarnings"]);
    for (index, warning) in warnings.iter().enumerate() {
        let path = path.index(index);
        if warning.str_at(&["warning"]).is_empty() {
            errors.required(&path.child("warning"), "");
        }
        if warning.str_at(&["fieldRef"]).trim().is_empty() {
            errors.required(&path.child("fieldRef"), "");
        }
    }
}

/// The names that expressions of a policy may use, but for its own variables.
fn scope(spec: &Value) -> Scope {
    let mut scope = Scope::admission();
    if check::present(spec, &["paramKind"]).is_some() {
        scope.declare("params", Type::Dyn);
    }
    scope
}

/// Checks the parts that all policies have; gives back the scope with their variables.
fn common(spec: &Value, mut scope: Scope, errors: &mut FieldErrors) -> Scope {
    admission_rules::one_of(spec, "failurePolicy", &["Fail", "Ignore"], &SPEC, errors);
    if let Some(kind) = check::present(spec, &["paramKind"]) {
        param_kind(kind, &SPEC.child("paramKind"), errors);
    }
    let path = SPEC.child("matchConstraints");
    match check::present(spec, &["matchConstraints"]) {
        None => errors.required(&path, ""),
        Some(constraints) => {
            admission_rules::match_resources(constraints, &path, errors);
            if constraints.list_at(&["resourceRules"]).is_empty() {
                errors.required(&path.child("resourceRules"), "");
            }
        }
    }
    admission_rules::match_conditions(spec, &scope, &SPEC, errors);
    let path = SPEC.child("variables");
    let variables = spec.list_at(&["variables"]);
    if !variables.is_empty() {
        scope.with_variables();
    }
    for (index, one) in variables.iter().enumerate() {
        variable(one, &mut scope, &path.index(index), errors);
    }
    scope
}

fn param_kind(param: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let version = param.str_at(&["apiVersion"]);
    let version_path = path.child("apiVersion");
    match GroupVersion::parse(version) {
        _ if version.is_empty() => errors.required(&version_path, ""),
        None => {
            let why = format!("unexpected GroupVersion string: {version}");
            errors.invalid(&version_path, version, &why);
        }
        Some(parsed) => {
            let messages = content::dns1123_subdomain(&parsed.group);
            if !parsed.group.is_empty() && !messages.is_empty() {
                errors.invalid(&version_path, parsed.group.as_str(), &messages.join(","));
            }
            let messages = content::dns1035_label(&parsed.version);
            if parsed.version.is_empty() {
                errors.invalid(&version_path, version, "version must be specified");
            } else if !messages.is_empty() {
                errors.invalid(&version_path, parsed.version.as_str(), &messages.join(","));
            }
        }
    }
    let kind = param.str_at(&["kind"]);
    let messages = content::dns1035_label(&kind.to_lowercase());
    if kind.is_empty() {
        errors.required(&path.child("kind"), "");
    } else if !messages.is_empty() {
        let why = format!("may have mixed case, but should otherwise match: {}", messages.join(","));
        errors.invalid(&path.child("kind"), kind, &why);
    }
}

fn variable(variable: &Value, scope: &mut Scope, path: &Path<'_>, errors: &mut FieldErrors) {
    let name = variable.str_at(&["name"]);
    if name.trim().is_empty() {
        errors.required(&path.child("name"), "name is not specified");
    } else if !is_identifier(name) {
        errors.invalid(&path.child("name"), name, "must be a valid CEL identifier");
    }
    if let Some(found) = expression(variable, "expression", (scope, &[]), path, errors) {
        scope.compose(name, &found);
    }
}

fn is_identifier(name: &str) -> bool {
    name.chars()
        .enumerate()
        .all(|(place, c)| c == '_' || c.is_ascii_alphabetic() || (place > 0 && c.is_ascii_digit()))
        && !pintle_cel::is_reserved(name)
}

/// The type of an expression, if there is one.
fn expression(
    object: &Value,
    field: &str,
    (scope, wanted): (&Scope, &[Type]),
    path: &Path<'_>,
    errors: &mut FieldErrors,
) -> Option<Type> {
    let text = object.str_at(&[field]);
    if text.trim().is_empty() {
        errors.required(&path.child(field), &format!("{field} is not specified"));
        return None;
    }
    if field != "valueExpression" {
        return Some(admission_rules::compiled(text, scope, wanted, &path.child(field), errors));
    }
    let trimmed = text.trim();
    if trimmed.len() > EXPRESSION_BYTES_MAX {
        let why = format!("must not exceed {EXPRESSION_BYTES_MAX} bytes in length");
        errors.required(&path.child(field), &why);
        return None;
    }
    let (found, why) = pintle_cel::refusal(trimmed, scope, wanted);
    if let Some(why) = why {
        errors.invalid(&path.child(field), text, &why);
    }
    Some(found)
}

fn validation(validation: &Value, scope: &Scope, path: &Path<'_>, errors: &mut FieldErrors) {
    expression(validation, "expression", (scope, &[Type::Bool]), path, errors);
    let (message, of) = (validation.str_at(&["message"]), validation.str_at(&["messageExpression"]));
    if !of.is_empty() && of.trim().is_empty() {
        errors.invalid(&path.child("messageExpression"), of, BLANK);
    } else if !of.is_empty() {
        let path = path.child("messageExpression");
        admission_rules::compiled(of, &scope.without_authorizer(), &[Type::Text], &path, errors);
    }
    let has_breaks = |text: &str| text.trim().contains(['\n', '\r']);
    if !message.is_empty() && message.trim().is_empty() {
        errors.invalid(&path.child("message"), message, BLANK);
    } else if has_breaks(message) {
        errors.invalid(&path.child("message"), message, "must not contain line breaks");
    }
    admission_rules::one_of(validation, "reason", &REASONS, path, errors);
}

/// Keys of annotations are qualified by the name of the policy.
fn audit_annotations(object: &Value, spec: &Value, scope: &Scope, errors: &mut FieldErrors) {
    let policy = object.str_at(&["metadata", "name"]);
    let list = spec.list_at(&["auditAnnotations"]);
    let path = SPEC.child("auditAnnotations");
    if list.len() > ANNOTATIONS_MAX {
        let shown = internal::shown_list(spec.get("auditAnnotations"), ANNOTATION);
        let why = format!("must not have more than {ANNOTATIONS_MAX} auditAnnotations");
        errors.invalid(&path, shown, &why);
    }
    let mut seen = Seen::new();
    for (index, annotation) in list.iter().enumerate() {
        let path = path.index(index);
        let key = annotation.str_at(&["key"]);
        if policy.is_empty() {
            errors.invalid(&path.child("key"), key, "requires metadata.name be non-empty");
        } else {
            let full = format!("{policy}/{key}");
            check::invalid_all(content::label_key(&full), &full, &path.child("key"), errors);
        }
        let wanted = [Type::Text, Type::Null];
        expression(annotation, "valueExpression", (scope, &wanted), &path, errors);
        if seen.contains(&key) {
            errors.duplicate(&path.child("key"), key);
        }
        seen.push(key);
    }
}

/// Checks that a mutation has the field of its type, and no other.
fn mutation(mutation: &Value, scope: &Scope, path: &Path<'_>, errors: &mut FieldErrors) {
    let kind = mutation.str_at(&["patchType"]);
    let (own, other) = match kind {
        "" => return errors.required(&path.child("patchType"), ""),
        "ApplyConfiguration" => ("applyConfiguration", "jsonPatch"),
        "JSONPatch" => ("jsonPatch", "applyConfiguration"),
        _ => return errors.not_supported(&path.child("patchType"), kind, &PATCH_TYPES),
    };
    match check::present(mutation, &[own]) {
        None => {
            let why = format!("must be specified when patchType is {kind}");
            errors.required(&path.child(own), &why);
        }
        Some(value) => {
            let (text, path) = (value.str_at(&["expression"]).trim(), path.child(own));
            let path = path.child("expression");
            if text.is_empty() {
                errors.required(&path, "");
            } else {
                let object = Type::message(if own == "jsonPatch" { "JSONPatch" } else { "Object" });
                let wanted = if own == "jsonPatch" { Type::list(object) } else { object };
                admission_rules::compiled(text, scope, &[wanted], &path, errors);
            }
        }
    }
    if check::present(mutation, &[other]).is_some() {
        let why = format!("must not be specified when patchType is {kind}");
        errors.invalid(&path.child(other), &format!("{{{other}}}"), &why);
    }
}

fn parameters(reference: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let name = reference.str_at(&["name"]);
    let selector = check::present(reference, &["selector"]);
    match selector {
        Some(_) if !name.is_empty() => {
            for field in ["name", "selector"] {
                errors.forbidden(&path.child(field), "name and selector are mutually exclusive");
            }
        }
        Some(selector) => validate_label_selector(selector, &path.child("selector"), false, errors),
        None if name.is_empty() => errors.required(path, "one of name or selector must be specified"),
        None => check::invalid_all(content::path_segment_name(name), name, &path.child("name"), errors),
    }
    if reference.str_at(&["parameterNotFoundAction"]).is_empty() {
        errors.required(&path.child("parameterNotFoundAction"), "");
    } else {
        admission_rules::one_of(reference, "parameterNotFoundAction", &["Deny", "Allow"], path, errors);
    }
}

fn actions(spec: &Value, errors: &mut FieldErrors) {
    let path = SPEC.child("validationActions");
    let actions: Vec<&str> =
        spec.list_at(&["validationActions"]).iter().map(|action| action.as_str().unwrap_or("")).collect();
    if actions.is_empty() {
        errors.required(&path, "at least one validation action is required");
    }
    for ((index, action), is_again) in actions.iter().enumerate().zip(repeats(&actions)) {
        let path = path.index(index);
        if !ACTIONS.contains(action) {
            errors.not_supported(&path, *action, &ACTIONS);
        }
        if is_again {
            errors.duplicate(&path, *action);
        }
    }
    if actions.contains(&"Deny") && actions.contains(&"Warn") {
        let shown = spec.get("validationActions").unwrap_or(&Value::Null);
        let why = "must not contain both Deny and Warn (repeating the same validation failure information in the \
                   API response and headers serves no purpose)";
        errors.invalid(&path, shown, why);
    }
}
