//! Updates of pods, which change images, deadlines, tolerations, and a little more while the pod is gated.

use super::validate;
use crate::validation::check::present;
use crate::validation::pod_spec;
use crate::validation::{internal_type, meta};
use pintle_object::{ByValue, FieldErrors, Path, Seen, Value, content};

const SPEC: Path<'static> = Path::root("spec");
const CONTAINER_LISTS: [&str; 2] = ["containers", "initContainers"];

const NOTHING_ELSE: &str = "pod updates may not change fields other than `spec.containers[*].image`,\
    `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
    `spec.tolerations` (only additions to existing tolerations),\
    `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// All errors of an update of a pod.
pub fn update(new: &Value, old: &Value, errors: &mut FieldErrors) {
    meta::validate_update_strict(new, old, errors);
    validate::pod(new, errors);
    validate::annotation_update(new, old, errors);
    for list in CONTAINER_LISTS {
        if !same_containers(new, old, list, errors) {
            return;
        }
    }
    if !deadline(new, old, errors) {
        return;
    }
    added_tolerations(new, old, errors);
    deleted_gates(new, old, errors);
    let nothing = Value::map();
    let (new_spec, old_spec) = (new.get("spec").unwrap_or(&nothing), old.get("spec").unwrap_or(&nothing));
    if new_spec == old_spec {
        return;
    }
    let mut rest = with_updatable_fields_of(new_spec, old_spec);
    if !old_spec.list_at(&["schedulingGates"]).is_empty() {
        gated(&mut rest, old_spec, errors);
    }
    if rest != *old_spec {
        let difference = difference(old_spec, &rest);
        errors.forbidden(&SPEC, &format!("{NOTHING_ELSE}\n{difference}"));
    }
}

/// Changes between two specs, as upstream shows them: with the fields of hosts within the security context.
pub fn difference(old: &Value, new: &Value) -> String {
    let internal = |spec: &Value| {
        let mut spec = spec.clone();
        spec.make_map(&["securityContext"]);
        for field in ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers"] {
            if let Some(value) = spec.get(field).cloned() {
                spec.set(&["securityContext", field], value);
            }
        }
        spec
    };
    internal_type::difference(&internal(old), &internal(new), "PodSpec")
}

/// Images may change, but containers neither come nor go; false if they do.
fn same_containers(new: &Value, old: &Value, list: &str, errors: &mut FieldErrors) -> bool {
    let path = SPEC.child(list);
    let containers = new.list_at(&["spec", list]);
    if containers.len() != old.list_at(&["spec", list]).len() {
        errors.forbidden(&path, "pod updates may not add or remove containers");
        return false;
    }
    for (index, container) in containers.iter().enumerate() {
        let image = container.str_at(&["image"]);
        let path = path.index(index);
        if image.is_empty() {
            errors.required(&path.child("image"), "");
        }
        if image.trim() != image {
            errors.invalid(&path.child("image"), image, "must not have leading or trailing whitespace");
        }
    }
    true
}

/// A deadline may be set, or be brought forward; false if nothing else is to be checked.
fn deadline(new: &Value, old: &Value, errors: &mut FieldErrors) -> bool {
    let seconds = |pod: &Value| pod.int_at(&["spec", "activeDeadlineSeconds"]);
    let path = SPEC.child("activeDeadlineSeconds");
    match (seconds(new), seconds(old)) {
        (Some(new), _) if !(0..=i64::from(i32::MAX)).contains(&new) => {
            errors.invalid(&path, new, &content::inclusive_range_error(0, i32::MAX.into()));
            false
        }
        (Some(new), Some(old)) if old < new => {
            errors.invalid(&path, new, "must be less than or equal to previous value");
            false
        }
        (None, Some(_)) => {
            errors.invalid(&path, &Value::Null, "must not update from a positive integer to nil value");
            true
        }
        _ => true,
    }
}

/// Every toleration stays, but for how long it tolerates.
fn added_tolerations(new: &Value, old: &Value, errors: &mut FieldErrors) {
    let path = SPEC.child("tolerations");
    let without_seconds = |toleration: &Value| {
        let mut toleration = toleration.clone();
        toleration.remove(&["tolerationSeconds"]);
        toleration
    };
    let tolerations = new.list_at(&["spec", "tolerations"]);
    let kept: Vec<Value> = tolerations.iter().map(without_seconds).collect();
    let kept: Seen<ByValue<'_>> = kept.iter().map(ByValue).collect();
    let is_kept = |toleration: &Value| kept.contains(&ByValue(&without_seconds(toleration)));
    if !old.list_at(&["spec", "tolerations"]).iter().all(is_kept) {
        let why = "existing toleration can not be modified except its tolerationSeconds";
        return errors.forbidden(&path, why);
    }
    pod_spec::tolerations(tolerations, &path, errors);
}

fn deleted_gates(new: &Value, old: &Value, errors: &mut FieldErrors) {
    let path = SPEC.child("schedulingGates");
    let before = old.list_at(&["spec", "schedulingGates"]).iter();
    let before: Seen<&str> = before.map(|gate| gate.str_at(&["name"])).collect();
    for (index, gate) in new.list_at(&["spec", "schedulingGates"]).iter().enumerate() {
        let name = gate.str_at(&["name"]);
        if !before.contains(&name) {
            let why = format!("only deletion is allowed, but found new scheduling gate '{name}'");
            errors.forbidden(&path.index(index).child("name"), &why);
        }
    }
}

/// The new spec with everything that any pod's update may change as it was.
fn with_updatable_fields_of(new: &Value, old: &Value) -> Value {
    let mut rest = new.clone();
    for list in CONTAINER_LISTS {
        let containers = rest.at_mut(&[list]).and_then(Value::as_list_mut).into_iter().flatten();
        for (container, old) in containers.zip(old.list_at(&[list])) {
            super::keep(container, old, "image");
        }
    }
    for field in ["activeDeadlineSeconds", "schedulingGates", "tolerations"] {
        super::keep(&mut rest, old, field);
    }
    const GRACE: &str = "terminationGracePeriodSeconds";
    if old.int_at(&[GRACE]).is_some_and(|seconds| seconds < 0) && rest.int_at(&[GRACE]) == Some(1) {
        super::keep(&mut rest, old, GRACE);
    }
    rest
}

/// While a pod is gated, its placement can be narrowed; such changes are reverted in `rest` for comparison.
fn gated(rest: &mut Value, old: &Value, errors: &mut FieldErrors) {
    if rest.get("nodeSelector") != old.get("nodeSelector") {
        narrowed_selector(rest, old, errors);
        super::keep(rest, old, "nodeSelector");
    }
    let old_affinity = present(old, &["affinity", "nodeAffinity"]).cloned();
    let affinity = present(rest, &["affinity", "nodeAffinity"]).cloned();
    if affinity == old_affinity {
        return;
    }
    narrowed_affinity(affinity.as_ref(), old_affinity.as_ref(), errors);
    match old_affinity {
        Some(old_affinity) => rest.set(&["affinity", "nodeAffinity"], old_affinity),
        None => drop(rest.remove(&["affinity", "nodeAffinity"])),
    }
    let is_empty = rest.map_at(&["affinity"]).is_some_and(|affinity| affinity.is_empty());
    if is_empty && present(old, &["affinity"]).is_none() {
        rest.remove(&["affinity"]);
    }
}

fn narrowed_selector(new: &Value, old: &Value, errors: &mut FieldErrors) {
    let selector = new.map_at(&["nodeSelector"]);
    let is_kept = |(key, value): (&str, &Value)| selector.and_then(|labels| labels.get(key)) == Some(value);
    if !old.map_at(&["nodeSelector"]).into_iter().flat_map(|labels| labels.iter()).all(is_kept) {
        let shown = new.get("nodeSelector").unwrap_or(&Value::Null);
        let why = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
        errors.invalid(&SPEC.child("nodeSelector"), shown, why);
    }
}

fn narrowed_affinity(new: Option<&Value>, old: Option<&Value>, errors: &mut FieldErrors) {
    const TERMS: [&str; 2] = ["requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"];
    let terms = |affinity: Option<&Value>| affinity.map_or(Vec::new(), |node| node.list_at(&TERMS).to_vec());
    let (new, old) = (terms(new), terms(old));
    let path = SPEC.child("affinity");
    let path = path.child("nodeAffinity");
    let path = path.child(TERMS[0]);
    let path = path.child(TERMS[1]);
    if !old.is_empty() && old.len() != new.len() {
        let why = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        return errors.invalid(&path, internal_type::shown_list(&new, "NodeSelectorTerm"), why);
    }
    for (index, (new, _)) in new.iter().zip(&old).enumerate().filter(|(_, (new, old))| !only_adds(new, old)) {
        let why = "only additions are allowed (no mutations or deletions)";
        errors.invalid(&path.index(index), internal_type::shown(new, "NodeSelectorTerm"), why);
    }
}

/// Whether a term keeps its requirements; one without any selects nothing, and stays so.
fn only_adds(new: &Value, old: &Value) -> bool {
    const LISTS: [&str; 2] = ["matchExpressions", "matchFields"];
    let is_empty = |term: &Value| LISTS.iter().all(|list| term.list_at(&[list]).is_empty());
    if is_empty(old) && !is_empty(new) {
        return false;
    }
    LISTS.iter().all(|list| new.list_at(&[list]).starts_with(old.list_at(&[list])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: &str, new: &str, expected: &[&str]) {
        let parse = |spec: &str| {
            let json = format!(
                r#"{{"metadata":{{"name":"p","namespace":"n","resourceVersion":"1"}},"spec":{{"containers":[{{"name":"c","image":"i","imagePullPolicy":"Always","terminationMessagePolicy":"File"}}],"dnsPolicy":"Default","restartPolicy":"Always"{spec}}}}}"#
            );
            pintle_object::json::parse(json.as_bytes()).expect("test data is JSON")
        };
        let mut errors = FieldErrors::new();
        update(&parse(new), &parse(old), &mut errors);
        let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(shown, expected, "{old} -> {new}");
    }

    #[test]
    fn deadlines_come_forward() {
        check("", r#","activeDeadlineSeconds":5"#, &[]);
        check(r#","activeDeadlineSeconds":5"#, r#","activeDeadlineSeconds":4"#, &[]);
        check(
            r#","activeDeadlineSeconds":5"#,
            r#","activeDeadlineSeconds":6"#,
            &["spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value"],
        );
        check(
            r#","activeDeadlineSeconds":5"#,
            "",
            &[
                "spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value",
            ],
        );
    }

    #[test]
    fn gated_pods_are_narrowed() {
        const GATE: &str = r#","schedulingGates":[{"name":"g"}],"nodeSelector":{"a":"1""#;
        check(&format!("{GATE}}}"), &format!(r#"{GATE},"b":"2"}}"#), &[]);
        check(
            &format!("{GATE}}}"),
            r#","nodeSelector":{"b":"2"}"#,
            &[
                "spec.nodeSelector: Invalid value: {\"b\":\"2\"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)",
            ],
        );
    }

    #[test]
    fn tolerations_stay_and_gates_go() {
        const TOLERATES: &str = r#","tolerations":[{"key":"k","operator":"Exists"}]"#;
        check("", TOLERATES, &[]);
        check(
            TOLERATES,
            "",
            &[
                "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds",
            ],
        );
        check(
            "",
            r#","schedulingGates":[{"name":"late"}]"#,
            &[
                "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'late'",
            ],
        );
    }
}
