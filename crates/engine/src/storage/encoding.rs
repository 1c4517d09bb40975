//! Objects between the store's bytes, trees and the bytes that clients get.

use crate::engine::Engine;
use crate::resource::{Codec, ServedResource};
use crate::storage::attrs;
use crate::storage::unreadable::{check_decrypted, check_object, unreadable};
use bytes::Bytes;
use pintle_object::{Status, Value, meta};
use pintle_schema::decode::Pick;
use pintle_schema::encode::splice::{self, Part, Places, Spliced};
use pintle_schema::{Schema, TypeId, decode, encode};
use pintle_store::{Key, Object, Revision};
use std::sync::Arc;

impl Engine {
    /// The tree of a stored object in the version of `served`, with kind, apiVersion and resourceVersion.
    pub fn tree(&self, served: &ServedResource, object: &Object) -> Result<Value, Status> {
        served.tree(object)
    }

    /// The tree of a stored object in its stored version, as rules, admission and patches see it.
    pub fn storage_tree(&self, served: &ServedResource, object: &Object) -> Result<Value, Status> {
        check_decrypted(object)?;
        let mut tree = served.codec.read_stored(served, &object.value)?;
        meta::set_resource_version(&mut tree, object.mod_revision.0);
        Ok(tree)
    }

    /// An object as admission has it, in the version of a resource that shows it, with kind and apiVersion.
    pub fn shown_as(&self, served: &ServedResource, object: Value) -> Result<Value, Status> {
        let mut shown = served.codec.show(served, object)?;
        served.set_kind(&mut shown);
        Ok(shown)
    }

    /// The codec of a resource's bodies, or of those of a subresource: a Scale is of a built-in kind everywhere.
    pub(crate) fn codec<'a>(&'a self, served: &'a ServedResource, subresource: &str) -> &'a dyn Codec {
        if subresource == "scale" { &self.builtin } else { served.codec.as_ref() }
    }

    /// The type of the body of such a request.
    pub fn types_of<'a>(&'a self, served: &'a ServedResource, subresource: &str) -> (&'a Schema, TypeId) {
        self.codec(served, subresource).types(served, subresource)
    }

    /// Reads the changed result of `shown_as` as admission has it: with the defaults of added parts.
    pub fn read_shown(
        &self,
        served: &ServedResource,
        subresource: &str,
        mut shown: Value,
    ) -> Result<Value, Status> {
        shown.remove(&["kind"]);
        shown.remove(&["apiVersion"]);
        let codec = self.codec(served, subresource);
        if codec.is_typed() {
            let (schema, ty) = codec.types(served, subresource);
            let decoded = decode::json::normalise(schema, ty, &shown).map_err(Status::internal)?;
            if let Some(why) = decoded.strict.first() {
                return Err(Status::internal(format!("strict decoding error: {why}")));
            }
            shown = decoded.value;
        }
        codec.prune(&mut shown);
        self.draft_of(served, subresource, shown)
    }

    /// Reads a tree of `shown_as` that a webhook changed in any way: as decoded, without kind and apiVersion, and in
    /// the form of admission. Fields that its type does not have are dropped.
    pub fn read_by_webhook(
        &self,
        served: &ServedResource,
        subresource: &str,
        mut shown: Value,
    ) -> Result<(Value, Value), Status> {
        shown.remove(&["kind"]);
        shown.remove(&["apiVersion"]);
        let codec = self.codec(served, subresource);
        if codec.is_typed() {
            let (schema, ty) = codec.types(served, subresource);
            shown = decode::json::normalise(schema, ty, &shown).map_err(Status::internal)?.value;
        }
        let read = shown.clone();
        codec.prune(&mut shown);
        Ok((read, self.draft_of(served, subresource, shown)?))
    }

    /// A changed object as admission has it. That of a subresource with a kind of its own is as it is.
    fn draft_of(
        &self,
        served: &ServedResource,
        subresource: &str,
        mut shown: Value,
    ) -> Result<Value, Status> {
        let own = served.resource.subresource(subresource);
        if own.is_some_and(|sub| sub.kind != served.resource.kind) {
            return Ok(shown);
        }
        served.codec.default(served, &mut shown)?;
        served.codec.to_storage(served, shown)
    }

    /// Writes the JSON of a tree of `shown_as`, in the field order of its type.
    pub fn write_shown(&self, served: &ServedResource, subresource: &str, shown: &Value, out: &mut Vec<u8>) {
        let codec = self.codec(served, subresource);
        codec.write_tree(codec.types(served, subresource).1, shown, out);
    }

    /// The picked part of a stored object, in the version it is stored in; other parts do not matter.
    pub fn picked_tree(
        &self,
        served: &ServedResource,
        pick: &Pick,
        object: &Object,
    ) -> Result<Value, Status> {
        check_decrypted(object)?;
        if !object.value.starts_with(decode::protobuf::MAGIC) {
            return served.codec.read_stored(served, &object.value);
        }
        let envelope = decode::protobuf::envelope(&object.value).map_err(Status::internal)?;
        let cut = pick.cut(envelope.raw).map_err(Status::internal)?;
        decode::protobuf::decode(&self.api.schema, served.storage_ty, &cut).map_err(Status::internal)
    }

    /// Compact JSON as an item of a list: without kind and apiVersion, except for custom resources.
    pub fn json_item(&self, served: &ServedResource, object: &Object) -> Result<Bytes, Status> {
        let tag = served.codec.encoding_tag();
        let encode = || {
            let mut out = Vec::with_capacity(tag.len() + object.value.len() * 2);
            out.extend_from_slice(tag);
            served.codec.write_item(served, object, &mut out).map(|()| Bytes::from(out))
        };
        // An object that cannot be shown keeps an empty form.
        let kept = object.encoding(served.form, |_| encode().unwrap_or_default());
        let form = if kept.is_empty() || !kept.starts_with(tag) { encode()? } else { kept };
        Ok(form.slice(tag.len()..))
    }

    /// Appends the JSON of an item to a list. If nothing is to be cached, a cached encoding is still used.
    pub(crate) fn append_json_item(
        &self,
        served: &ServedResource,
        object: &Object,
        keeps: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Status> {
        if keeps {
            out.extend_from_slice(&self.json_item(served, object)?);
            return Ok(());
        }
        let kept = object.cached_encoding(served.form).filter(|kept| !kept.is_empty());
        match kept.as_deref().and_then(|kept| kept.strip_prefix(served.codec.encoding_tag())) {
            Some(kept) => out.extend_from_slice(kept),
            None => served.codec.write_item(served, object, out)?,
        }
        Ok(())
    }

    /// The message in the stored bytes, where it is the one that clients get but for its resourceVersion.
    pub(crate) fn stored_message<'a>(
        &self,
        served: &ServedResource,
        object: &'a Object,
    ) -> Result<Option<&'a [u8]>, Status> {
        let is_unstored = object.mod_revision.0 == 0;
        if is_unstored || served.is_converted() || !object.value.starts_with(decode::protobuf::MAGIC) {
            return Ok(None);
        }
        check_object(&served.storage, object)?;
        decode::protobuf::envelope(&object.value).map(|found| Some(found.raw)).map_err(refuse)
    }

    /// The message of an object that is stored otherwise.
    fn encoded_message(&self, served: &ServedResource, object: &Object) -> Result<Vec<u8>, Status> {
        let tree = served.bare_tree(object)?;
        let mut out = Vec::with_capacity(object.value.len() + 16);
        encode::protobuf::encode(&self.api.schema, served.resource.ty, &tree, &mut out);
        Ok(out)
    }

    /// The places of a list item's message in the stored bytes, and its length; no places where it is stored otherwise.
    pub(crate) fn protobuf_places(
        &self,
        served: &ServedResource,
        object: &Object,
        part: Part,
    ) -> Result<(Option<Places>, usize), Status> {
        let has_other_metadata = part == Part::Metadata
            && (!served.strategy.field_annotations().is_empty() || served.strategy.restore(&mut Value::Null));
        let is_unstored = object.mod_revision.0 == 0;
        if is_unstored
            || served.is_converted()
            || has_other_metadata
            || !object.value.starts_with(decode::protobuf::MAGIC)
        {
            return Ok((None, self.item_message(served, object, part)?.len()));
        }
        check_object(&served.storage, object)?;
        let places = Places::find(&object.value, part).map_err(refuse)?;
        Ok((Some(places), places.len(splice::digits(object.mod_revision.0))))
    }

    /// The message of a list's item that is stored otherwise.
    pub(crate) fn item_message(
        &self,
        served: &ServedResource,
        object: &Object,
        part: Part,
    ) -> Result<Vec<u8>, Status> {
        match part {
            Part::Whole => self.encoded_message(served, object),
            Part::Metadata => self.partial_message(served, object),
        }
    }

    pub fn protobuf_document(&self, served: &ServedResource, object: &Object) -> Result<Bytes, Status> {
        let raw = match self.stored_message(served, object)? {
            Some(message) => {
                let version = object.mod_revision.to_string();
                let spliced = Spliced::new(message, &version).map_err(refuse)?;
                let mut raw = Vec::with_capacity(spliced.len());
                spliced.write(&mut raw);
                raw
            }
            None => self.encoded_message(served, object)?,
        };
        Ok(Bytes::from(encode::protobuf::envelope(&served.api_version(), &served.resource.kind, &raw)))
    }

    /// The JSON document of an object: one line, with its end.
    pub fn json_document(&self, served: &ServedResource, object: &Object) -> Result<Bytes, Status> {
        let item = self.json_item(served, object)?;
        let mut out = Vec::with_capacity(item.len() + 64);
        append_document(served, &item, &mut out);
        out.push(b'\n');
        Ok(Bytes::from(out))
    }

    /// An object that is answered but not stored, in the form of one that is.
    pub fn unstored(&self, served: &ServedResource, mut tree: Value) -> Arc<Object> {
        let value = served.codec.to_stored(served, &mut tree);
        let attrs = attrs::of_tree(&self.api.schema, served, &tree);
        let key = Key::new(&served.key(&attrs.namespace, &attrs.name));
        Arc::new(Object::new(key, Revision(0), Revision(0), value, attrs))
    }
}

/// Appends an item of a list as a document: `{"kind":"Pod","apiVersion":"v1",` and the item, unless it has its kind and
/// version.
pub(crate) fn append_document(served: &ServedResource, item: &[u8], out: &mut Vec<u8>) {
    if !served.is_typed() {
        out.extend_from_slice(item);
        return;
    }
    out.extend_from_slice(b"{\"kind\":\"");
    out.extend_from_slice(served.resource.kind.as_bytes());
    out.extend_from_slice(b"\",\"apiVersion\":\"");
    out.extend_from_slice(served.api_version().as_bytes());
    out.extend_from_slice(b"\",");
    out.extend_from_slice(item.get(1..).unwrap_or(b"}"));
}

fn refuse(error: impl ToString) -> Status {
    unreadable(&error.to_string())
}
