//! Objects between the store's bytes, trees and the bytes that clients get.

use crate::custom::object as custom_object;
use crate::engine::Engine;
use crate::resource::ServedResource;
use crate::storage::convert;
use crate::storage::fields;
use crate::storage::undecodable;
use bytes::Bytes;
use pintle_object::meta;
use pintle_object::wire::{Payload, Reader};
use pintle_object::{Status, Text, Value, json};
use pintle_schema::decode::Pick;
use pintle_schema::encode::splice::{self, Part, Places, Spliced};
use pintle_schema::model::Schema;
use pintle_schema::{Builtin, TypeId, decode, encode};
use pintle_store::{Attrs, Key, Object, Revision};
use std::sync::Arc;

impl Engine {
    /// The tree of a stored object in the version of `served`, with kind, apiVersion and resourceVersion.
    pub fn tree(&self, served: &ServedResource, object: &Object) -> Result<Value, Status> {
        let mut tree = bare_tree(&self.api, served, object)?;
        set_kind(served, &mut tree);
        Ok(tree)
    }

    /// The tree of a stored object in the version it is stored in: what rules, admission and patches see.
    pub fn storage_tree(&self, served: &ServedResource, object: &Object) -> Result<Value, Status> {
        undecodable::check_decrypted(object)?;
        let mut tree = storage_tree(&self.api, served, &object.value)?;
        meta::set_resource_version(&mut tree, object.mod_revision.0);
        Ok(tree)
    }

    /// An object as admission has it, in the version of a resource that shows it, with kind and apiVersion.
    pub fn shown_as(&self, served: &ServedResource, object: Value) -> Result<Value, Status> {
        let mut shown = convert::from_storage(&self.api, served, object)?;
        set_kind(served, &mut shown);
        Ok(shown)
    }

    /// The type of the body of such a request.
    pub fn types_of<'a>(&'a self, served: &'a ServedResource, subresource: &str) -> (&'a Schema, TypeId) {
        let own = served.resource.subresource(subresource).and_then(|sub| sub.ty);
        match (&served.custom, own) {
            _ if subresource == "scale" => (&self.api.schema, self.scale_type()),
            (Some(custom), _) => (&custom.types, custom.ty),
            (None, own) => (&self.api.schema, own.unwrap_or(served.resource.ty)),
        }
    }

    /// What `shown_as` has shown, changed, as admission has it: with the defaults of what was added.
    pub fn read_shown(
        &self,
        served: &ServedResource,
        subresource: &str,
        mut shown: Value,
    ) -> Result<Value, Status> {
        shown.remove(&["kind"]);
        shown.remove(&["apiVersion"]);
        if let Some(custom) = served.custom.as_ref().filter(|_| subresource != "scale") {
            custom.schema.prune(&mut shown);
        } else {
            let (schema, ty) = self.types_of(served, subresource);
            let decoded = decode::json::normalise(schema, ty, &shown).map_err(Status::internal)?;
            if let Some(why) = decoded.strict.first() {
                return Err(Status::internal(format!("strict decoding error: {why}")));
            }
            shown = decoded.value;
        }
        let own = served.resource.subresource(subresource);
        if own.is_some_and(|sub| sub.kind != served.resource.kind) {
            return Ok(shown);
        }
        convert::default(&self.api, served, &mut shown);
        convert::to_storage(&self.api, served, shown)
    }

    /// What `shown_as` has shown, changed by somebody who may do so in any way: as it reads, without kind and
    /// apiVersion, and as admission has it. Fields that its type does not have are dropped.
    pub fn read_by_webhook(
        &self,
        served: &ServedResource,
        subresource: &str,
        mut shown: Value,
    ) -> Result<(Value, Value), Status> {
        shown.remove(&["kind"]);
        shown.remove(&["apiVersion"]);
        if served.custom.is_none() || subresource == "scale" {
            let (schema, ty) = self.types_of(served, subresource);
            shown = decode::json::normalise(schema, ty, &shown).map_err(Status::internal)?.value;
        }
        let read = shown.clone();
        let own = served.resource.subresource(subresource);
        if subresource == "scale" || own.is_some_and(|sub| sub.kind != served.resource.kind) {
            return Ok((read, shown));
        }
        if let Some(custom) = &served.custom {
            custom.schema.prune(&mut shown);
        }
        convert::default(&self.api, served, &mut shown);
        Ok((read, convert::to_storage(&self.api, served, shown)?))
    }

    /// Writes the JSON of what `shown_as` has shown, in the order of its type.
    pub fn write_shown(&self, served: &ServedResource, subresource: &str, shown: &Value, out: &mut Vec<u8>) {
        if served.custom.is_some() && subresource != "scale" {
            return json::write_value(out, shown);
        }
        let (schema, ty) = self.types_of(served, subresource);
        encode::json::encode(schema, ty, shown, out);
    }

    /// What a pick leaves of a stored object, in the version it is stored in; what else is there does not matter.
    pub fn picked_tree(
        &self,
        served: &ServedResource,
        pick: &Pick,
        object: &Object,
    ) -> Result<Value, Status> {
        if served.custom.is_some() || !object.value.starts_with(decode::protobuf::MAGIC) {
            return storage_tree(&self.api, served, &object.value);
        }
        let envelope = decode::protobuf::envelope(&object.value).map_err(Status::internal)?;
        let cut = pick.cut(envelope.raw).map_err(Status::internal)?;
        decode::protobuf::decode(&self.api.schema, served.storage_ty, &cut).map_err(Status::internal)
    }

    /// Compact JSON as it stands in a list: without kind and apiVersion, but for custom resources.
    pub fn json_item(&self, served: &ServedResource, object: &Object) -> Result<Bytes, Status> {
        let Some(custom) = &served.custom else {
            let encode = || {
                let mut out = Vec::with_capacity(object.value.len() * 2);
                self.write_json_item(served, object, &mut out).map(|()| Bytes::from(out))
            };
            // An object that cannot be shown keeps an empty form.
            let kept = object.encoding(served.form, |_| encode().unwrap_or_default());
            return if kept.is_empty() { encode() } else { Ok(kept) };
        };
        // What is shown depends on the definition: the kept form begins with the generation that it was made by.
        let tag = custom.generation.to_be_bytes();
        let encode = || {
            let mut out = tag.to_vec();
            self.write_json_item(served, object, &mut out).map(|()| Bytes::from(out))
        };
        // An object that cannot be shown keeps an empty form.
        let kept = object.encoding(served.form, |_| encode().unwrap_or_default());
        let form = if kept.starts_with(&tag) { kept } else { encode()? };
        Ok(form.slice(tag.len()..))
    }

    /// The same at the end of a list so far. Where nothing shall be kept, what is kept already is used.
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
        let tag = served.custom.as_ref().map(|custom| custom.generation.to_be_bytes());
        let tag = tag.as_ref().map_or(&[][..], |tag| tag);
        match object.cached_encoding(served.form).as_deref().and_then(|kept| kept.strip_prefix(tag)) {
            Some(kept) => out.extend_from_slice(kept),
            None => self.write_json_item(served, object, out)?,
        }
        Ok(())
    }

    /// Objects of the stored version go from protobuf to JSON directly, without a tree.
    fn write_json_item(
        &self,
        served: &ServedResource,
        object: &Object,
        out: &mut Vec<u8>,
    ) -> Result<(), Status> {
        if served.custom.is_some() {
            json::write_value(out, &self.tree(served, object)?);
            return Ok(());
        }
        let (schema, ty) = (&self.api.schema, served.resource.ty);
        undecodable::check_object(served, object)?;
        let is_unstored = object.mod_revision.0 == 0;
        let needs_tree = is_unstored || served.is_converted() || served.strategy.restore(&mut Value::Null);
        if needs_tree || !object.value.starts_with(decode::protobuf::MAGIC) {
            encode::json::encode(schema, ty, &bare_tree(&self.api, served, object)?, out);
            return Ok(());
        }
        let begin = out.len();
        let envelope = decode::protobuf::envelope(&object.value).map_err(refuse)?;
        let version = object.mod_revision.to_string();
        encode::transcode::json(schema, ty, envelope.raw, &version, out).map_err(|error| {
            // What was written so far is no document.
            out.truncate(begin);
            refuse(error)
        })
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
        undecodable::check_object(served, object)?;
        decode::protobuf::envelope(&object.value).map(|found| Some(found.raw)).map_err(refuse)
    }

    /// The message of an object that is stored otherwise.
    fn encoded_message(&self, served: &ServedResource, object: &Object) -> Result<Vec<u8>, Status> {
        let tree = bare_tree(&self.api, served, object)?;
        let mut out = Vec::with_capacity(object.value.len() + 16);
        encode::protobuf::encode(&self.api.schema, served.resource.ty, &tree, &mut out);
        Ok(out)
    }

    /// Where the message of a list's item stands in the stored bytes, and its length; no place where it is stored
    /// otherwise.
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
        undecodable::check_object(served, object)?;
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
        if served.custom.is_some() {
            out.extend_from_slice(&item);
        } else {
            write_json_head(served, &mut out);
            out.extend_from_slice(item.get(1..).unwrap_or(b"}"));
        }
        out.push(b'\n');
        Ok(Bytes::from(out))
    }

    /// An object that is answered but not stored, in the form of one that is.
    pub fn unstored(&self, served: &ServedResource, mut tree: Value) -> Arc<Object> {
        let (value, attrs) = self.to_stored(served, &mut tree);
        let key = Key::new(&served.key(&attrs.namespace, &attrs.name));
        Arc::new(Object::new(key, Revision(0), Revision(0), value, attrs))
    }

    /// The bytes to store and the attributes of an object in the version it is stored in, without a resourceVersion.
    pub(crate) fn to_stored(&self, served: &ServedResource, tree: &mut Value) -> (Bytes, Attrs) {
        if let Some(custom) = &served.custom {
            custom_object::to_stored(served, custom, tree);
            return (Bytes::from(json::to_string(tree)), attrs(&self.api, served, tree));
        }
        let api_version = served.storage.group_version().to_string();
        let kind = &served.storage.kind;
        let value = encode::protobuf::document(&self.api.schema, served.storage_ty, &api_version, kind, tree);
        (Bytes::from(value), attrs(&self.api, served, tree))
    }
}

/// `{"kind":"Pod","apiVersion":"v1",` up to where the item goes on.
pub fn write_json_head(served: &ServedResource, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"kind\":\"");
    out.extend_from_slice(served.resource.kind.as_bytes());
    out.extend_from_slice(b"\",\"apiVersion\":\"");
    out.extend_from_slice(served.api_version().as_bytes());
    out.extend_from_slice(b"\",");
}

pub(crate) fn set_kind(served: &ServedResource, tree: &mut Value) {
    tree.set(&["kind"], served.resource.kind.as_ref());
    tree.set(&["apiVersion"], served.api_version());
}

/// The tree in the version of `served`, without kind and apiVersion.
fn bare_tree(api: &Builtin, served: &ServedResource, object: &Object) -> Result<Value, Status> {
    undecodable::check_decrypted(object)?;
    let mut tree = storage_tree(api, served, &object.value)?;
    if served.is_converted() && served.custom.is_none() {
        tree = convert::from_storage(api, served, tree)?;
        tree.remove(&["kind"]);
        tree.remove(&["apiVersion"]);
    }
    if object.mod_revision.0 > 0 {
        meta::set_resource_version(&mut tree, object.mod_revision.0);
    }
    Ok(tree)
}

fn storage_tree(api: &Builtin, served: &ServedResource, value: &[u8]) -> Result<Value, Status> {
    if let Some(custom) = &served.custom {
        return custom_object::from_stored(api, served, custom, value);
    }
    let mut tree = decode_stored(api, served, value)?;
    served.strategy.restore(&mut tree);
    Ok(tree)
}

fn decode_stored(api: &Builtin, served: &ServedResource, value: &[u8]) -> Result<Value, Status> {
    undecodable::check_envelope(served, value)?;
    if value.starts_with(decode::protobuf::MAGIC) {
        let envelope = decode::protobuf::envelope(value).map_err(refuse)?;
        return decode::protobuf::decode(&api.schema, served.storage_ty, envelope.raw).map_err(refuse);
    }
    let mut tree = decode::json::decode(&api.schema, served.storage_ty, value).map_err(refuse)?.value;
    undecodable::check_kind(served, tree.str_at(&["apiVersion"]), tree.str_at(&["kind"]))?;
    tree.remove(&["kind"]);
    tree.remove(&["apiVersion"]);
    // No API server wrote it, or it would be in protobuf: what they would have filled in is missing.
    convert::default_stored(api, served, &mut tree);
    Ok(tree)
}

fn refuse(error: impl ToString) -> Status {
    undecodable::unreadable(&error.to_string())
}

pub(crate) fn attrs(api: &Builtin, served: &ServedResource, tree: &Value) -> Attrs {
    let text = |field| Text::from(tree.str_at(&["metadata", field]));
    let labels = tree.map_at(&["metadata", "labels"]).into_iter().flat_map(|labels| labels.iter());
    Attrs {
        namespace: text("namespace"),
        name: text("name"),
        uid: text("uid"),
        labels: labels.map(|(key, value)| (key.into(), value.as_str().unwrap_or("").into())).collect(),
        fields: fields::values(&api.schema, served, tree).into(),
    }
}

/// The attributes of stored bytes, of which no more is decoded than it takes.
pub(crate) fn attrs_of_bytes(api: &Builtin, served: &ServedResource, value: &[u8]) -> Option<Attrs> {
    if value.starts_with(decode::protobuf::MAGIC) && served.custom.is_none() {
        undecodable::check_envelope(served, value).ok()?;
        let envelope = decode::protobuf::envelope(value).ok()?;
        let mut attrs = attrs_of_message(envelope.raw)?;
        if fields::has_any(served) {
            let cut = served.selected.cut(envelope.raw).ok()?;
            let tree = decode::protobuf::decode(&api.schema, served.storage_ty, &cut).ok()?;
            attrs.fields = fields::values(&api.schema, served, &tree).into();
        }
        return Some(attrs);
    }
    // Defaults of today's schema count: what selects an object is what a client sees of it.
    let tree = match &served.custom {
        Some(custom) => custom_object::from_stored(api, served, custom, value).ok()?,
        None => decode_stored(api, served, value).ok()?,
    };
    Some(attrs(api, served, &tree))
}

/// Field numbers of the metadata in every object, and of what the attributes need in the metadata.
const METADATA: u32 = 1;
const NAME: u32 = 1;
const NAMESPACE: u32 = 3;
const UID: u32 = 5;
const LABELS: u32 = 11;

fn attrs_of_message(message: &[u8]) -> Option<Attrs> {
    let mut attrs = Attrs::default();
    let mut labels: Vec<(Text, Text)> = Vec::new();
    let text = |payload: Payload<'_>| {
        payload.bytes(0).ok().and_then(|b| std::str::from_utf8(b).ok().map(Text::from))
    };
    let mut reader = Reader::new(message);
    while let Some((field, payload)) = reader.next_field().ok()? {
        if field != METADATA {
            continue;
        }
        let mut inner = Reader::new(payload.bytes(field).ok()?);
        while let Some((field, payload)) = inner.next_field().ok()? {
            match field {
                NAME => attrs.name = text(payload)?,
                NAMESPACE => attrs.namespace = text(payload)?,
                UID => attrs.uid = text(payload)?,
                LABELS => {
                    let mut entry = Reader::new(payload.bytes(field).ok()?);
                    let (mut key, mut value) = (Text::default(), Text::default());
                    while let Some((field, payload)) = entry.next_field().ok()? {
                        if field == 1 {
                            key = text(payload)?;
                        } else {
                            value = text(payload)?;
                        }
                    }
                    labels.push((key, value));
                }
                _ => {}
            }
        }
    }
    labels.sort();
    attrs.labels = labels.into();
    Some(attrs)
}
