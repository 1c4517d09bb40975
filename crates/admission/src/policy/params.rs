//! Parameters: the objects that bindings point their policies to.

use crate::request::Request;
use pintle_engine::{Engine, Served};
use pintle_object::selector::LabelSelector;
use pintle_object::{GroupVersion, Value};
use std::sync::Arc;

/// The resource of a policy's parameters, if it has any.
pub fn kind(engine: &Engine, policy: &Value) -> Result<Option<Arc<Served>>, String> {
    let Some(kind) = policy.at(&["spec", "paramKind"]).filter(|kind| !kind.is_null()) else {
        return Ok(None);
    };
    let (api_version, name) = (kind.str_at(&["apiVersion"]), kind.str_at(&["kind"]));
    let table = engine.table();
    let is_it = |one: &&Arc<Served>| one.api_version() == api_version && *one.resource.kind == *name;
    let found = table.served().iter().find(is_it).cloned();
    let shown = || match GroupVersion::parse(api_version) {
        Some(version) => format!("{version}, Kind={name}"),
        None => format!("{api_version}, Kind={name}"),
    };
    found.map(Some).ok_or_else(|| format!("failed to find resource referenced by paramKind: '{}'", shown()))
}

/// The parameters that a binding points to, each to be judged by; null stands for none.
pub fn of(
    request: &Request<'_>,
    object: &Value,
    kind: Option<&Served>,
    binding: &Value,
) -> Result<Vec<Value>, String> {
    let reference = binding.at(&["spec", "paramRef"]).filter(|reference| !reference.is_null());
    let (Some(kind), Some(reference)) = (kind, reference) else { return Ok(vec![Value::Null]) };
    let namespace = namespace(request.admission_namespace(object), kind, reference)?;
    let name = reference.str_at(&["name"]);
    let found = match name.is_empty() {
        false => one(request.engine, kind, namespace, name).into_iter().collect(),
        true => {
            let selector =
                LabelSelector::from_value(reference.get("selector")).map_err(|why| why.to_string())?;
            all(request.engine, kind, namespace, &selector)
        }
    };
    if found.is_empty() && reference.str_at(&["parameterNotFoundAction"]) == "Deny" {
        return Err("no params found for policy binding with `Deny` parameterNotFoundAction".to_owned());
    }
    Ok(found)
}

fn namespace<'a>(requested: &'a str, kind: &Served, reference: &'a Value) -> Result<&'a str, String> {
    let own = reference.str_at(&["namespace"]);
    match (kind.resource.namespaced, own.is_empty()) {
        (false, false) => {
            Err("paramRef.namespace must not be provided for a cluster-scoped `paramKind`".to_owned())
        }
        (false, true) => Ok(""),
        (true, false) => Ok(own),
        (true, true) if requested.is_empty() => {
            Err("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
                .to_owned())
        }
        (true, true) => Ok(requested),
    }
}

fn one(engine: &Engine, kind: &Served, namespace: &str, name: &str) -> Option<Value> {
    let object = engine.store.get(kind.collection?, &kind.key(namespace, name))?;
    engine.tree(kind, &object).ok()
}

/// The objects of a namespace whose labels a selector selects; others are not read.
fn all(engine: &Engine, kind: &Served, namespace: &str, selector: &LabelSelector) -> Vec<Value> {
    let Some(collection) = kind.collection else { return Vec::new() };
    let snapshot = engine.store.snapshot(collection);
    let prefix = kind.prefix(namespace);
    let objects = snapshot.range(&prefix, None);
    let selected = objects.filter(|object| selector.matches(&*object.digest.labels));
    selected.filter_map(|object| engine.tree(kind, object).ok()).collect()
}
