//! Bodies of answers that are made from trees, partial metadata, and the metadata of lists.

use crate::engine::Engine;
use crate::read::list::Listing;
use crate::resource::ServedResource;
use crate::storage::encoding::append_document;
use pintle_object::{Map, Status, Value, json};
use pintle_schema::encode::list::ListMeta;
use pintle_schema::encode::splice;
use pintle_schema::{TypeId, encode};
use pintle_store::Object;

/// The group and version of PartialObjectMetadata, its list and Table.
pub const META_VERSION: &str = "meta.k8s.io/v1";

impl Engine {
    /// A tree of a kind of the built-in schema, as a JSON document of one line.
    pub fn json_line(&self, ty: TypeId, tree: &Value) -> Vec<u8> {
        let mut out = self.tree_json(ty, tree);
        out.push(b'\n');
        out
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

    /// The metadata of an object alone, as `PartialObjectMetadata`.
    pub fn partial(&self, served: &ServedResource, tree: &Value) -> Value {
        let mut partial = Value::map();
        partial.set(&["kind"], "PartialObjectMetadata");
        partial.set(&["apiVersion"], META_VERSION);
        partial.set(&["metadata"], tree.get("metadata").cloned().unwrap_or_else(Value::map));
        hide_annotations(served, &mut partial);
        partial
    }

    /// The JSON of `PartialObjectMetadata`, from the stored bytes where they show the metadata as it is.
    pub(crate) fn append_partial_json(
        &self,
        served: &ServedResource,
        object: &Object,
        api_version: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), Status> {
        let ty = self.meta_type("PartialObjectMetadata");
        let Some(metadata) = self.stored_metadata(served, object)? else {
            let mut partial = self.partial(served, &self.tree(served, object)?);
            partial.set(&["apiVersion"], api_version);
            encode::json::encode(&self.api.schema, ty, &partial, out);
            return Ok(());
        };
        let head = format!("{{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"{api_version}\",");
        out.extend_from_slice(head.as_bytes());
        let start = out.len();
        let version = object.mod_revision.to_string();
        encode::transcode::json(&self.api.schema, ty, metadata, &version, out).map_err(Status::internal)?;
        // The text goes on in place of the object's own opening brace.
        out.remove(start);
        Ok(())
    }

    pub(crate) fn partial_message(
        &self,
        served: &ServedResource,
        object: &Object,
    ) -> Result<Vec<u8>, Status> {
        let mut out = Vec::with_capacity(512);
        let partial = self.partial(served, &self.tree(served, object)?);
        let ty = self.meta_type("PartialObjectMetadata");
        encode::protobuf::encode(&self.api.schema, ty, &partial, &mut out);
        Ok(out)
    }

    /// The field of the stored message that holds the metadata, where clients see it as it is stored.
    fn stored_metadata<'a>(
        &self,
        served: &ServedResource,
        object: &'a Object,
    ) -> Result<Option<&'a [u8]>, Status> {
        if !served.strategy.field_annotations().is_empty() {
            return Ok(None);
        }
        let message = self.stored_message(served, object)?;
        Ok(message.filter(|_| !served.strategy.restore(&mut Value::Null)).map(splice::metadata))
    }

    /// The type of `PartialObjectMetadata` (or its list), to encode it.
    pub fn meta_type(&self, kind: &str) -> TypeId {
        let name = format!("k8s.io.apimachinery.pkg.apis.meta.v1.{kind}");
        self.api.schema.named(&name).expect("the tables hold the kinds of meta")
    }

    /// Writes the JSON of a watch event, from shared bytes. An object that cannot be shown makes the event an error.
    pub fn write_watch_json(&self, served: &ServedResource, kind: &str, object: &Object, out: &mut Vec<u8>) {
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
        append_document(served, &item, out);
        out.extend_from_slice(b"}\n");
    }
}

/// Upstream takes metadata from its internal form, in which some annotations are fields.
fn hide_annotations(served: &ServedResource, partial: &mut Value) {
    for annotation in served.strategy.field_annotations() {
        partial.remove(&["metadata", "annotations", annotation]);
    }
    if partial.map_at(&["metadata", "annotations"]).is_some_and(Map::is_empty) {
        partial.remove(&["metadata", "annotations"]);
    }
}

pub(crate) fn meta<'a>(listing: &'a Listing, version: &'a str) -> ListMeta<'a> {
    ListMeta {
        resource_version: version,
        continue_token: &listing.continue_token,
        remaining: listing.remaining,
    }
}

/// The version of a list, empty for resources that are not stored.
pub(crate) fn version_text(revision: u64) -> String {
    if revision == 0 { String::new() } else { revision.to_string() }
}

/// ListMeta of a list without a type, with the keys sorted that Go's maps are written by.
pub(crate) fn untyped_metadata(listing: &Listing) -> Value {
    let mut metadata = Map::new();
    metadata.insert("continue", listing.continue_token.as_str());
    if let Some(remaining) = listing.remaining {
        metadata.insert("remainingItemCount", remaining);
    }
    metadata.insert("resourceVersion", version_text(listing.revision));
    Value::Map(metadata)
}

/// ListMeta as a tree.
pub(crate) fn list_metadata(listing: &Listing) -> Value {
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
