//! RuntimeClass: a pod takes over its runtime class's overhead, node selector and tolerations.

use crate::plugin::Plugin;
use crate::request::Request;
use pintle_object::{Map, Status, Value};

const MISMATCH: &str = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";
const UNEXPECTED: &str = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead";

pub struct RuntimeClass;

impl Plugin for RuntimeClass {
    fn mutate(&self, request: &Request<'_>, object: &mut Value) -> Result<(), Status> {
        let Some(class) = class_of(request, object)? else { return Ok(()) };
        if let Some(overhead) = class.at(&["overhead", "podFixed"]) {
            if has_overhead(object) && object.at(&["spec", "overhead"]) != Some(overhead) {
                return Err(request.forbidden(object, MISMATCH));
            }
            object.set(&["spec", "overhead"], overhead.clone());
        }
        if let Some(selector) = class.map_at(&["scheduling", "nodeSelector"]) {
            select_nodes(request, object, selector)?;
        }
        let added = class.list_at(&["scheduling", "tolerations"]);
        if class.at(&["scheduling"]).is_some() {
            let own = object.list_at(&["spec", "tolerations"]);
            let merged = merge_tolerations(own, added);
            if !merged.is_empty() {
                object.set(&["spec", "tolerations"], merged);
            }
        }
        Ok(())
    }

    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        if !request.creates("", "pods") {
            return Ok(());
        }
        let class = class_of(request, object)?;
        match class.as_ref().and_then(|class| class.at(&["overhead", "podFixed"])) {
            Some(overhead) if object.at(&["spec", "overhead"]) != Some(overhead) => {
                Err(request.forbidden(object, MISMATCH))
            }
            None if has_overhead(object) => Err(request.forbidden(object, UNEXPECTED)),
            _ => Ok(()),
        }
    }
}

/// The class of a pod that is created, if it names one.
fn class_of(request: &Request<'_>, pod: &Value) -> Result<Option<Value>, Status> {
    if !request.creates("", "pods") {
        return Ok(None);
    }
    let Some(name) = pod.at(&["spec", "runtimeClassName"]).and_then(Value::as_str) else { return Ok(None) };
    match request.view.get("node.k8s.io", "runtimeclasses", "", name) {
        Some(class) => Ok(Some(class)),
        None => {
            let why = format!("pod rejected: RuntimeClass {} not found", pintle_object::field::quote(name));
            Err(request.forbidden(pod, why))
        }
    }
}

fn has_overhead(pod: &Value) -> bool {
    pod.map_at(&["spec", "overhead"]).is_some_and(|overhead| !overhead.is_empty())
}

fn select_nodes(request: &Request<'_>, pod: &mut Value, selector: &Map) -> Result<(), Status> {
    for (key, value) in selector.iter() {
        let (wanted, own) = (value.as_str().unwrap_or(""), pod.at(&["spec", "nodeSelector", key]));
        if let Some(own) = own.and_then(Value::as_str).filter(|own| *own != wanted) {
            let why = format!(
                "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {wanted}; \
                 pod.spec.nodeSelector[{key}] = {own}"
            );
            return Err(request.forbidden(pod, why));
        }
    }
    for (key, value) in selector.iter() {
        pod.set(&["spec", "nodeSelector", key], value.clone());
    }
    Ok(())
}

/// Both lists in order, without the tolerations that another one includes.
fn merge_tolerations(first: &[Value], second: &[Value]) -> Vec<Value> {
    let all: Vec<&Value> = first.iter().chain(second).collect();
    let mut merged: Vec<Value> = Vec::with_capacity(all.len());
    for (place, toleration) in all.iter().enumerate() {
        let is_included = merged.iter().any(|kept| includes(kept, toleration));
        let mut later = all.iter().skip(place + 1);
        if !is_included && !later.any(|other| other != toleration && includes(other, toleration)) {
            merged.push((*toleration).clone());
        }
    }
    merged
}

/// Whether `wide` tolerates everything that `narrow` does.
fn includes(wide: &Value, narrow: &Value) -> bool {
    if wide == narrow {
        return true;
    }
    let text = |toleration: &Value, field: &str| toleration.str_at(&[field]).to_string();
    let (key, operator, effect) = (text(wide, "key"), text(wide, "operator"), text(wide, "effect"));
    if key != text(narrow, "key") && (!key.is_empty() || operator != "Exists") {
        return false;
    }
    if effect != text(narrow, "effect") && !effect.is_empty() {
        return false;
    }
    let seconds = |toleration: &Value| toleration.int_at(&["tolerationSeconds"]);
    if let (true, Some(limit)) = (effect == "NoExecute", seconds(wide))
        && seconds(narrow).is_none_or(|seconds| seconds > limit)
    {
        return false;
    }
    match operator.as_str() {
        "Equal" | "" => text(narrow, "operator") == "Equal" && text(wide, "value") == text(narrow, "value"),
        "Exists" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(json: &str) -> Vec<Value> {
        pintle_object::json::parse(json.as_bytes()).unwrap().as_list().unwrap().to_vec()
    }

    #[test]
    fn included_tolerations_are_merged_away() {
        let check = |first: &str, second: &str, expected: &str| {
            assert_eq!(merge_tolerations(&list(first), &list(second)), list(expected));
        };
        check(
            r#"[{"key":"a","operator":"Exists"}]"#,
            r#"[{"key":"a","operator":"Equal","value":"b"}]"#,
            r#"[{"key":"a","operator":"Exists"}]"#,
        );
        check(
            r#"[{"key":"a","operator":"Equal","value":"b"}]"#,
            r#"[{"operator":"Exists"}]"#,
            r#"[{"operator":"Exists"}]"#,
        );
        check(
            r#"[{"key":"a","operator":"Exists"}]"#,
            r#"[{"key":"b","operator":"Exists"},{"key":"a","operator":"Exists"}]"#,
            r#"[{"key":"a","operator":"Exists"},{"key":"b","operator":"Exists"}]"#,
        );
    }

    #[test]
    fn shorter_tolerations_of_eviction_do_not_include_longer_ones() {
        let check = |wide: &str, narrow: &str, expected: bool| {
            let parse = |json: &str| pintle_object::json::parse(json.as_bytes()).unwrap();
            assert_eq!(includes(&parse(wide), &parse(narrow)), expected);
        };
        let of =
            |seconds: &str| format!(r#"{{"key":"a","operator":"Exists","effect":"NoExecute"{seconds}}}"#);
        check(&of(r#","tolerationSeconds":5"#), &of(r#","tolerationSeconds":6"#), false);
        check(&of(r#","tolerationSeconds":6"#), &of(r#","tolerationSeconds":5"#), true);
        check(&of(r#","tolerationSeconds":6"#), &of(""), false);
    }
}
