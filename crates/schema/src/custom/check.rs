//! A value against a schema, in the order and the words of upstream's validator of JSON schemas.

use super::format;
use super::spot::Spot;
use super::verdict::Verdict;
use crate::custom::node::{Additional, Node};
use pintle_object::{ByValue, Map, Value, json, repeats};

/// The largest whole number that JSON readers agree about: 2^53 - 1.
const WHOLE_MAX: f64 = 9_007_199_254_740_991.0;

pub(super) fn check(node: &Node, path: &Spot<'_>, value: &Value) -> Verdict {
    check_value(node, path, value, None)
}

/// Like `check`, but errors in parts that are unchanged since `old` are allowed.
pub(super) fn check_update(node: &Node, path: &Spot<'_>, value: &Value, old: Option<&Value>) -> Verdict {
    let verdict = check_value(node, path, value, old);
    if !verdict.is_valid() && old == Some(value) {
        return Verdict { count: verdict.count, ..Verdict::default() };
    }
    verdict
}

fn check_value(node: &Node, path: &Spot<'_>, value: &Value, old: Option<&Value>) -> Verdict {
    let mut verdict = Verdict::default();
    if value.is_null() {
        verdict.merge(check_type(node, path, value));
        verdict.merge(check_enum(node, path, value));
        return verdict;
    }
    let mut run = |found: Verdict| {
        verdict.merge(found);
        verdict.count += 1;
    };
    if !node.types.is_empty() || !node.format.is_empty() {
        run(check_type(node, path, value));
    }
    run(check_combinations(node, path, value, old));
    match value {
        Value::Text(text) => {
            run(check_text(node, path, text, value));
            if !node.format.is_empty() {
                run(check_format(node, path, text));
            }
        }
        Value::Int(_) | Value::Float(_) => run(check_number(node, path, value)),
        Value::List(items) => run(check_items(node, path, items, old)),
        Value::Null | Value::Bool(_) | Value::Map(_) | Value::Raw(_) => {}
    }
    run(check_enum(node, path, value));
    if let Value::Map(map) = value {
        run(check_object(node, path, map, old));
    }
    verdict.count += 1;
    verdict
}

fn check_type(node: &Node, path: &Spot<'_>, value: &Value) -> Verdict {
    let mut verdict = Verdict::default();
    let (ty, own_format) = type_of(value);
    let allows = |ty: &str| node.types.contains(&ty);
    let expected = node.types.join(",");
    if value.is_null() {
        if node.types.is_empty() || node.nullable {
            verdict.count = 1;
        } else {
            verdict.wrong_type(path, &expected, "null");
        }
        return verdict;
    }
    let is_whole = matches!(value, Value::Float(float) if float.fract() == 0.0 && float.abs() <= WHOLE_MAX)
        && allows("integer");
    let is_number = ty == "integer" && allows("number");
    let is_sequence = matches!(value, Value::Text(_) | Value::List(_));
    if !node.format.is_empty() {
        let fits = allows(ty) || own_format == node.format || is_whole || is_number;
        if !is_sequence && !fits {
            verdict.wrong_type(path, &node.format, own_format);
            return verdict;
        }
        if is_sequence && !allows("number") && !allows("integer") {
            verdict.count = 1;
            return verdict;
        }
    }
    if allows(ty) || is_whole || is_number {
        verdict.count = 1;
    } else {
        verdict.wrong_type(path, &expected, ty);
    }
    verdict
}

/// The JSON type of a value, and the format of Go's type for it.
fn type_of(value: &Value) -> (&'static str, &'static str) {
    match value {
        Value::Null => ("null", ""),
        Value::Bool(_) => ("boolean", ""),
        Value::Int(_) => ("integer", "int64"),
        Value::Float(_) => ("number", "float64"),
        Value::Text(_) => ("string", ""),
        Value::List(_) => ("array", ""),
        Value::Map(_) | Value::Raw(_) => ("object", ""),
    }
}

/// `anyOf`, `oneOf`, `allOf` and `not`.
fn check_combinations(node: &Node, path: &Spot<'_>, value: &Value, old: Option<&Value>) -> Verdict {
    let mut verdict = Verdict { count: 1, ..Verdict::default() };
    if !node.any_of.is_empty() {
        let (valid, shown) = alternatives(&node.any_of, path, value, old, true);
        if valid == 0 {
            verdict.general(&format!("\"{path}\" must validate at least one schema (anyOf)"));
        }
        verdict.merge(shown);
    }
    if !node.one_of.is_empty() {
        let (valid, shown) = alternatives(&node.one_of, path, value, old, false);
        if valid != 1 {
            let found = if valid == 0 {
                String::from("Found none valid")
            } else {
                format!("Found {valid} valid alternatives")
            };
            verdict.general(&format!("\"{path}\" must validate one and only one schema (oneOf). {found}"));
        }
        if valid < 2 {
            verdict.merge(shown);
        }
    }
    check_all(node, path, value, old, &mut verdict);
    if node.not.as_ref().is_some_and(|not| check_value(not, path, value, old).is_valid()) {
        verdict.general(&format!("\"{path}\" must not validate the schema (not)"));
    }
    verdict
}

/// The number of valid alternatives, and the outcome to show: the first valid one, or the best of the failures.
fn alternatives(
    nodes: &[Node],
    path: &Spot<'_>,
    value: &Value,
    old: Option<&Value>,
    stop_at_first: bool,
) -> (usize, Verdict) {
    let (mut valid, mut shown): (usize, Option<Verdict>) = (0, None);
    for node in nodes {
        let verdict = check_value(node, path, value, old);
        if verdict.is_valid() {
            valid += 1;
            if valid == 1 {
                shown = Some(verdict);
            }
            if stop_at_first {
                break;
            }
        } else if valid == 0 && shown.as_ref().is_none_or(|best| verdict.count > best.count) {
            shown = Some(verdict);
        }
    }
    (valid, shown.unwrap_or_default())
}

fn check_all(node: &Node, path: &Spot<'_>, value: &Value, old: Option<&Value>, verdict: &mut Verdict) {
    let mut valid = 0;
    for node in &node.all_of {
        let found = check_value(node, path, value, old);
        valid += usize::from(found.is_valid());
        verdict.merge(found);
    }
    if valid < node.all_of.len() {
        let none = if valid == 0 { ". None validated" } else { "" };
        verdict.general(&format!("\"{path}\" must validate all the schemas (allOf){none}"));
    }
}

fn check_text(node: &Node, path: &Spot<'_>, text: &str, value: &Value) -> Verdict {
    let mut verdict = Verdict::default();
    let len = text.chars().count() as i64;
    if let Some(max) = node.length_max.filter(|max| len > *max) {
        verdict.errors.too_long(path.field(), usize::try_from(max).unwrap_or(0));
    } else if let Some(min) = node.length_min.filter(|min| len < *min) {
        verdict.invalid(path, value, &format!("should be at least {min} chars long"));
    } else if let Some(pattern) = node.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
        verdict.invalid(path, value, &format!("should match '{}'", pattern.source()));
    }
    verdict
}

fn check_format(node: &Node, path: &Spot<'_>, text: &str) -> Verdict {
    let mut verdict = Verdict::default();
    if !format::matches(&node.format, node.format_pattern.as_ref(), text) {
        verdict.wrong_type(path, &node.format, text);
    }
    verdict
}

fn check_number(node: &Node, path: &Spot<'_>, value: &Value) -> Verdict {
    let mut verdict = Verdict { count: 1, ..Verdict::default() };
    let number = as_f64(value);
    if !fits(node, value) {
        verdict.general(&range_message(node, "Checked", path));
    }
    if let Some(factor) = node.multiple_of {
        check_multiple(node, path, value, factor, &mut verdict);
    }
    if let Some(min) = node.minimum {
        let bound = bound(node, value, min, "Minimum boundary", path, &mut verdict);
        let than = if node.minimum_is_exclusive { "" } else { " or equal to" };
        if number < bound || (node.minimum_is_exclusive && number == bound) {
            verdict.invalid(path, value, &format!("should be greater than{than} {}", shown(bound)));
        }
    }
    if let Some(max) = node.maximum {
        let bound = bound(node, value, max, "Maximum boundary", path, &mut verdict);
        let than = if node.maximum_is_exclusive { "" } else { " or equal to" };
        if number > bound || (node.maximum_is_exclusive && number == bound) {
            verdict.invalid(path, value, &format!("should be less than{than} {}", shown(bound)));
        }
    }
    verdict
}

/// The number of a constraint: for integers its whole part, if it fits the type.
fn bound(node: &Node, value: &Value, limit: f64, what: &str, path: &Spot<'_>, verdict: &mut Verdict) -> f64 {
    if !fits(node, &Value::Float(limit)) {
        verdict.general(&range_message(node, what, path));
        return limit;
    }
    if matches!(value, Value::Int(_)) { limit.trunc() } else { limit }
}

fn check_multiple(node: &Node, path: &Spot<'_>, value: &Value, factor: f64, verdict: &mut Verdict) {
    let factor = bound(node, value, factor, "MultipleOf", path, verdict);
    if factor <= 0.0 {
        let detail = format!("factor MultipleOf declared for {path} must be positive: {}", shown(factor));
        verdict.invalid_shown(path, shown(factor), &detail);
        return;
    }
    let times = if factor < 1.0 { 1.0 / factor * as_f64(value) } else { as_f64(value) / factor };
    if (times - times.round()).abs() > f64::EPSILON * times.abs().max(1.0) {
        verdict.invalid(path, value, &format!("should be a multiple of {}", shown(factor)));
    }
}

fn as_f64(value: &Value) -> f64 {
    match value {
        Value::Int(int) => *int as f64,
        Value::Float(float) => *float,
        _ => 0.0,
    }
}

fn shown(number: f64) -> String {
    let mut out = Vec::new();
    json::write_float(&mut out, number);
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether a number can be one of the schema's type and format at all.
fn fits(node: &Node, value: &Value) -> bool {
    let is_whole = match value {
        Value::Float(float) => float.fract() == 0.0 && float.abs() < i64::MAX as f64,
        _ => true,
    };
    match (node.types.as_slice(), node.format.as_str()) {
        (["integer"], "int32") => is_whole && as_f64(value).abs() <= -f64::from(i32::MIN) && is_int32(value),
        (["integer"], _) => is_whole,
        (["number"], "float") => as_f64(value).abs() <= f64::from(f32::MAX),
        _ => true,
    }
}

fn is_int32(value: &Value) -> bool {
    (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&as_f64(value))
}

fn range_message(node: &Node, what: &str, path: &Spot<'_>) -> String {
    let ty = node.types.first().copied().unwrap_or("");
    if node.format.is_empty() {
        return format!("{what} value must be of type {ty} (default format) in {path}");
    }
    format!("{what} value must be of type {ty} with format {} in {path}", node.format)
}

fn check_items(node: &Node, path: &Spot<'_>, items: &[Value], old: Option<&Value>) -> Verdict {
    let mut verdict = Verdict { count: 1, ..Verdict::default() };
    if let Some(below) = &node.items {
        let former = node.former(old);
        for (index, item) in items.iter().enumerate() {
            // No further error is reported, and finding each may be expensive.
            if verdict.errors.is_full() {
                break;
            }
            verdict.merge(check_update(below, &path.index(index), item, former.get(item)));
        }
    }
    let size = items.len() as i64;
    if let Some(min) = node.items_min.filter(|min| size < *min) {
        verdict.invalid(path, &Value::Int(size), &format!("should have at least {min} items"));
    }
    if let Some(max) = node.items_max.filter(|max| size > *max) {
        verdict.errors.too_many(path.field(), items.len(), usize::try_from(max).unwrap_or(0));
    }
    if node.unique && repeats(items.iter().map(ByValue)).contains(&true) {
        verdict.invalid(path, &Value::from(""), "shouldn't contain duplicates");
    }
    verdict
}

fn check_enum(node: &Node, path: &Spot<'_>, value: &Value) -> Verdict {
    let mut verdict = Verdict::default();
    // A null among the values allows nothing: it has no type to compare by.
    let is_equal = |allowed: &Value| match (allowed, value) {
        (Value::Null, _) => false,
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => {
            as_f64(allowed) == as_f64(value)
        }
        _ => allowed == value,
    };
    if node.one_of_values.is_empty() || node.one_of_values.iter().any(is_equal) {
        return verdict;
    }
    let texts: Vec<String> = node
        .one_of_values
        .iter()
        .map(|allowed| allowed.as_str().map_or_else(|| json::to_string(allowed), String::from))
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    verdict.errors.not_supported(path.field(), value, &texts);
    verdict
}

fn check_object(node: &Node, path: &Spot<'_>, map: &Map, old: Option<&Value>) -> Verdict {
    let mut verdict = Verdict::default();
    let old = old.filter(|_| !node.map_is_atomic);
    let size = map.len() as i64;
    if let Some(min) = node.properties_min.filter(|min| size < *min) {
        verdict.invalid(path, &Value::Int(size), &format!("should have at least {min} properties"));
    }
    if let Some(max) = node.properties_max.filter(|max| size > *max) {
        verdict.errors.too_many(path.field(), map.len(), usize::try_from(max).unwrap_or(0));
    }
    for (key, value) in map.iter().filter(|(key, _)| node.property(key).is_none()) {
        if verdict.errors.is_full() {
            break;
        }
        match &node.additional {
            Additional::Schema(below) => {
                let old = old.and_then(|old| old.get(key));
                verdict.merge(check_update(below, &path.additional(key), value, old));
            }
            Additional::Forbidden => {
                let path = path.additional(key);
                let detail = format!("{path} in body is a forbidden property");
                verdict.invalid_shown(&path, String::from("\"\""), &detail);
            }
            Additional::Unsaid | Additional::Allowed => {}
        }
    }
    for (name, below) in &node.properties {
        if let Some(value) = map.get(name) {
            let is_type = path.is_whole() && matches!(name.as_str(), "kind" | "apiVersion");
            let old = old.filter(|_| !is_type).and_then(|old| old.get(name));
            verdict.merge(check_update(below, &path.property(name), value, old));
        }
    }
    for name in node.required.iter().filter(|name| !map.contains(name)) {
        verdict.errors.required(path.additional(name).field(), "");
    }
    verdict
}
