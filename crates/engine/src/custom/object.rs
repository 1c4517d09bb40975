//! Objects of custom resources between JSON and trees.

use super::Custom;
use crate::engine::Served;
use pintle_object::{Map, Value, json};
use pintle_schema::decode::{self, DecodeError};
use pintle_schema::{Builtin, TypeId};

const OBJECT_META: &str = "k8s.io.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// A tree with its metadata in canonical form and without what its version's schema does not name, and the names
/// of what was dropped.
pub(crate) fn canonical(
    api: &Builtin,
    custom: &Custom,
    mut tree: Value,
) -> Result<(Value, Vec<String>), DecodeError> {
    let mut strict = settle_metadata(api, &mut tree)?;
    strict.extend(custom.schema.prune(&mut tree));
    Ok((tree, strict))
}

/// A stored object as its schema now sees it, without kind and apiVersion.
pub(crate) fn from_stored(api: &Builtin, custom: &Custom, value: &[u8]) -> Result<Value, DecodeError> {
    let mut tree = decode::json::decode(&api.schema, api.any, value)?.value;
    settle_metadata(api, &mut tree)?;
    custom.stored_schema.prune(&mut tree);
    custom.stored_schema.default(&mut tree);
    tree.remove(&["kind"]);
    tree.remove(&["apiVersion"]);
    Ok(tree)
}

/// The bytes to store: JSON of the stored version. `tree` has no resourceVersion.
pub(crate) fn to_stored(served: &Served, mut tree: Value) -> Vec<u8> {
    tree.set(&["apiVersion"], served.storage.group_version().to_string());
    tree.set(&["kind"], served.storage.kind.clone());
    json::to_string(&tree).into_bytes()
}

/// The items of a list in the order that Go's maps are written in.
pub(crate) fn list_metadata(version: &str, continue_token: &str, remaining: Option<i64>) -> Value {
    let mut metadata = Map::new();
    metadata.insert("continue", continue_token);
    if let Some(remaining) = remaining {
        metadata.insert("remainingItemCount", remaining);
    }
    metadata.insert("resourceVersion", version);
    Value::Map(metadata)
}

fn settle_metadata(api: &Builtin, tree: &mut Value) -> Result<Vec<String>, DecodeError> {
    let document = tree.get("metadata").map_or(String::from("{}"), json::to_string);
    let decoded = decode::json::decode(&api.schema, metadata_type(api), document.as_bytes())?;
    if let Some(map) = tree.as_map_mut() {
        map.insert("metadata", decoded.value);
    }
    Ok(decoded.strict.iter().map(|fault| below_metadata(fault)).collect())
}

fn metadata_type(api: &Builtin) -> TypeId {
    api.schema.named(OBJECT_META).expect("the tables hold ObjectMeta")
}

/// `unknown field "bogus"` is about `metadata.bogus`.
fn below_metadata(fault: &str) -> String {
    fault.replacen("field \"", "field \"metadata.", 1)
}
