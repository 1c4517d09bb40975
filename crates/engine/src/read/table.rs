//! Tables for `kubectl get`, with a row per object.

use crate::engine::Engine;
use crate::read::list::Listing;
use crate::read::list_meta::META_VERSION;
use crate::resource::ServedResource;
use pintle_kinds::cells;
use pintle_object::Query;
use pintle_object::json::{write_string, write_value};
use pintle_object::{Status, Value};
use pintle_schema::Column;
use pintle_schema::encode;

/// The part of each object that a row carries (`includeObject`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Include {
    Metadata,
    Object,
    None,
}

impl Include {
    /// Reads the `includeObject` parameter.
    pub fn read(query: &Query) -> Result<Include, Status> {
        match query.text("includeObject") {
            "" | "Metadata" => Ok(Include::Metadata),
            "Object" => Ok(Include::Object),
            "None" => Ok(Include::None),
            other => {
                let quoted = pintle_object::field::quote(other);
                Err(Status::bad_request(format!(
                    "Unable to convert to Table as requested: includeObject: Invalid value: {quoted}: must be \
                     'Metadata', 'Object', 'None', or empty"
                )))
            }
        }
    }
}

/// The options of rendering a table.
#[derive(Clone, Copy, Debug)]
pub struct TableStyle {
    pub include: Include,
    /// Later events of a watch leave the columns out.
    pub has_columns: bool,
    pub now_seconds: i64,
}

impl Engine {
    /// Puts the objects of a list in the order of the rows of its table.
    pub(crate) fn order_rows(&self, served: &ServedResource, listing: &mut Listing) -> Result<(), Status> {
        if served.strategy.row_order(&Value::Null).is_some() {
            let mut keyed = Vec::with_capacity(listing.items.len());
            for object in listing.items.drain(..) {
                keyed.push((served.strategy.row_order(&self.storage_tree(served, &object)?), object));
            }
            keyed.sort_by_key(|(order, _)| *order);
            listing.items = keyed.into_iter().map(|(_, object)| object).collect();
        }
        Ok(())
    }

    /// The table of one object, given as a tree in the served version.
    pub fn object_table(&self, served: &ServedResource, tree: &Value, style: TableStyle) -> Vec<u8> {
        let mut metadata = Value::map();
        if let Some(version) = tree.at(&["metadata", "resourceVersion"]) {
            metadata.set(&["resourceVersion"], version.clone());
        }
        let mut out = Vec::with_capacity(1024);
        self.begin_table(&served.resource.columns, &metadata, style, &mut out);
        self.write_row(served, tree, style, &mut out);
        out.extend_from_slice(b"]}");
        out
    }

    /// The table of a scale, whose columns are the same for all kinds, with other descriptions for custom resources.
    pub fn scale_table(&self, served: &ServedResource, scale: &Value, style: TableStyle) -> Vec<u8> {
        let is_custom = !served.is_typed();
        let column = |name: &'static str, ty: &'static str, format: &'static str| Column {
            name: name.into(),
            ty: ty.into(),
            format: format.into(),
            priority: 0,
            description: name.into(),
        };
        let columns = [
            column("Name", "string", if is_custom { "name" } else { "" }),
            column("Desired", "integer", ""),
            column("Available", "integer", ""),
            column("Age", if is_custom { "date" } else { "string" }, ""),
        ];
        let number = |path: &[&str]| match scale.int_at(path).unwrap_or(0) {
            // Found by its path, a zero that is left out is nothing.
            0 if is_custom && path.first() == Some(&"spec") => Value::Null,
            number => Value::from(number),
        };
        let cells = vec![
            cells::name(scale),
            number(&["spec", "replicas"]),
            number(&["status", "replicas"]),
            cells::age(scale, style.now_seconds),
        ];
        let mut metadata = Value::map();
        if let Some(version) = scale.at(&["metadata", "resourceVersion"]) {
            metadata.set(&["resourceVersion"], version.clone());
        }
        let mut out = Vec::with_capacity(1024);
        self.begin_table(&columns, &metadata, style, &mut out);
        out.extend_from_slice(b"{\"cells\":");
        write_value(&mut out, &Value::List(cells));
        out.extend_from_slice(b",\"object\":");
        let ty = self.meta_type("PartialObjectMetadata");
        let mut partial = Value::map();
        partial.set(&["kind"], "PartialObjectMetadata");
        partial.set(&["apiVersion"], META_VERSION);
        partial.set(&["metadata"], scale.get("metadata").cloned().unwrap_or_else(Value::map));
        encode::json::encode(&self.api.schema, ty, &partial, &mut out);
        out.extend_from_slice(b"}]}");
        out
    }

    pub(crate) fn begin_table(
        &self,
        columns: &[Column],
        metadata: &Value,
        style: TableStyle,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(b"{\"kind\":\"Table\",\"apiVersion\":\"");
        out.extend_from_slice(META_VERSION.as_bytes());
        out.extend_from_slice(b"\",\"metadata\":");
        encode::json::encode(&self.api.schema, self.meta_type("ListMeta"), metadata, out);
        out.extend_from_slice(b",\"columnDefinitions\":");
        if style.has_columns {
            write_columns(columns, out);
        } else {
            out.extend_from_slice(b"null");
        }
        out.extend_from_slice(b",\"rows\":[");
    }

    pub(crate) fn write_row(
        &self,
        served: &ServedResource,
        tree: &Value,
        style: TableStyle,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(b"{\"cells\":");
        let cells = match served.codec.converts_for_rules(served) {
            // Cells are those of the version that the kind is stored in.
            true => (served.codec.to_storage(served, tree.clone()))
                .map(|stored| served.strategy.cells(&stored, style.now_seconds))
                .unwrap_or_default(),
            false => served.strategy.cells(tree, style.now_seconds),
        };
        write_value(out, &Value::List(cells));
        if let Some(condition) = served.strategy.row_condition(tree) {
            out.extend_from_slice(b",\"conditions\":");
            write_value(out, &Value::List(vec![condition]));
        }
        out.extend_from_slice(b",\"object\":");
        match style.include {
            Include::Metadata => {
                let ty = self.meta_type("PartialObjectMetadata");
                encode::json::encode(&self.api.schema, ty, &self.partial(served, tree), out);
            }
            Include::Object => encode::json::encode(&self.api.schema, served.resource.ty, tree, out),
            Include::None => out.extend_from_slice(b"null"),
        }
        out.push(b'}');
    }
}

fn write_columns(columns: &[Column], out: &mut Vec<u8>) {
    out.push(b'[');
    for (place, column) in columns.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        for (head, text) in [
            ("{\"name\":", column.name.as_ref()),
            (",\"type\":", column.ty.as_ref()),
            (",\"format\":", column.format.as_ref()),
            (",\"description\":", column.description.as_ref()),
        ] {
            out.extend_from_slice(head.as_bytes());
            write_string(out, text);
        }
        out.extend_from_slice(format!(",\"priority\":{}}}", column.priority).as_bytes());
    }
    out.push(b']');
}
