//! Taints of nodes, and the former annotations for them.

use super::check::{invalid_all, present};
use super::internal_type;
use pintle_object::field::ErrorKind;
use pintle_object::{FieldError, FieldErrors, Map, Path, Seen, Value, content, json};

const ANNOTATIONS: Path<'static> = Path::root("metadata.annotations");
const TAINTS: &str = "scheduler.alpha.kubernetes.io/taints";
const AVOID_PODS: &str = "scheduler.alpha.kubernetes.io/preferAvoidPods";

/// Errors of the annotations of a node that nothing reads any more, but that must still be readable.
pub fn annotations(annotations: Option<&Map>, errors: &mut FieldErrors) {
    let text = |key: &str| annotations.and_then(|map| map.get(key)).and_then(Value::as_str).unwrap_or("");
    match read(text(TAINTS), "[]core.Taint", |value| matches!(value, Value::List(_))) {
        Ok(list) => {
            taints(list.as_list().unwrap_or(&[]), &ANNOTATIONS.child(TAINTS), errors);
        }
        Err(why) => errors.invalid(&ANNOTATIONS, TAINTS, &why),
    }
    match read(text(AVOID_PODS), "v1.AvoidPods", |value| matches!(value, Value::Map(_))) {
        Ok(avoid) => entries(avoid.list_at(&["preferAvoidPods"]), errors),
        Err(why) => errors.invalid(&ANNOTATIONS.child("AvoidPods"), AVOID_PODS, &why),
    }
}

/// An annotation as JSON; null when it is empty.
fn read(text: &str, ty: &str, fits: impl Fn(&Value) -> bool) -> Result<Value, String> {
    if text.is_empty() {
        return Ok(Value::Null);
    }
    let value = json::parse(text.as_bytes()).map_err(|error| error.message)?;
    let word = match &value {
        Value::Null => return Ok(value),
        fitting if fits(fitting) => return Ok(value),
        Value::Map(_) => "object",
        Value::List(_) => "array",
        Value::Text(_) => "string",
        Value::Bool(_) => "bool",
        Value::Int(_) | Value::Float(_) | Value::Raw(_) => "number",
    };
    Err(format!("json: cannot unmarshal {word} into Go value of type {ty}"))
}

fn entries(list: &[Value], errors: &mut FieldErrors) {
    let path = ANNOTATIONS.child(AVOID_PODS);
    for (index, entry) in list.iter().enumerate() {
        let path = path.index(index);
        let path = path.child("PodSignature");
        let Some(owner) = present(entry, &["podSignature", "podController"]) else {
            errors.required(&path, "");
            continue;
        };
        if !owner.bool_at(&["controller"]) {
            let path = path.child("PodController");
            errors.invalid(&path.child("Controller"), false, "must point to a controller");
        }
    }
}

/// Errors of taints at a path.
pub fn taints(list: &[Value], path: &Path<'_>, errors: &mut FieldErrors) {
    let mut seen = Seen::new();
    for (index, taint) in list.iter().enumerate() {
        let path = path.index(index);
        let (key, value, effect) =
            (taint.str_at(&["key"]), taint.str_at(&["value"]), taint.str_at(&["effect"]));
        invalid_all(content::label_key(key), key, &path.child("key"), errors);
        let messages = content::label_value(value);
        if !messages.is_empty() {
            errors.invalid(&path.child("value"), value, &messages.join(";"));
        }
        match effect {
            "" => errors.required(&path.child("effect"), ""),
            "NoSchedule" | "PreferNoSchedule" | "NoExecute" => {}
            other => {
                let words = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
                errors.not_supported(&path.child("effect"), other, &words);
            }
        }
        if seen.again((key, effect)) {
            let shown = internal_type::shown(taint, "Taint").0;
            errors.push(FieldError {
                kind: ErrorKind::Duplicate,
                field: path.to_string(),
                message: format!("Duplicate value: {shown}: taints must be unique by key and effect pair"),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &str, text: &str, expected: &[&str]) {
        let mut errors = FieldErrors::new();
        annotations(Some(&Map::from_iter([(key, Value::from(text))])), &mut errors);
        let found: Vec<String> = errors.iter().map(FieldError::to_string).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn annotations_of_old_must_be_readable() {
        let taints = "metadata.annotations: Invalid value: \"scheduler.alpha.kubernetes.io/taints\": ";
        check(TAINTS, "", &[]);
        check(TAINTS, r#"[{"key":"a","effect":"NoSchedule"}]"#, &[]);
        check(TAINTS, "x", &[&format!("{taints}invalid character 'x' looking for beginning of value")]);
        check(
            TAINTS,
            "{}",
            &[&format!("{taints}json: cannot unmarshal object into Go value of type []core.Taint")],
        );
        check(
            TAINTS,
            r#"[{"key":"a"}]"#,
            &["metadata.annotations.scheduler.alpha.kubernetes.io/taints[0].effect: Required value"],
        );
        check(
            AVOID_PODS,
            r#"{"preferAvoidPods":[{}]}"#,
            &[
                "metadata.annotations.scheduler.alpha.kubernetes.io/preferAvoidPods[0].PodSignature: Required value",
            ],
        );
    }
}
