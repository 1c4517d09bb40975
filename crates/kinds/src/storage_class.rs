//! StorageClass.

use super::{Context, Strategy, cells};
use crate::validation::{NameRule, check, meta, node_labels};
use pintle_object::{FieldErrors, Path, Seen, Value, content};
use std::collections::BTreeMap;

pub struct StorageClass;

pub(super) const PARAMETERS_MAX: usize = 512;
const PARAMETERS_BYTES_MAX: usize = 256 * 1024;

impl Strategy for StorageClass {
    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, NameRule::Subdomain, errors);
        provisioner(object.str_at(&["provisioner"]), &Path::root("provisioner"), errors);
        parameters(object, false, &Path::root("parameters"), errors);
        reclaim_policy(object, errors);
        binding_mode(object, errors);
        allowed_topologies(object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        self.validate(new, errors);
        meta::validate_update_strict(new, old, errors);
        for field in ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"] {
            check::immutable(new.get(field), old.get(field), &Path::root(field), errors);
        }
    }

    fn warnings(&self, new: &Value, _old: Option<&Value>, out: &mut Vec<String>) {
        let path = Path::root("allowedTopologies");
        for (index, term) in new.list_at(&["allowedTopologies"]).iter().enumerate() {
            let path = path.index(index);
            let path = path.child("matchLabelExpressions");
            for (index, expression) in term.list_at(&["matchLabelExpressions"]).iter().enumerate() {
                if let Some(why) = node_labels::deprecated(expression.str_at(&["key"])) {
                    out.push(format!("{}: {why}", path.index(index).child("key")));
                }
            }
        }
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let is_default =
            ["storageclass.kubernetes.io", "storageclass.beta.kubernetes.io"].iter().any(|group| {
                object.str_at(&["metadata", "annotations", &format!("{group}/is-default-class")]) == "true"
            });
        let name = object.str_at(&["metadata", "name"]);
        vec![
            Value::from(if is_default { format!("{name} (default)") } else { name.to_string() }),
            cells::text(object, &["provisioner"]),
            cells::text_or(object, &["reclaimPolicy"], "Delete"),
            cells::text_or(object, &["volumeBindingMode"], "Immediate"),
            Value::from(object.bool_at(&["allowVolumeExpansion"])),
            cells::age(object, now_seconds),
        ]
    }
}

fn provisioner(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if name.is_empty() {
        errors.required(path, "");
        return;
    }
    // Upstream shows the name as it compares it.
    let name = name.to_lowercase();
    check::invalid_all(content::label_key(&name), &name, path, errors);
}

/// Parameters of a driver: not too many, not too large, none without a name.
pub(super) fn parameters(object: &Value, is_required: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(parameters) = object.map_at(&["parameters"]).filter(|map| !map.is_empty()) else {
        if is_required {
            errors.required(path, "must contain at least one key/value pair");
        }
        return;
    };
    if parameters.len() > PARAMETERS_MAX {
        errors.too_long(path, PARAMETERS_MAX);
        return;
    }
    let mut bytes = 0;
    for (key, value) in parameters.iter() {
        if key.is_empty() {
            errors.invalid(path, key, "field can not be empty.");
        }
        bytes += key.len() + value.as_str().map_or(0, str::len);
    }
    if bytes > PARAMETERS_BYTES_MAX {
        errors.too_long(path, PARAMETERS_BYTES_MAX);
    }
}

fn reclaim_policy(object: &Value, errors: &mut FieldErrors) {
    let policy = object.str_at(&["reclaimPolicy"]);
    if !matches!(policy, "" | "Delete" | "Retain") {
        errors.not_supported(&Path::root("reclaimPolicy"), policy, &["Delete", "Retain"]);
    }
}

fn binding_mode(object: &Value, errors: &mut FieldErrors) {
    let path = Path::root("volumeBindingMode");
    match check::present(object, &["volumeBindingMode"]).and_then(Value::as_str) {
        None => errors.required(&path, ""),
        Some("Immediate" | "WaitForFirstConsumer") => {}
        Some(other) => errors.not_supported(&path, other, &["Immediate", "WaitForFirstConsumer"]),
    }
}

/// Each term has keys that it names once, with values that it names once; no two terms are the same.
fn allowed_topologies(object: &Value, errors: &mut FieldErrors) {
    let path = Path::root("allowedTopologies");
    let terms = object.list_at(&["allowedTopologies"]);
    // Upstream starts with as many empty terms as there are terms, so that an empty one repeats each of them.
    let mut seen: BTreeMap<Vec<(String, Vec<String>)>, usize> = BTreeMap::new();
    seen.insert(Vec::new(), terms.len());
    for (index, term) in terms.iter().enumerate() {
        let path = path.index(index);
        let term = topology_term(term, &path, errors);
        let times = seen.entry(term).or_default();
        for _ in 0..*times {
            if errors.is_full() {
                break;
            }
            errors.duplicate(&path.child("matchLabelExpressions"), "");
        }
        *times += 1;
    }
}

fn topology_term(term: &Value, path: &Path<'_>, errors: &mut FieldErrors) -> Vec<(String, Vec<String>)> {
    let path = path.child("matchLabelExpressions");
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let mut keys = Seen::new();
    for (index, expression) in term.list_at(&["matchLabelExpressions"]).iter().enumerate() {
        let path = path.index(index);
        let key = expression.str_at(&["key"]);
        let values = topology_values(expression, &path, errors);
        check::invalid_all(content::label_key(key), key, &path.child("key"), errors);
        if keys.again(key) {
            errors.duplicate(&path.child("key"), key);
        }
        found.push((key.to_string(), values));
    }
    found.sort();
    found
}

fn topology_values(expression: &Value, path: &Path<'_>, errors: &mut FieldErrors) -> Vec<String> {
    let path = path.child("values");
    let mut values: Vec<String> = Vec::new();
    let mut seen = Seen::new();
    for (index, value) in expression.list_at(&["values"]).iter().filter_map(Value::as_str).enumerate() {
        if seen.again(value) {
            errors.duplicate(&path.index(index), value);
        }
        values.push(value.to_string());
    }
    if values.is_empty() {
        errors.required(&path, "");
    }
    values.sort();
    values
}
