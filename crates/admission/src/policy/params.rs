//! Parameters: the objects that bindings point their policies to.

use crate::request::Request;
use crate::view::View;
use pintle_engine::ServedResource;
use pintle_object::selector::LabelSelector;
use pintle_object::{GroupVersion, Value};
use std::sync::Arc;

/// The resource of a policy's parameters, if it has any.
pub fn kind(view: View<'_>, policy: &Value) -> Result<Option<Arc<ServedResource>>, String> {
    let Some(kind) = policy.at(&["spec", "paramKind"]).filter(|kind| !kind.is_null()) else {
        return Ok(None);
    };
    let (api_version, name) = (kind.str_at(&["apiVersion"]), kind.str_at(&["kind"]));
    let found = view.of_kind(api_version, name);
    let shown = || match GroupVersion::parse(api_version) {
        Some(version) => format!("{version}, Kind={name}"),
        None => format!("{api_version}, Kind={name}"),
    };
    found.map(Some).ok_or_else(|| format!("failed to find resource referenced by paramKind: '{}'", shown()))
}

/// The parameter objects of a binding, each for an evaluation of its own; null stands for none.
pub fn of(
    request: &Request<'_>,
    object: &Value,
    kind: Option<&ServedResource>,
    binding: &Value,
) -> Result<Vec<Value>, String> {
    let reference = binding.at(&["spec", "paramRef"]).filter(|reference| !reference.is_null());
    let (Some(kind), Some(reference)) = (kind, reference) else { return Ok(vec![Value::Null]) };
    let namespace = namespace(request.admission_namespace(object), kind, reference)?;
    let name = reference.str_at(&["name"]);
    let found = match name.is_empty() {
        false => request.view.show(kind, namespace, name).into_iter().collect(),
        true => {
            let selector =
                LabelSelector::from_value(reference.get("selector")).map_err(|why| why.to_string())?;
            request.view.select(kind, namespace, &selector)
        }
    };
    if found.is_empty() && reference.str_at(&["parameterNotFoundAction"]) == "Deny" {
        return Err("no params found for policy binding with `Deny` parameterNotFoundAction".to_owned());
    }
    Ok(found)
}

fn namespace<'a>(requested: &'a str, kind: &ServedResource, reference: &'a Value) -> Result<&'a str, String> {
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
