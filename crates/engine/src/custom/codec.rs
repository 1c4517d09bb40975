//! The codec of custom resources: JSON by the schemas of their definition.

use super::webhook::ConversionWebhook;
use crate::request::body::{Body, unrecognized};
use crate::request::options::FieldValidation;
use crate::resource::{Codec, Expected, ServedResource};
use crate::storage::attrs;
use crate::storage::unreadable::{check_envelope, unreadable};
use crate::write::failure::store_failed;
use bytes::Bytes;
use pintle_kinds::custom_resource::Scale;
use pintle_kinds::{OwnedFields, owned_fields_of_custom};
use pintle_object::field::quote;
use pintle_object::{FieldErrors, Path, Reason, Status, Value, json};
use pintle_schema::custom::DefaultsTooLarge;
use pintle_schema::custom::metadata::{Malformed, canonicalize_embedded, canonicalize_metadata};
use pintle_schema::decode::{self, DecodeError, Decoded, Document, Empty};
use pintle_schema::{Builtin, Schema, TypeId, custom};
use pintle_store::{Attrs, CommitError, Object, TOO_LARGE};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An object is stored with its managed fields, which nest a little deeper than itself, and must be read again.
const DEPTH_MAX: usize = json::read::TREE_DEPTH_MAX - 20;

/// One served version of a definition.
pub(super) struct CustomCodec {
    pub api: Arc<Builtin>,
    pub schema: Arc<custom::Custom>,
    /// The schemas of all versions by name: a stored object is pruned and defaulted by the schema of its stored
    /// version.
    pub versions: Arc<BTreeMap<String, Arc<custom::Custom>>>,
    /// The webhook that converts between versions, if one must.
    pub webhook: Option<ConversionWebhook>,
    /// Types of all versions, for managed fields, those of each version's objects, and that of this version.
    pub types: Arc<Schema>,
    pub version_types: Arc<BTreeMap<String, TypeId>>,
    pub ty: TypeId,
    pub scale: Option<Scale>,
    /// The generation of the definition.
    pub generation: [u8; 8],
}

impl Codec for CustomCodec {
    fn decode(
        &self,
        body: Body<'_>,
        expected: &Expected,
        validation: FieldValidation,
        warnings: &mut Vec<String>,
        _: &mut Vec<Empty>,
    ) -> Result<Value, Status> {
        let expected = &expected.kind;
        let unknown = |why: &str| unrecognized(expected, why, body.bytes);
        let document = body.read().map_err(|error| unknown(&error.0))?;
        let Document::Json { json, api_version, kind, mut strict } = document else {
            return Err(unknown("protobuf is not an encoding of custom resources"));
        };
        if kind.is_empty() {
            let shown = String::from_utf8_lossy(json.bytes()).into_owned();
            return Err(unknown(&format!("Object 'Kind' is missing in '{shown}'")));
        }
        if api_version != expected.group_version().to_string() {
            let wanted = expected.group_version();
            return Err(Status::bad_request(format!(
                "the API version in the data ({api_version}) does not match the expected API version ({wanted})"
            )));
        }
        let refuse = |why: &str| {
            let (version, wanted) = (quote(&expected.version), &expected.kind);
            Status::bad_request(format!("{kind} in version {version} cannot be handled as a {wanted}: {why}"))
        };
        let decoded = decode::json::decode_checked(&self.api.schema, self.api.any, &json)
            .map_err(|error| refuse(&error.0))?;
        strict.extend(decoded.strict);
        let mut tree = decoded.value;
        self.schema.drop_nulls(&mut tree);
        let (tree, unknown) = self.canonical(tree).map_err(|error| refuse(&error.0))?;
        strict.extend(unknown);
        match validation {
            FieldValidation::Strict if !strict.is_empty() => {
                return Err(refuse(&format!("strict decoding error: {}", strict.join(", "))));
            }
            FieldValidation::Warn => warnings.extend(strict.iter().flat_map(|text| duplicate_lines(text))),
            FieldValidation::Strict | FieldValidation::Ignore => {}
        }
        if kind != expected.kind {
            let mut errors = FieldErrors::new();
            errors.invalid(&Path::root("kind"), kind.as_str(), &format!("must be {}", expected.kind));
            let own = expected.group_version().with_kind(kind.as_str()).group_kind();
            return Err(Status::invalid(&own, tree.str_at(&["metadata", "name"]), errors));
        }
        Ok(tree)
    }

    fn read_patched(&self, _: &Expected, mut tree: Value, _: Option<&str>) -> Result<Decoded, String> {
        self.schema.drop_nulls(&mut tree);
        let (value, strict) = self.canonical(tree).map_err(|error| error.0)?;
        Ok(Decoded { value, strict, empties: Vec::new() })
    }

    /// The result of an apply keeps all nulls.
    fn read_applied(&self, _: TypeId, tree: Value) -> Result<Value, String> {
        self.canonical(tree).map(|(tree, _)| tree).map_err(|error| error.0)
    }

    fn default(&self, _: &ServedResource, tree: &mut Value) -> Result<(), Status> {
        self.schema.default(tree).map_err(too_large)
    }

    fn prune(&self, tree: &mut Value) {
        self.schema.prune(tree);
    }

    /// Objects stay in the version of the request until they are stored.
    fn to_storage(&self, _: &ServedResource, mut tree: Value) -> Result<Value, Status> {
        tree.remove(&["kind"]);
        tree.remove(&["apiVersion"]);
        Ok(tree)
    }

    fn show(&self, _: &ServedResource, mut tree: Value) -> Result<Value, Status> {
        self.schema.prune(&mut tree);
        Ok(tree)
    }

    fn converts_for_rules(&self, _: &ServedResource) -> bool {
        false
    }

    /// Reads an object by the schema of its stored version, and then by that of the requested one.
    fn read_stored(&self, served: &ServedResource, value: &[u8]) -> Result<Value, Status> {
        let mut tree = match value.strip_prefix(CONVERTED) {
            Some(converted) => {
                let decoded = decode::json::decode(&self.api.schema, self.api.any, converted);
                let mut tree = decoded.map_err(Status::internal)?.value;
                canonicalize_metadata(&self.api, &mut tree).map_err(Status::internal)?;
                self.schema.prune(&mut tree);
                let (schema, dropped) = (&self.schema, Malformed::Dropped);
                canonicalize_embedded(&self.api, schema, &mut tree, dropped).map_err(Status::internal)?;
                tree
            }
            None => {
                let mut tree = self.as_stored(served, value)?;
                let api_version = tree.str_at(&["apiVersion"]);
                if api_version != served.api_version() {
                    if self.webhook.is_some() {
                        return Err(Status::internal(format!(
                            "an object in {api_version} was not converted"
                        )));
                    }
                    self.schema.prune(&mut tree);
                }
                tree
            }
        };
        tree.remove(&["kind"]);
        tree.remove(&["apiVersion"]);
        Ok(tree)
    }

    fn to_stored(&self, served: &ServedResource, tree: &mut Value) -> Bytes {
        if served.is_converted()
            && let Some(schema) = self.versions.get(served.storage.version.as_str())
        {
            schema.prune(tree);
        }
        tree.set(&["apiVersion"], served.storage.group_version().to_string());
        tree.set(&["kind"], served.storage.kind.clone());
        Bytes::from(json::to_string(tree))
    }

    /// The attributes with the current schema's defaults, as clients see the object.
    fn attrs(&self, served: &ServedResource, value: &[u8]) -> Option<Attrs> {
        let tree = self.read_stored(served, value).ok()?;
        Some(attrs::of_tree(&self.api.schema, served, &tree))
    }

    fn write_item(&self, served: &ServedResource, object: &Object, out: &mut Vec<u8>) -> Result<(), Status> {
        json::write_value(out, &served.tree(object)?);
        Ok(())
    }

    fn write_tree(&self, _: TypeId, tree: &Value, out: &mut Vec<u8>) {
        json::write_value(out, tree);
    }

    fn types(&self, _: &ServedResource, _: &str) -> (&Schema, TypeId) {
        (&self.types, self.ty)
    }

    fn owned_fields(&self, served: &ServedResource, subresource: &str) -> OwnedFields {
        owned_fields_of_custom(subresource, served.resource.subresource("status").is_some())
    }

    fn is_typed(&self) -> bool {
        false
    }

    fn version_types(&self) -> Option<&BTreeMap<String, TypeId>> {
        Some(&self.version_types)
    }

    fn pruned_in(&self, version: &str, tree: &Value) -> Vec<String> {
        self.versions.get(version).map(|schema| schema.prune(&mut tree.clone())).unwrap_or_default()
    }

    fn webhook(&self) -> Option<&ConversionWebhook> {
        self.webhook.as_ref()
    }

    fn as_stored(&self, served: &ServedResource, value: &[u8]) -> Result<Value, Status> {
        check_envelope(&served.storage, value)?;
        let decoded = decode::json::decode(&self.api.schema, self.api.any, value);
        let mut tree = decoded.map_err(|error| unreadable(&error.0))?.value;
        let api_version = tree.str_at(&["apiVersion"]).to_string();
        let version = api_version.rsplit('/').next().unwrap_or("");
        let Some(schema) = self.versions.get(version) else {
            let message = format!("request to convert CR from an invalid group/version: {api_version}");
            return Err(Status::new(500, Reason::Unknown, message));
        };
        canonicalize_metadata(&self.api, &mut tree).map_err(Status::internal)?;
        schema.prune(&mut tree);
        schema.drop_nulls(&mut tree);
        canonicalize_embedded(&self.api, schema, &mut tree, Malformed::Dropped).map_err(Status::internal)?;
        schema.default(&mut tree).map_err(too_large)?;
        Ok(tree)
    }

    fn encoding_tag(&self) -> &[u8] {
        &self.generation
    }

    fn scale(&self) -> Option<&Scale> {
        self.scale.as_ref()
    }
}

impl CustomCodec {
    /// A tree with its metadata in canonical form and without fields that its version's schema does not name, and the
    /// names of dropped fields.
    fn canonical(&self, mut tree: Value) -> Result<(Value, Vec<String>), DecodeError> {
        if is_deeper(&tree, DEPTH_MAX) {
            return Err(DecodeError("exceeded max depth".into()));
        }
        let mut strict = canonicalize_metadata(&self.api, &mut tree)?;
        strict.extend(self.schema.prune(&mut tree));
        let mut embedded = canonicalize_embedded(&self.api, &self.schema, &mut tree, Malformed::Refused)?;
        embedded.sort();
        strict.extend(embedded);
        Ok((tree, strict))
    }
}

/// The refusal of an object with more defaults than the store takes of a whole one, in the store's words.
fn too_large(_: DefaultsTooLarge) -> Status {
    store_failed(CommitError::TooLarge(TOO_LARGE.into()))
}

/// The beginning of an object that a webhook has converted: it is JSON in the version of its served resource, in memory
/// only, and gets no defaults again.
const CONVERTED: &[u8] = b"k8s:converted:";

/// The form of a converted object that the codec reads.
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
    // Keys are written sorted; objects that others have written are parsed.
    let rest = value.strip_prefix(b"{\"apiVersion\":\"").and_then(|rest| rest.strip_prefix(own.as_bytes()));
    rest.is_some_and(|rest| rest.starts_with(b"\""))
        || json::parse(value).is_ok_and(|tree| tree.str_at(&["apiVersion"]) == own)
}

fn is_deeper(tree: &Value, levels: usize) -> bool {
    let Some(levels) = levels.checked_sub(1) else { return true };
    match tree {
        Value::Map(map) => map.values().any(|value| is_deeper(value, levels)),
        Value::List(items) => items.iter().any(|item| is_deeper(item, levels)),
        _ => false,
    }
}

/// The YAML errors of repeated keys, each by itself.
fn duplicate_lines(text: &str) -> Vec<String> {
    let rest = text.strip_prefix("yaml: unmarshal errors:").unwrap_or(text);
    rest.split('\n').map(str::trim).filter(|line| !line.is_empty()).map(String::from).collect()
}
