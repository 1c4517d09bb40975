//! Conversion between a served version and the version that is stored, for the kinds that have two.

use crate::resource::ServedResource;
use pintle_kinds as kinds;
use pintle_object::{Status, Value};
use pintle_schema::{Builtin, TypeId, decode, defaults};

/// A tree of the served version becomes one of the stored version, without kind and apiVersion.
pub(crate) fn to_storage(api: &Builtin, served: &ServedResource, mut tree: Value) -> Result<Value, Status> {
    tree.remove(&["kind"]);
    tree.remove(&["apiVersion"]);
    if !served.is_converted() {
        return Ok(tree);
    }
    // Custom resources stay in the version of the request until they are stored.
    if served.custom.is_some() {
        return Ok(tree);
    }
    let stored = kinds::to_storage(&served.gvk(), tree);
    let mut stored = canonical(api, served.storage_ty, &stored)?;
    default_stored(api, served, &mut stored);
    Ok(stored)
}

/// Fills in the defaults of an object of a built-in kind in the version it is stored in.
pub(crate) fn default_stored(api: &Builtin, served: &ServedResource, stored: &mut Value) {
    defaults::apply(&api.schema, served.storage_ty, stored);
    served.strategy.default(stored);
}

/// Fills in the defaults of an object in the served version: those of its table, then those of its kind.
pub(crate) fn default(api: &Builtin, served: &ServedResource, tree: &mut Value) {
    if let Some(custom) = &served.custom {
        custom.schema.default(tree);
        return;
    }
    defaults::apply(&api.schema, served.resource.ty, tree);
    if !served.is_converted() {
        served.strategy.default(tree);
    } else if !served.strategy.field_annotations().is_empty() {
        default_by_storage(api, served, tree);
    }
}

/// Shows what the stored version makes of an object: its defaults, and the annotations that stand for its fields.
fn default_by_storage(api: &Builtin, served: &ServedResource, tree: &mut Value) {
    let shown = to_storage(api, served, tree.clone()).and_then(|stored| from_storage(api, served, stored));
    let Ok(mut shown) = shown else { return };
    for field in ["kind", "apiVersion"] {
        if let Some(value) = tree.get(field) {
            shown.set(&[field], value.clone());
        }
    }
    *tree = shown;
}

/// A tree of the stored version becomes one of the served version.
pub(crate) fn from_storage(api: &Builtin, served: &ServedResource, tree: Value) -> Result<Value, Status> {
    if let Some(custom) = &served.custom {
        let mut tree = tree;
        custom.schema.prune(&mut tree);
        return Ok(tree);
    }
    if !served.is_converted() {
        return Ok(tree);
    }
    canonical(api, served.resource.ty, &kinds::from_storage(&served.gvk(), tree))
}

fn canonical(api: &Builtin, ty: TypeId, tree: &Value) -> Result<Value, Status> {
    let decoded = decode::json::normalise(&api.schema, ty, tree).map_err(Status::internal)?;
    Ok(decoded.value)
}
