//! Metadata in objects that have no type: of the object itself, and of resources inside it.

use crate::builtin::Builtin;
use crate::custom::Custom;
use crate::decode::{self, DecodeError};
use crate::model::TypeId;
use pintle_object::strict::STRICT_ERRORS_MAX;
use pintle_object::{Map, Path, Value, json};

const OBJECT_META: &str = "k8s.io.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// The treatment of metadata that does not fit its type.
#[derive(Clone, Copy, PartialEq)]
pub enum Malformed {
    Refused,
    /// Field by field: old objects must stay readable.
    Dropped,
}

/// Brings the metadata of an object into canonical form; the result names dropped fields.
pub fn canonicalize_metadata(api: &Builtin, tree: &mut Value) -> Result<Vec<String>, DecodeError> {
    let document = tree.get("metadata").map_or(String::from("{}"), json::to_string);
    let decoded = decode::json::decode(&api.schema, metadata_type(api), document.as_bytes())?;
    let mut metadata = decoded.value;
    // Written and read again, an empty list is absent: it does not clear managed fields.
    if metadata.list_at(&["managedFields"]).is_empty() {
        metadata.remove(&["managedFields"]);
    }
    if let Some(map) = tree.as_map_mut() {
        map.insert("metadata", metadata);
    }
    Ok(decoded.strict.iter().map(|fault| below_metadata(fault, "")).collect())
}

/// Canonicalizes the kinds and metadata of resources inside the object; the result names dropped fields.
pub fn canonicalize_embedded(
    api: &Builtin,
    schema: &Custom,
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
        let mut canonical = match (typed_metadata(api, metadata), malformed) {
            (Ok(decoded), _) => {
                // Each embedded resource reports a bounded number of errors.
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
        if canonical.get("creationTimestamp").is_some_and(Value::is_null) {
            canonical.remove(&["creationTimestamp"]);
        }
        map.insert("metadata", canonical);
        Ok(())
    })?;
    Ok(unknown)
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

/// Puts the path before a field: `unknown field "bogus"` becomes one of `metadata.bogus`, of the object or of a
/// resource inside it.
fn below_metadata(fault: &str, path: &str) -> String {
    let dot = if path.is_empty() { "" } else { "." };
    fault.replacen("field \"", &format!("field \"{path}{dot}metadata."), 1)
}
