//! The codec of built-in kinds: types from the tables, stored as protobuf in one version.

use crate::request::body::{self, Body};
use crate::request::options::FieldValidation;
use crate::resource::{Codec, Expected, ServedResource};
use crate::storage::attrs;
use crate::storage::unreadable::{
    check_envelope, check_json, check_kind, check_object, other_version, unreadable,
};
use bytes::Bytes;
use pintle_kinds::{self as kinds, OwnedFields, owned_fields};
use pintle_object::{GroupVersionKind, Map, Status, StrictErrors, Value, json};
use pintle_patch::strategic::mismatch;
use pintle_schema::decode::{self, Decoded, Empty};
use pintle_schema::{Builtin, Schema, TypeId, defaults, encode};
use pintle_store::{Attrs, Object};
use std::sync::Arc;

/// The tables, which all built-in kinds share.
pub(crate) struct BuiltinCodec {
    pub api: Arc<Builtin>,
}

impl Codec for BuiltinCodec {
    fn decode(
        &self,
        body: Body<'_>,
        expected: &Expected,
        validation: FieldValidation,
        warnings: &mut Vec<String>,
        empties: &mut Vec<Empty>,
    ) -> Result<Value, Status> {
        body::decode(&self.api, body, expected.ty, &expected.kind, validation, warnings, empties)
    }

    fn read_patched(&self, expected: &Expected, tree: Value, text: Option<&str>) -> Result<Decoded, String> {
        let Some(text) = text else {
            return decode::json::normalise(&self.api.schema, expected.ty, &tree).map_err(|error| error.0);
        };
        if body::is_still(&self.api, text, &expected.kind)? {
            let decoded = decode::json::decode(&self.api.schema, expected.ty, text.as_bytes());
            return decoded.map_err(|error| error.0);
        }
        let fields = tree.as_map().into_iter().flat_map(Map::keys).filter(|key| *key != "kind");
        let mut strict = StrictErrors::default();
        fields.for_each(|key| strict.add("unknown", || key));
        Ok(Decoded { value: Value::map(), strict: strict.into_vec(), empties: Vec::new() })
    }

    fn read_applied(&self, ty: TypeId, tree: Value) -> Result<Value, String> {
        if let Some(why) = mismatch(&self.api.schema, ty, &tree) {
            return Err(why);
        }
        let decoded = decode::json::normalise(&self.api.schema, ty, &tree);
        decoded.map(|decoded| decoded.value).map_err(|error| error.0)
    }

    fn default(&self, served: &ServedResource, tree: &mut Value) -> Result<(), Status> {
        defaults::apply(&self.api.schema, served.resource.ty, tree);
        if !served.is_converted() {
            served.strategy.default(tree);
        } else if !served.strategy.field_annotations().is_empty() {
            self.default_by_storage(served, tree);
        }
        Ok(())
    }

    fn prune(&self, _: &mut Value) {}

    fn to_storage(&self, served: &ServedResource, mut tree: Value) -> Result<Value, Status> {
        tree.remove(&["kind"]);
        tree.remove(&["apiVersion"]);
        if !served.is_converted() {
            return Ok(tree);
        }
        let mut stored = self.canonical(served.storage_ty, &kinds::to_storage(&served.gvk(), tree))?;
        self.default_stored(served, &mut stored);
        Ok(stored)
    }

    fn show(&self, served: &ServedResource, tree: Value) -> Result<Value, Status> {
        match served.is_converted() {
            true => self.canonical(served.resource.ty, &kinds::from_storage(&served.gvk(), tree)),
            false => Ok(tree),
        }
    }

    fn converts_for_rules(&self, served: &ServedResource) -> bool {
        served.is_converted()
    }

    fn read_stored(&self, served: &ServedResource, value: &[u8]) -> Result<Value, Status> {
        let mut tree = self.decode_stored(served, value)?;
        served.strategy.restore(&mut tree);
        Ok(tree)
    }

    fn to_stored(&self, served: &ServedResource, tree: &mut Value) -> Bytes {
        let api_version = served.storage.group_version().to_string();
        let (schema, kind) = (&self.api.schema, &served.storage.kind);
        encode::protobuf::document(schema, served.storage_ty, &api_version, kind, tree).into()
    }

    fn upgraded(&self, served: &ServedResource, value: &[u8]) -> Option<Bytes> {
        let (kind, tree) = self.of_other_version(served, value)?;
        let stored = kinds::to_storage(&kind, tree);
        let mut stored = self.canonical(served.storage_ty, &stored).ok()?;
        self.default_stored(served, &mut stored);
        Some(self.to_stored(served, &mut stored))
    }

    fn attrs(&self, served: &ServedResource, value: &[u8]) -> Option<Attrs> {
        if !value.starts_with(decode::protobuf::MAGIC) {
            let tree = self.decode_stored(served, value).ok()?;
            return Some(attrs::of_tree(&self.api.schema, served, &tree));
        }
        check_envelope(&served.storage, value).ok()?;
        let envelope = decode::protobuf::envelope(value).ok()?;
        let mut found = attrs::of_message(envelope.raw)?;
        if !served.fields.is_empty() {
            let cut = served.selected.cut(envelope.raw).ok()?;
            let tree = decode::protobuf::decode(&self.api.schema, served.storage_ty, &cut).ok()?;
            found.fields = attrs::fields(&self.api.schema, served, &tree).into();
        }
        Some(found)
    }

    /// Objects of the stored version go from protobuf to JSON directly, without a tree.
    fn write_item(&self, served: &ServedResource, object: &Object, out: &mut Vec<u8>) -> Result<(), Status> {
        let (schema, ty) = (&self.api.schema, served.resource.ty);
        check_object(&served.storage, object)?;
        let is_unstored = object.mod_revision.0 == 0;
        let needs_tree = is_unstored || served.is_converted() || served.strategy.restore(&mut Value::Null);
        if needs_tree || !object.value.starts_with(decode::protobuf::MAGIC) {
            encode::json::encode(schema, ty, &served.bare_tree(object)?, out);
            return Ok(());
        }
        let begin = out.len();
        let envelope = decode::protobuf::envelope(&object.value).map_err(|error| unreadable(&error.0))?;
        let version = object.mod_revision.to_string();
        encode::transcode::json(schema, ty, envelope.raw, &version, out).map_err(|error| {
            // The bytes so far are no document.
            out.truncate(begin);
            unreadable(&error.to_string())
        })
    }

    fn write_tree(&self, ty: TypeId, tree: &Value, out: &mut Vec<u8>) {
        encode::json::encode(&self.api.schema, ty, tree, out);
    }

    fn types(&self, served: &ServedResource, subresource: &str) -> (&Schema, TypeId) {
        let own = served.resource.subresource(subresource).and_then(|sub| sub.ty);
        (&self.api.schema, own.unwrap_or(served.resource.ty))
    }

    fn owned_fields(&self, served: &ServedResource, subresource: &str) -> OwnedFields {
        let has_status = served.resource.subresource("status").is_some();
        owned_fields(&served.storage.group, &served.storage.kind, subresource, has_status)
    }

    fn is_typed(&self) -> bool {
        true
    }
}

impl BuiltinCodec {
    /// The kind and the tree of a value that is stored in another version than it would be now, and known.
    fn of_other_version(&self, served: &ServedResource, value: &[u8]) -> Option<(GroupVersionKind, Value)> {
        let is_protobuf = value.starts_with(decode::protobuf::MAGIC);
        let (kind, tree) = if is_protobuf {
            let envelope = decode::protobuf::envelope(value).ok()?;
            let kind = other_version(&served.storage, envelope.api_version, envelope.kind)?;
            let tree =
                decode::protobuf::decode(&self.api.schema, self.api.kind(&kind)?, envelope.raw).ok()?;
            (kind, tree)
        } else {
            let tree = json::parse(value).ok()?;
            let kind = other_version(&served.storage, tree.str_at(&["apiVersion"]), tree.str_at(&["kind"]))?;
            let mut tree = self.canonical(self.api.kind(&kind)?, &tree).ok()?;
            tree.remove(&["kind"]);
            tree.remove(&["apiVersion"]);
            (kind, tree)
        };
        let mut tree = tree;
        defaults::apply(&self.api.schema, self.api.kind(&kind)?, &mut tree);
        Some((kind, tree))
    }

    fn decode_stored(&self, served: &ServedResource, value: &[u8]) -> Result<Value, Status> {
        check_envelope(&served.storage, value)?;
        let schema = &self.api.schema;
        if value.starts_with(decode::protobuf::MAGIC) {
            let envelope = decode::protobuf::envelope(value).map_err(|error| unreadable(&error.0))?;
            let decoded = decode::protobuf::decode(schema, served.storage_ty, envelope.raw);
            return decoded.map_err(|error| unreadable(&error.to_string()));
        }
        check_json(value)?;
        let decoded = decode::json::decode(schema, served.storage_ty, value);
        let mut tree = decoded.map_err(|error| unreadable(&error.0))?.value;
        check_kind(&served.storage, tree.str_at(&["apiVersion"]), tree.str_at(&["kind"]))?;
        tree.remove(&["kind"]);
        tree.remove(&["apiVersion"]);
        // Not written by an API server, which would write protobuf with defaults: they are missing.
        self.default_stored(served, &mut tree);
        Ok(tree)
    }

    /// Fills in the defaults of an object in the version it is stored in.
    fn default_stored(&self, served: &ServedResource, stored: &mut Value) {
        defaults::apply(&self.api.schema, served.storage_ty, stored);
        served.strategy.default(stored);
    }

    /// Applies the stored version to an object: its defaults, and the annotations for its fields.
    fn default_by_storage(&self, served: &ServedResource, tree: &mut Value) {
        let stored = self.to_storage(served, tree.clone());
        let Ok(mut shown) = stored.and_then(|stored| self.show(served, stored)) else { return };
        for field in ["kind", "apiVersion"] {
            if let Some(value) = tree.get(field) {
                shown.set(&[field], value.clone());
            }
        }
        *tree = shown;
    }

    fn canonical(&self, ty: TypeId, tree: &Value) -> Result<Value, Status> {
        let decoded = decode::json::normalise(&self.api.schema, ty, tree).map_err(Status::internal)?;
        Ok(decoded.value)
    }
}
