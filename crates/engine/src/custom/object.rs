//! Objects of custom resources between JSON and trees, and between versions.

use super::Custom;
use crate::resource::ServedResource;
use crate::storage::undecodable;
use bytes::Bytes;
use pintle_object::strict::STRICT_ERRORS_MAX;
use pintle_object::{Map, Path, Reason, Status, Value, json};
use pintle_schema::decode::{self, DecodeError};
use pintle_schema::{Builtin, TypeId, custom};

const OBJECT_META: &str = "k8s.io.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// An object is stored with its managed fields, which nest a little deeper than itself, and must be read again.
const DEPTH_MAX: usize = json::read::TREE_DEPTH_MAX - 20;

/// What becomes of metadata that is not what metadata can be.
#[derive(Clone, Copy, PartialEq)]
enum Malformed {
    Refused,
    /// Field by field: old objects must stay readable.
    Dropped,
}

/// A tree with its metadata in canonical form and without what its version's schema does not name, and the names
/// of what was dropped.
pub(crate) fn canonical(
    api: &Builtin,
    custom: &Custom,
    mut tree: Value,
) -> Result<(Value, Vec<String>), DecodeError> {
    custom.schema.drop_nulls(&mut tree);
    canonical_applied(api, custom, tree)
}

/// `canonical` of what an apply made, which keeps all nulls.
pub(crate) fn canonical_applied(
    api: &Builtin,
    custom: &Custom,
    mut tree: Value,
) -> Result<(Value, Vec<String>), DecodeError> {
    if is_deeper(&tree, DEPTH_MAX) {
        return Err(DecodeError("exceeded max depth".into()));
    }
    let mut strict = settle_metadata(api, &mut tree)?;
    strict.extend(custom.schema.prune(&mut tree));
    let mut embedded = settle_embedded(api, &custom.schema, &mut tree, Malformed::Refused)?;
    embedded.sort();
    strict.extend(embedded);
    Ok((tree, strict))
}

/// What begins an object that a webhook has converted: it is JSON in the version of its served resource, is kept in memory
/// only, and gets no defaults again.
const CONVERTED: &[u8] = b"k8s:converted:";

/// The form of a converted object that `from_stored` reads.
pub(crate) fn converted_form(tree: &Value) -> Bytes {
    let mut out = CONVERTED.to_vec();
    json::write_value(&mut out, tree);
    Bytes::from(out)
}

/// Whether `served` reads a stored object without conversion by a webhook.
pub(crate) fn is_in_version(served: &ServedResource, value: &[u8]) -> bool {
    if value.starts_with(CONVERTED) {
        return true;
    }
    let own = served.api_version();
    // Keys are written sorted; what others have written is read.
    let rest = value.strip_prefix(b"{\"apiVersion\":\"").and_then(|rest| rest.strip_prefix(own.as_bytes()));
    rest.is_some_and(|rest| rest.starts_with(b"\""))
        || json::parse(value).is_ok_and(|tree| tree.str_at(&["apiVersion"]) == own)
}

/// A stored object in the version of `served`, without kind and apiVersion: as the schema of its own version sees it,
/// and then that of the version asked for.
pub(crate) fn from_stored(
    api: &Builtin,
    served: &ServedResource,
    custom: &Custom,
    value: &[u8],
) -> Result<Value, Status> {
    let mut tree = match value.strip_prefix(CONVERTED) {
        Some(converted) => {
            let decoded = decode::json::decode(&api.schema, api.any, converted);
            let mut tree = decoded.map_err(Status::internal)?.value;
            settle_metadata(api, &mut tree).map_err(Status::internal)?;
            custom.schema.prune(&mut tree);
            settle_embedded(api, &custom.schema, &mut tree, Malformed::Dropped).map_err(Status::internal)?;
            tree
        }
        None => {
            let mut tree = as_stored(api, served, custom, value)?;
            let api_version = tree.str_at(&["apiVersion"]);
            if api_version != served.api_version() {
                if custom.webhook.is_some() {
                    return Err(Status::internal(format!("an object in {api_version} was not converted")));
                }
                custom.schema.prune(&mut tree);
            }
            tree
        }
    };
    tree.remove(&["kind"]);
    tree.remove(&["apiVersion"]);
    Ok(tree)
}

/// A stored object as the schema of its own version sees it, with kind and apiVersion.
pub(crate) fn as_stored(
    api: &Builtin,
    served: &ServedResource,
    custom: &Custom,
    value: &[u8],
) -> Result<Value, Status> {
    undecodable::check_envelope(served, value)?;
    let decoded = decode::json::decode(&api.schema, api.any, value)
        .map_err(|error| undecodable::unreadable(&error.0))?;
    let mut tree = decoded.value;
    let api_version = tree.str_at(&["apiVersion"]).to_string();
    let version = api_version.rsplit('/').next().unwrap_or("");
    let Some(schema) = custom.versions.get(version) else {
        let message = format!("request to convert CR from an invalid group/version: {api_version}");
        return Err(Status::new(500, Reason::Unknown, message));
    };
    settle_metadata(api, &mut tree).map_err(Status::internal)?;
    schema.prune(&mut tree);
    schema.drop_nulls(&mut tree);
    settle_embedded(api, schema, &mut tree, Malformed::Dropped).map_err(Status::internal)?;
    schema.default(&mut tree);
    Ok(tree)
}

/// Brings an object to the version that is stored, with its kind.
pub(crate) fn to_stored(served: &ServedResource, custom: &Custom, tree: &mut Value) {
    if served.is_converted()
        && let Some(schema) = custom.versions.get(served.storage.version.as_str())
    {
        schema.prune(tree);
    }
    tree.set(&["apiVersion"], served.storage.group_version().to_string());
    tree.set(&["kind"], served.storage.kind.clone());
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
    let mut metadata = decoded.value;
    // Written and read again, an empty list is none: it clears no managed fields.
    if metadata.list_at(&["managedFields"]).is_empty() {
        metadata.remove(&["managedFields"]);
    }
    if let Some(map) = tree.as_map_mut() {
        map.insert("metadata", metadata);
    }
    Ok(decoded.strict.iter().map(|fault| below_metadata(fault, "")).collect())
}

/// Types the kinds and metadata of resources inside the object; the result names what was dropped.
fn settle_embedded(
    api: &Builtin,
    schema: &custom::Custom,
    tree: &mut Value,
    malformed: Malformed,
) -> Result<Vec<String>, DecodeError> {
    let mut unknown = Vec::new();
    schema.each_embedded(tree, &mut |path, resource| {
        let Some(map) = resource.as_map_mut() else { return Ok(()) };
        for name in ["apiVersion", "kind"] {
            match map.get(name) {
                None | Some(Value::Text(_)) => {}
                Some(_) if malformed == Malformed::Dropped => drop(map.remove(name)),
                Some(other) => return Err(refused(path, name, other, "must be a string")),
            }
        }
        let Some(metadata) = map.get("metadata") else { return Ok(()) };
        let mut settled = match (typed_metadata(api, metadata), malformed) {
            (Ok(decoded), _) => {
                // Each resource tells a bounded number of faults.
                let room = STRICT_ERRORS_MAX.saturating_sub(unknown.len());
                if room > 0 && !decoded.strict.is_empty() {
                    let path = path.head();
                    unknown
                        .extend(decoded.strict.iter().take(room).map(|fault| below_metadata(fault, &path)));
                }
                decoded.value
            }
            (Err(error), Malformed::Refused) => return Err(refused(path, "metadata", metadata, &error.0)),
            (Err(_), Malformed::Dropped) => well_formed(api, metadata),
        };
        if settled.get("creationTimestamp").is_some_and(Value::is_null) {
            settled.remove(&["creationTimestamp"]);
        }
        map.insert("metadata", settled);
        Ok(())
    })?;
    Ok(unknown)
}

fn is_deeper(tree: &Value, levels: usize) -> bool {
    let Some(levels) = levels.checked_sub(1) else { return true };
    match tree {
        Value::Map(map) => map.values().any(|value| is_deeper(value, levels)),
        Value::List(items) => items.iter().any(|item| is_deeper(item, levels)),
        _ => false,
    }
}

fn typed_metadata(api: &Builtin, metadata: &Value) -> Result<decode::Decoded, DecodeError> {
    decode::json::decode(&api.schema, metadata_type(api), json::to_string(metadata).as_bytes())
}

/// The fields of metadata that can be read.
fn well_formed(api: &Builtin, metadata: &Value) -> Value {
    let fields = metadata.as_map().into_iter().flat_map(|map| map.iter());
    let is_good = |name: &str, value: &Value| {
        let one = Value::Map(Map::from_iter([(name, value.clone())]));
        typed_metadata(api, &one).is_ok()
    };
    let good = fields.filter(|(name, value)| is_good(name, value));
    let good = Value::Map(Map::from_iter(good.map(|(name, value)| (name, value.clone()))));
    typed_metadata(api, &good).map_or(Value::map(), |decoded| decoded.value)
}

fn refused(path: &Path<'_>, name: &str, value: &Value, why: &str) -> DecodeError {
    DecodeError(format!("{}.{name}: Invalid value: {}: {why}", path.head(), json::to_string(value)))
}

fn metadata_type(api: &Builtin) -> TypeId {
    api.schema.named(OBJECT_META).expect("the tables hold ObjectMeta")
}

/// `unknown field "bogus"` is about `metadata.bogus`, of the object or of a resource inside it.
fn below_metadata(fault: &str, path: &str) -> String {
    let dot = if path.is_empty() { "" } else { "." };
    fault.replacen("field \"", &format!("field \"{path}{dot}metadata."), 1)
}
