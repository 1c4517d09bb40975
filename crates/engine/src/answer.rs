//! Bodies of answers, built from encoded items where possible: objects, lists, partial metadata.

use crate::custom::object as custom_object;
use crate::encoding::{set_kind, write_json_head};
use crate::engine::{Engine, Served};
use crate::list::Listing;
use bytes::Bytes;
use pintle_object::{Map, Status, Value, json};
use pintle_schema::encode::list::{self, ListMeta};
use pintle_schema::encode::splice::Spliced;
use pintle_schema::{TypeId, encode};
use pintle_store::Object;

/// Where PartialObjectMetadata, its list and Table belong.
pub const META_VERSION: &str = "meta.k8s.io/v1";

impl Engine {
    pub fn list_json(&self, served: &Served, listing: &Listing) -> Result<Bytes, Status> {
        if served.custom.is_some() {
            return self.custom_list_json(served, listing);
        }
        let items = listing.items.iter().map(|object| self.json_item(served, object));
        let items: Vec<Bytes> = items.collect::<Result<_, Status>>()?;
        let len: usize = items.iter().map(|item| item.len() + 1).sum();
        let mut out = Vec::with_capacity(len + 256);
        let version = version_text(listing.revision);
        list::json_head(
            &served.api_version(),
            &served.resource.list_kind,
            &meta(listing, &version),
            &mut out,
        );
        for (place, item) in items.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            out.extend_from_slice(item);
        }
        out.extend_from_slice(b"]}");
        Ok(Bytes::from(out))
    }

    /// Like the list of built-in objects, but with its keys sorted.
    fn custom_list_json(&self, served: &Served, listing: &Listing) -> Result<Bytes, Status> {
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(b"{\"apiVersion\":");
        json::write_string(&mut out, &served.api_version());
        out.extend_from_slice(b",\"items\":[");
        for (place, object) in listing.items.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&self.json_item(served, object)?);
        }
        out.extend_from_slice(b"],\"kind\":");
        json::write_string(&mut out, &served.resource.list_kind);
        out.extend_from_slice(b",\"metadata\":");
        json::write_value(&mut out, &custom_metadata(listing));
        out.push(b'}');
        Ok(Bytes::from(out))
    }

    pub fn list_protobuf(&self, served: &Served, listing: &Listing) -> Result<Bytes, Status> {
        let mut messages: Vec<Bytes> = Vec::with_capacity(listing.items.len());
        for object in &listing.items {
            messages.push(self.protobuf_message(served, object)?);
        }
        let mut items = Vec::with_capacity(messages.len());
        for (message, object) in messages.iter().zip(&listing.items) {
            items.push(Spliced::new(message, &object.modified.to_string()).map_err(Status::internal)?);
        }
        let version = version_text(listing.revision);
        let kind = &served.resource.list_kind;
        Ok(Bytes::from(list::protobuf(&served.api_version(), kind, &meta(listing, &version), &items)))
    }

    /// A tree of a kind of the built-in schema, as JSON.
    pub fn tree_json(&self, ty: TypeId, tree: &Value) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        encode::json::encode(&self.api.schema, ty, tree, &mut out);
        out
    }

    /// A tree of a kind of the built-in schema, as a protobuf document.
    pub fn tree_protobuf(&self, ty: TypeId, tree: &Value) -> Vec<u8> {
        let (api_version, kind) = (tree.str_at(&["apiVersion"]), tree.str_at(&["kind"]));
        encode::protobuf::document(&self.api.schema, ty, api_version, kind, tree)
    }

    /// A list as a tree, for the forms that are rendered from trees.
    pub fn list_tree(&self, served: &Served, listing: &Listing) -> Result<Value, Status> {
        let mut items = Vec::with_capacity(listing.items.len());
        for object in &listing.items {
            let mut item = self.tree(served, object)?;
            if served.custom.is_none() {
                item.remove(&["kind"]);
                item.remove(&["apiVersion"]);
            }
            items.push(item);
        }
        let mut list = Value::map();
        set_kind(served, &mut list);
        list.set(&["kind"], served.resource.list_kind.as_ref());
        let is_custom = served.custom.is_some();
        list.set(&["metadata"], if is_custom { custom_metadata(listing) } else { list_metadata(listing) });
        list.set(&["items"], items);
        Ok(list)
    }

    /// The metadata of an object alone, as `PartialObjectMetadata`.
    pub fn partial(&self, served: &Served, tree: &Value) -> Value {
        let mut partial = Value::map();
        partial.set(&["kind"], "PartialObjectMetadata");
        partial.set(&["apiVersion"], META_VERSION);
        partial.set(&["metadata"], tree.get("metadata").cloned().unwrap_or_else(Value::map));
        hide_annotations(served, &mut partial);
        partial
    }

    pub fn partial_list(&self, served: &Served, listing: &Listing) -> Result<Value, Status> {
        let mut items = Vec::with_capacity(listing.items.len());
        for object in &listing.items {
            items.push(self.partial(served, &self.tree(served, object)?));
        }
        let mut list = Value::map();
        list.set(&["kind"], "PartialObjectMetadataList");
        list.set(&["apiVersion"], META_VERSION);
        list.set(&["metadata"], list_metadata(listing));
        // Upstream leaves the list nil when there is nothing in it, and JSON shows that.
        let items = if items.is_empty() { Value::Null } else { Value::from(items) };
        list.set(&["items"], items);
        Ok(list)
    }

    /// The type of `PartialObjectMetadata` (or its list), to encode it.
    pub fn meta_type(&self, kind: &str) -> TypeId {
        let name = format!("k8s.io.apimachinery.pkg.apis.meta.v1.{kind}");
        self.api.schema.named(&name).expect("the tables hold the kinds of meta")
    }

    /// Writes the JSON of a watch event, from shared bytes. An object that cannot be shown makes the event an error.
    pub fn write_watch_json(&self, served: &Served, kind: &str, object: &Object, out: &mut Vec<u8>) {
        let item = match self.json_item(served, object) {
            Ok(item) => item,
            Err(status) => {
                let mut event = Value::map();
                event.set(&["object"], status.to_value());
                event.set(&["type"], "ERROR");
                json::write_value(out, &event);
                out.push(b'\n');
                return;
            }
        };
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",\"object\":");
        if served.custom.is_some() {
            out.extend_from_slice(&item);
        } else {
            write_json_head(served, out);
            out.extend_from_slice(item.get(1..).unwrap_or(b"}"));
        }
        out.extend_from_slice(b"}\n");
    }
}

/// Upstream takes metadata from its internal form, in which some annotations are fields.
fn hide_annotations(served: &Served, partial: &mut Value) {
    for annotation in served.rules.field_annotations() {
        partial.remove(&["metadata", "annotations", annotation]);
    }
    if partial.map_at(&["metadata", "annotations"]).is_some_and(Map::is_empty) {
        partial.remove(&["metadata", "annotations"]);
    }
}

fn meta<'a>(listing: &'a Listing, version: &'a str) -> ListMeta<'a> {
    ListMeta {
        resource_version: version,
        continue_token: &listing.continue_token,
        remaining: listing.remaining,
    }
}

/// Lists of what is not stored have no version.
fn version_text(revision: u64) -> String {
    if revision == 0 { String::new() } else { revision.to_string() }
}

fn custom_metadata(listing: &Listing) -> Value {
    custom_object::list_metadata(&version_text(listing.revision), &listing.continue_token, listing.remaining)
}

/// ListMeta as a tree.
pub fn list_metadata(listing: &Listing) -> Value {
    let mut metadata = Map::new();
    if listing.revision > 0 {
        metadata.insert("resourceVersion", version_text(listing.revision));
    }
    if !listing.continue_token.is_empty() {
        metadata.insert("continue", listing.continue_token.as_str());
    }
    if let Some(remaining) = listing.remaining {
        metadata.insert("remainingItemCount", remaining);
    }
    Value::Map(metadata)
}
