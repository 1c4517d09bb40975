//! Devices of resource.k8s.io: claims for them, classes of them, slices that offer them.

pub mod allocation;
pub mod capacity;
pub mod claim;
pub mod shape;
pub mod slice;

use super::check::{self, present};
use super::volume_source::csi_driver;
use pintle_cel::{Decl, Scope, Type};
use pintle_object::{ByValue, FieldErrors, Path, Seen, Value, content, json, repeats};

/// Limits of upstream's API, which keep objects within etcd's request size.
const POOL_NAME_LEN_MAX: usize = 253;
const ID_LEN_MAX: usize = 32;
const SELECTORS_MAX: usize = 32;
const CONFIGS_MAX: usize = 32;
const REQUESTS_MAX: usize = 32;
const EXPRESSION_LEN_MAX: usize = 10 * 1024;
/// The most that evaluating an expression for one device may cost, by the estimate.
const EXPRESSION_COST_MAX: u64 = 1_000_000;
const PARAMETERS_LEN_MAX: usize = 10 * 1024;
const BINDING_CONDITIONS_MAX: usize = 4;

const EFFECTS: [&str; 3] = ["NoExecute", "NoSchedule", "None"];

const EMPTY_EXPRESSION: &str = "compilation failed: ERROR: <input>:1:0: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";

/// Bounds of a list, besides checks of its items.
#[derive(Clone, Copy, Debug, Default)]
struct Bounds {
    /// More items than this are refused without a look at them.
    len_max: Option<usize>,
    is_set: bool,
}

impl Bounds {
    fn list(len_max: usize) -> Bounds {
        Bounds { len_max: Some(len_max), is_set: false }
    }

    fn set(len_max: usize) -> Bounds {
        Bounds { len_max: Some(len_max), is_set: true }
    }
}

/// Checks each item of a list; of a set, that no two items have one key.
fn list(
    items: &[Value],
    bounds: Bounds,
    key: impl Fn(&Value) -> Value,
    path: &Path<'_>,
    errors: &mut FieldErrors,
    check: impl Fn(&Value, &Path<'_>, &mut FieldErrors),
) {
    if let Some(max) = bounds.len_max.filter(|max| items.len() > *max) {
        errors.too_many(path, items.len(), max);
        return;
    }
    for (index, item) in items.iter().enumerate() {
        check(item, &path.index(index), errors);
    }
    if !bounds.is_set {
        return;
    }
    let keys: Vec<Value> = items.iter().map(key).collect();
    for ((index, key), is_again) in keys.iter().enumerate().zip(repeats(keys.iter().map(ByValue))) {
        if is_again {
            errors.duplicate(&path.index(index), key);
        }
    }
}

fn by_field(field: &'static str) -> impl Fn(&Value) -> Value {
    move |item| Value::from(item.str_at(&[field]))
}

fn by_itself(item: &Value) -> Value {
    item.clone()
}

fn label_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    check::invalid_all(content::dns1123_label(name), name, path, errors);
}

fn qualified_label(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    check::invalid_all(content::label_key(name), name, path, errors);
}

fn label_value(value: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    check::invalid_all(content::label_value(value), value, path, errors);
}

fn driver_name(object: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    csi_driver(object.str_at(&["driver"]), &path.child("driver"), errors);
}

/// Parts with slashes between them, each a subdomain.
fn pool_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if name.is_empty() {
        return errors.required(path, "");
    }
    if name.len() > POOL_NAME_LEN_MAX {
        errors.too_long(path, POOL_NAME_LEN_MAX);
    }
    for part in name.split('/') {
        check::invalid_all(content::dns1123_subdomain(part), part, path, errors);
    }
}

/// `name` or `domain/name`.
fn qualified_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let parts: Vec<&str> = name.split('/').collect();
    match parts[..] {
        [name] => identifier(name, path, errors),
        [domain, name] => {
            if domain.is_empty() {
                errors.invalid(path, "", "the domain must not be empty");
            } else {
                csi_driver(domain, path, errors);
            }
            if name.is_empty() {
                errors.invalid(path, "", "the name must not be empty");
            } else {
                identifier(name, path, errors);
            }
        }
        // Upstream lets names with more slashes pass.
        _ => {}
    }
}

fn identifier(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if name.len() > ID_LEN_MAX {
        errors.too_long(path, ID_LEN_MAX);
    }
    check::invalid_all(content::c_identifier(name), name, path, errors);
}

fn fully_qualified_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    qualified_name(name, path, errors);
    if !name.contains('/') {
        let why = "a fully qualified name must be a domain and a name separated by a slash";
        errors.invalid(path, name, why);
    }
}

/// Expressions that choose devices.
pub fn selectors(object: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.child("selectors");
    let items = object.list_at(&["selectors"]);
    list(items, Bounds::list(SELECTORS_MAX), by_itself, &path, errors, |selector, path, errors| {
        let path = path.child("cel");
        match present(selector, &["cel"]) {
            None => errors.required(&path, ""),
            Some(cel) => expression(cel.str_at(&["expression"]), &path.child("expression"), errors),
        }
    });
}

fn expression(text: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if text.len() > EXPRESSION_LEN_MAX {
        errors.too_long(path, EXPRESSION_LEN_MAX);
    } else if text.trim().is_empty() {
        errors.invalid(path, text, EMPTY_EXPRESSION);
    } else {
        match pintle_cel::compile(text, &Scope::device()) {
            Err(why) => errors.invalid(path, text, &format!("compilation failed: {why}")),
            Ok(Type::Bool | Type::Unknown) if costs_much(text) => {
                errors.forbidden(path, "too complex, exceeds cost limit");
            }
            Ok(Type::Bool | Type::Unknown) => {}
            Ok(other) => {
                let why = format!("must evaluate to bool or the unknown type, not {}", other.runtime_name());
                errors.invalid(path, text, &why);
            }
        }
    }
}

fn costs_much(text: &str) -> bool {
    let compiled = pintle_cel::program(text, &Scope::device(), Some(&Decl::device()));
    compiled.is_ok_and(|compiled| compiled.cost_max > EXPRESSION_COST_MAX)
}

/// Configuration for drivers, of a class.
pub fn class_configs(object: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.child("config");
    let items = object.list_at(&["config"]);
    list(items, Bounds::list(CONFIGS_MAX), by_itself, &path, errors, configuration);
}

fn configuration(config: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.child("opaque");
    match present(config, &["opaque"]) {
        None => errors.required(&path, ""),
        Some(opaque) => {
            driver_name(opaque, &path, errors);
            let parameters = present(opaque, &["parameters"]);
            raw(parameters, PARAMETERS_LEN_MAX, &path.child("parameters"), errors);
        }
    }
}

/// A JSON object that only a driver understands.
fn raw(value: Option<&Value>, len_max: usize, path: &Path<'_>, errors: &mut FieldErrors) {
    let text = value.map(json::to_string).unwrap_or_default();
    if text.is_empty() || text == "null" {
        errors.required(path, "");
    } else if text.len() > len_max {
        errors.too_long(path, len_max);
    } else if !text.starts_with('{') {
        errors.invalid(path, "<value omitted>", "must be a valid JSON object");
    }
}

fn tolerations(object: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.child("tolerations");
    for (index, one) in object.list_at(&["tolerations"]).iter().enumerate() {
        toleration(one, &path.index(index), errors);
    }
}

fn toleration(toleration: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let text = |field: &str| toleration.str_at(&[field]);
    if !text("key").is_empty() {
        qualified_label(text("key"), &path.child("key"), errors);
    }
    let value = text("value");
    match text("operator") {
        "Exists" if !value.is_empty() => {
            errors.invalid(&path.child("value"), value, "must be empty for operator `Exists`");
        }
        "Exists" => {}
        "Equal" => label_value(value, &path.child("value"), errors),
        "" => errors.required(&path.child("operator"), ""),
        other => errors.not_supported(&path.child("operator"), other, &["Equal", "Exists"]),
    }
    let effect = text("effect");
    if !effect.is_empty() && !EFFECTS.contains(&effect) {
        errors.not_supported(&path.child("effect"), effect, &EFFECTS);
    }
}

/// Conditions that must hold before a pod is bound to its devices, and those that mean it never will be.
fn binding_conditions(object: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let (success_path, failure_path) =
        (path.child("bindingConditions"), path.child("bindingFailureConditions"));
    let success = object.list_at(&["bindingConditions"]);
    let failure = object.list_at(&["bindingFailureConditions"]);
    let bounds = Bounds::list(BINDING_CONDITIONS_MAX);
    let name = |item: &Value, path: &Path<'_>, errors: &mut FieldErrors| {
        qualified_label(item.as_str().unwrap_or(""), path, errors);
    };
    list(success, bounds, by_itself, &success_path, errors, name);
    list(failure, bounds, by_itself, &failure_path, errors, name);
    for ((index, one), is_again) in success.iter().enumerate().zip(repeats(success.iter().map(ByValue))) {
        if is_again {
            errors.duplicate(&success_path.index(index), one);
        }
    }
    let in_success: Seen<ByValue<'_>> = success.iter().map(ByValue).collect();
    for ((index, one), is_again) in failure.iter().enumerate().zip(repeats(failure.iter().map(ByValue))) {
        let path = failure_path.index(index);
        if is_again {
            errors.duplicate(&path, one);
        }
        if in_success.contains(&ByValue(one)) {
            errors.invalid(&path, one, "bindingFailureConditions must not overlap with bindingConditions");
        }
    }
    let shown = |field: &str| object.get(field).cloned().unwrap_or_default();
    if success.is_empty() && !failure.is_empty() {
        let why = "bindingConditions are required to use bindingFailureConditions";
        errors.invalid(&success_path, &shown("bindingConditions"), why);
    }
    if failure.is_empty() && !success.is_empty() {
        let why = "bindingFailureConditions are required to use bindingConditions";
        errors.invalid(&failure_path, &shown("bindingFailureConditions"), why);
    }
}

/// A UUID in its one spelling.
fn uid(text: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Err(why) = uuid(text) {
        errors.invalid(path, text, &format!("error validating uid: {why}"));
    } else if text.len() != 36 || text != text.to_lowercase() {
        let why = "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters";
        errors.invalid(path, text, why);
    }
}

/// Checks that a text is a UUID in one of its spellings; the error is in the words of Go's library.
fn uuid(text: &str) -> Result<(), String> {
    const PREFIX: &str = "urn:uuid:";
    let format = || Err(String::from("invalid UUID format"));
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let plain = match text.len() {
        36 => text,
        45 => match text.get(..9) {
            Some(prefix) if prefix.eq_ignore_ascii_case(PREFIX) => text.get(9..).unwrap_or(""),
            prefix => {
                let quoted = pintle_object::field::quote(prefix.unwrap_or(""));
                return Err(format!("invalid urn prefix: {quoted}"));
            }
        },
        38 => match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(inner) => inner,
            None => return Err(String::from("invalid bracketed UUID format")),
        },
        32 if is_hex(text) => return Ok(()),
        32 => return format(),
        len => return Err(format!("invalid UUID length: {len}")),
    };
    let groups: Vec<&str> = plain.split('-').collect();
    let is_uuid =
        groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) && groups.iter().all(|g| is_hex(g));
    if is_uuid { Ok(()) } else { format() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_are_uuids() {
        let cases = [
            ("0f4f6f9a-73e5-4b5d-a5d1-999999999999", ""),
            ("0f4f6f9a73e54b5da5d1999999999999", ""),
            ("{0f4f6f9a-73e5-4b5d-a5d1-999999999999}", ""),
            ("0f4f6f9a-73e5-4b5d-a5d1-999999999999-x", "invalid bracketed UUID format"),
            ("0f4f6f9a-73e5-4b5d-a5d1_999999999999", "invalid UUID format"),
            ("bogus", "invalid UUID length: 5"),
        ];
        for (text, expected) in cases {
            assert_eq!(uuid(text).err().unwrap_or_default(), expected, "{text}");
        }
    }

    #[test]
    fn expressions_may_cost_so_much() {
        let nested = |depth: usize, inner: &str| {
            (0..depth)
                .rev()
                .fold(String::from(inner), |inner, at| format!("device.attributes.exists(a{at}, {inner})"))
        };
        for (text, expected) in [
            (String::from("device.driver.startsWith('x')"), ""),
            (String::from("device.attributes['d'].model.contains('x')"), ""),
            (String::from("device.capacity['d'].memory.compareTo(quantity('1Gi')) > 0"), ""),
            (nested(2, "a0 == a1"), ""),
            (nested(4, "a0 == a1 && a2 == a3"), "Forbidden: too complex, exceeds cost limit"),
        ] {
            let mut errors = FieldErrors::new();
            expression(&text, &Path::root("e"), &mut errors);
            let found = errors.iter().map(|error| error.message.clone()).collect::<String>();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn names_may_have_a_domain() {
        let cases = [("a", 0), ("a.b/c", 0), ("/c", 1), ("a.b/", 1), ("bad name", 1), ("a/b/c", 0)];
        for (name, expected) in cases {
            let mut errors = FieldErrors::new();
            qualified_name(name, &Path::root("f"), &mut errors);
            assert_eq!(errors.len(), expected, "{name}");
        }
    }
}
