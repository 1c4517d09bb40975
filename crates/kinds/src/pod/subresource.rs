//! Updates of pods through `ephemeralcontainers` and `resize`.

use super::{qos, validate};
use crate::validation::check::present;
use crate::validation::{internal_type, meta};
use crate::{keep, keep_metadata};
use pintle_object::field::quote;
use pintle_object::{FieldErrors, Path, Value};

const SPEC: Path<'static> = Path::root("spec");
const LISTS: [&str; 2] = ["initContainers", "containers"];

/// Through `ephemeralcontainers` nothing changes but these.
pub fn keep_but_ephemeral_containers(new: &mut Value, old: &Value) {
    let containers = new.remove(&["spec", "ephemeralContainers"]);
    keep(new, old, "spec");
    keep(new, old, "status");
    keep_metadata(new, old);
    match containers {
        Some(containers) => new.set(&["spec", "ephemeralContainers"], containers),
        None => drop(new.remove(&["spec", "ephemeralContainers"])),
    }
}

/// Ephemeral containers are added, and then stay as they are.
pub fn ephemeral_containers(new: &Value, old: &Value, errors: &mut FieldErrors) {
    meta::validate_update_strict(new, old, errors);
    validate::pod(new, errors);
    validate::annotation_update(new, old, errors);
    if is_mirror(old) {
        *errors = FieldErrors::new();
        return errors.forbidden(&Path::root(""), "static pods do not support ephemeral containers");
    }
    let path = SPEC.child("ephemeralContainers");
    let containers = new.list_at(&["spec", "ephemeralContainers"]);
    for old in old.list_at(&["spec", "ephemeralContainers"]) {
        let name = old.str_at(&["name"]);
        match containers.iter().rfind(|new| new.str_at(&["name"]) == name) {
            None => {
                let why = format!("existing ephemeral containers {} may not be removed\n", quote(name));
                errors.forbidden(&path, &why);
            }
            Some(new) if new != old => {
                let difference = internal_type::difference(old, new, "EphemeralContainer");
                let name = quote(name);
                let why = format!("existing ephemeral containers {name} may not be changed\n{difference}");
                errors.forbidden(&path, &why);
            }
            Some(_) => {}
        }
    }
}

/// Through `resize` nothing changes but the resources and resize policies of containers. Where containers come, go
/// or are renamed, everything stays for validation to refuse.
pub fn keep_but_resources(new: &mut Value, old: &Value) {
    let count = |pod: &Value, list: &str| pod.list_at(&["spec", list]).len();
    if LISTS.iter().any(|list| count(new, list) != count(old, list)) {
        return;
    }
    let wished = new.get("spec").cloned().unwrap_or_default();
    keep(new, old, "status");
    keep_metadata(new, old);
    let mut spec = old.get("spec").cloned().unwrap_or_default();
    for list in LISTS {
        match resized(old.list_at(&["spec", list]), wished.list_at(&[list])) {
            Some(containers) if containers.is_empty() => drop(spec.remove(&[list])),
            Some(containers) => spec.set(&[list], containers),
            None => keep(&mut spec, &wished, list),
        }
    }
    keep(&mut spec, &wished, "resources");
    new.set(&["spec"], spec);
}

/// The old containers with the new resources; `None` if their names differ.
fn resized(old: &[Value], new: &[Value]) -> Option<Vec<Value>> {
    let resize = |(old, new): (&Value, &Value)| {
        let mut container = old.clone();
        keep(&mut container, new, "resources");
        keep(&mut container, new, "resizePolicy");
        (old.str_at(&["name"]) == new.str_at(&["name"])).then_some(container)
    };
    old.iter().zip(new).map(resize).collect()
}

/// All errors of a resize.
pub fn resize(new: &Value, old: &Value, errors: &mut FieldErrors) {
    meta::validate_update_strict(new, old, errors);
    validate::pod(new, errors);
    let refusal = match old.str_at(&["spec", "os", "name"]) {
        _ if is_mirror(old) => Some("static pods cannot be resized"),
        "windows" => Some("windows pods cannot be resized"),
        _ => None,
    };
    if let Some(why) = refusal {
        *errors = FieldErrors::new();
        return errors.forbidden(&Path::root(""), why);
    }
    let class = match old.str_at(&["status", "qosClass"]) {
        "" => qos::class(old),
        class => class,
    };
    if class != qos::class(new) {
        let why = "Pod QOS Class may not change as a result of resizing";
        errors.invalid(&SPEC, new.str_at(&["status", "qosClass"]), why);
    }
    if !is_supported(old) {
        errors.forbidden(&SPEC, "Pod running on node without support for resize");
    }
    let before = errors.len();
    ordering(new, old, errors);
    if errors.len() > before {
        return;
    }
    none_removed(new.at(&["spec", "resources"]), old.at(&["spec", "resources"]), &SPEC, errors);
    for list in LISTS {
        removals(new, old, list, errors);
    }
    only_compute(new, old, errors);
}

fn is_mirror(pod: &Value) -> bool {
    pod.at(&["metadata", "annotations", validate::MIRROR]).is_some()
}

/// Whether the node can resize: it says so by the resources of a running container.
fn is_supported(pod: &Value) -> bool {
    let statuses = pod.list_at(&["status", "containerStatuses"]);
    let running = statuses.iter().find(|status| present(status, &["state", "running"]).is_some());
    running.is_none_or(|status| present(status, &["resources"]).is_some())
}

fn ordering(new: &Value, old: &Value, errors: &mut FieldErrors) {
    for list in ["containers", "initContainers"] {
        let path = SPEC.child(list);
        let (new, old) = (new.list_at(&["spec", list]), old.list_at(&["spec", list]));
        if new.len() != old.len() {
            errors.forbidden(&path, &format!("{list} may not be added or removed on resize"));
            continue;
        }
        for (index, (new, old)) in new.iter().zip(old).enumerate() {
            if new.str_at(&["name"]) != old.str_at(&["name"]) {
                let why = format!("{list} may not be renamed or reordered on resize");
                errors.forbidden(&path.index(index).child("name"), &why);
            }
        }
    }
}

fn is_sidecar(container: &Value) -> bool {
    container.str_at(&["restartPolicy"]) == "Always"
}

/// Requests and limits change, but never go.
fn removals(new: &Value, old: &Value, list: &str, errors: &mut FieldErrors) {
    let path = SPEC.child(list);
    let pairs = new.list_at(&["spec", list]).iter().zip(old.list_at(&["spec", list]));
    for (index, (new, old)) in pairs.enumerate() {
        if list == "containers" || is_sidecar(old) {
            none_removed(new.get("resources"), old.get("resources"), &path.index(index), errors);
        }
    }
}

fn none_removed(new: Option<&Value>, old: Option<&Value>, owner: &Path<'_>, errors: &mut FieldErrors) {
    let path = owner.child("resources");
    for field in ["requests", "limits"] {
        let names = old.and_then(|old| old.map_at(&[field])).into_iter().flat_map(|map| map.keys());
        let has = |name: &str| new.is_some_and(|new| new.at(&[field, name]).is_some());
        if !names.into_iter().all(has) {
            errors.forbidden(&path.child(field), &format!("resource {field} cannot be removed"));
        }
    }
}

/// Processors and memory change in containers and sidecars, and nothing else.
fn only_compute(new: &Value, old: &Value, errors: &mut FieldErrors) {
    for (new, old) in new.list_at(&["spec", "containers"]).iter().zip(old.list_at(&["spec", "containers"])) {
        if without_compute_changes(new, old) != *old {
            errors.forbidden(&SPEC, "only cpu and memory resources are mutable");
        }
    }
    const INIT: [&str; 2] = ["spec", "initContainers"];
    for (new, old) in new.list_at(&INIT).iter().zip(old.list_at(&INIT)) {
        if is_sidecar(new) && without_compute_changes(new, old) != *old {
            errors.forbidden(&SPEC, "only cpu and memory resources for sidecar containers are mutable");
        } else if !is_sidecar(new) && new != old {
            errors.forbidden(&SPEC, "resources for non-sidecar init containers are immutable");
        }
    }
}

/// A container with the processors and memory that it had. A list that it did not have is left out whole.
fn without_compute_changes(new: &Value, old: &Value) -> Value {
    let mut container = new.clone();
    container.make_map(&["resources"]).remove("claims");
    for field in ["requests", "limits"] {
        let Some(before) = old.map_at(&["resources", field]) else {
            container.remove(&["resources", field]);
            continue;
        };
        let amounts = container.make_map(&["resources", field]);
        for resource in ["cpu", "memory"] {
            match before.get(resource) {
                Some(amount) => drop(amounts.insert(resource, amount.clone())),
                None => drop(amounts.remove(resource)),
            }
        }
    }
    container
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: &str, new: &str, expected: &[&str]) {
        let parse = |resources: &str| {
            let json = format!(
                r#"{{"metadata":{{"name":"p","namespace":"n","resourceVersion":"1"}},"spec":{{"containers":[{{"name":"c","image":"i","imagePullPolicy":"Always","terminationMessagePolicy":"File","resources":{resources}}}],"dnsPolicy":"Default","restartPolicy":"Always"}},"status":{{"qosClass":"Burstable"}}}}"#
            );
            pintle_object::json::parse(json.as_bytes()).expect("test data is JSON")
        };
        let mut errors = FieldErrors::new();
        resize(&parse(new), &parse(old), &mut errors);
        let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(shown, expected, "{old} -> {new}");
    }

    #[test]
    fn only_processors_and_memory_are_resized() {
        check(r#"{"requests":{"cpu":"1"}}"#, r#"{"requests":{"cpu":"2"}}"#, &[]);
        check(r#"{"requests":{"cpu":"1"}}"#, r#"{"requests":{"cpu":"1","memory":"1"}}"#, &[]);
        check(
            r#"{"requests":{"cpu":"1","memory":"1"}}"#,
            r#"{"requests":{"cpu":"1"}}"#,
            &["spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed"],
        );
        check(
            r#"{"requests":{"cpu":"1"}}"#,
            r#"{"requests":{"cpu":"1","ephemeral-storage":"1"}}"#,
            &["spec: Forbidden: only cpu and memory resources are mutable"],
        );
        check(
            r#"{"requests":{"cpu":"1"}}"#,
            r#"{"requests":{"cpu":"1","memory":"1"},"limits":{"cpu":"1","memory":"1"}}"#,
            &["spec: Invalid value: \"Burstable\": Pod QOS Class may not change as a result of resizing"],
        );
    }
}
