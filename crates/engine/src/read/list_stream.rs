//! Lists as they are sent: each piece is encoded when it is wanted, from objects that never change.
//!
//! ```text
//! head {"kind":"PodList","apiVersion":"v1","metadata":{…},"items":[   item,item,item,…   tail ]}
//! ```

use crate::engine::Engine;
use crate::read::list::Listing;
use crate::read::list_form::{ListForm, ListView};
use crate::read::list_meta;
use crate::read::table::TableStyle;
use crate::resource::ServedResource;
use bytes::Bytes;
use pintle_object::Format;
use pintle_object::{Map, Status, Value, json, yaml};
use pintle_schema::encode::list;
use pintle_schema::encode::splice::Places;
use pintle_store::Object;
use std::fmt::Write;
use std::sync::Arc;

/// A piece ends with the item that reaches this size: large enough that work once per piece costs nothing, small enough
/// to stay in the processor's cache until it is encrypted. Upstream compresses from this size on.
pub const PIECE_BYTES: usize = 128 << 10;
/// Lists of objects that take no more than this, such as most pages, are made in one piece.
const WHOLE_BYTES_MAX: usize = 256 << 10;
/// Lists of more bytes leave no encodings in the cache: they would push out those of frequently read objects, and not
/// be there for the next such list.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// The pieces of a list, in order.
pub struct ListStream {
    engine: Arc<Engine>,
    served: Arc<ServedResource>,
    form: ListForm,
    items: std::vec::IntoIter<Arc<Object>>,
    /// For protobuf, the places of the items' messages in their stored bytes.
    places: std::vec::IntoIter<Option<Places>>,
    head: Vec<u8>,
    tail: Vec<u8>,
    /// Whether the encoded forms of objects are kept.
    keeps: bool,
    piece_bytes: usize,
    is_short: bool,
    /// The bytes of all pieces, where they are known beforehand.
    len: Option<usize>,
    has_items: bool,
    is_done: bool,
    /// The last item's version.
    version: String,
}

impl Engine {
    /// Begins a list. Nothing of it is encoded yet, but for its beginning and its end.
    pub async fn list_stream(
        self: &Arc<Engine>,
        served: Arc<ServedResource>,
        mut listing: Listing,
        form: ListForm,
    ) -> Result<ListStream, Status> {
        listing.items = self.converted_all(&served, listing.items).await?;
        if let ListView::Table(_) = form.view {
            self.order_rows(&served, &mut listing)?;
        }
        let stored: usize = listing.items.iter().map(|object| object.value.len()).sum();
        let mut stream = ListStream {
            engine: self.clone(),
            served,
            form,
            items: Vec::new().into_iter(),
            places: Vec::new().into_iter(),
            head: Vec::new(),
            tail: Vec::new(),
            keeps: stored <= KEPT_BYTES_MAX,
            piece_bytes: if stored <= WHOLE_BYTES_MAX { stored * 2 + 1024 } else { PIECE_BYTES },
            is_short: stored <= WHOLE_BYTES_MAX,
            len: None,
            has_items: false,
            is_done: false,
            version: String::new(),
        };
        stream.frame(&listing)?;
        stream.items = listing.items.into_iter();
        Ok(stream)
    }
}

impl Iterator for ListStream {
    type Item = Result<Bytes, Status>;

    fn next(&mut self) -> Option<Result<Bytes, Status>> {
        if self.is_done {
            return None;
        }
        let mut out = std::mem::take(&mut self.head);
        out.reserve(self.piece_bytes + self.piece_bytes / 8);
        while self.is_short || out.len() < PIECE_BYTES {
            let Some(object) = self.items.next() else {
                out.append(&mut self.tail);
                self.is_done = true;
                break;
            };
            if let Err(status) = self.item(&object, &mut out) {
                self.is_done = true;
                return Some(Err(status));
            }
        }
        Some(Ok(Bytes::from(out)))
    }
}

impl ListStream {
    /// Whether the last piece was taken.
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// The bytes of all pieces, where they are known beforehand.
    pub fn total_bytes(&self) -> Option<usize> {
        self.len
    }

    /// The memory of the rest of the list, besides the objects themselves.
    pub fn held_bytes(&self) -> usize {
        self.items.len() * size_of::<Arc<Object>>() + self.places.len() * size_of::<Option<Places>>()
    }

    /// Writes the text around the items.
    fn frame(&mut self, listing: &Listing) -> Result<(), Status> {
        match (self.form.view, self.form.format) {
            (ListView::Table(style), format) => self.frame_table(listing, style, format),
            (_, Format::Json) => self.frame_json(listing),
            (_, Format::Yaml) => self.frame_yaml(listing),
            (_, Format::Protobuf) => return self.frame_protobuf(listing),
        }
        Ok(())
    }

    fn frame_json(&mut self, listing: &Listing) {
        let is_partial = matches!(self.form.view, ListView::Partial);
        if !self.served.is_typed() && !is_partial {
            // Keys of custom resources are sorted.
            self.head = b"{\"apiVersion\":".to_vec();
            json::write_string(&mut self.head, &self.served.api_version());
            self.head.extend_from_slice(b",\"items\":[");
            self.tail = b"],\"kind\":".to_vec();
            json::write_string(&mut self.tail, &self.served.resource.list_kind);
            self.tail.extend_from_slice(b",\"metadata\":");
            json::write_value(&mut self.tail, &list_meta::untyped_metadata(listing));
            self.tail.extend_from_slice(b"}\n");
            return;
        }
        let (api_version, kind) = self.form.list_kind(&self.served);
        let version = list_meta::version_text(listing.revision);
        list::json_head(&api_version, &kind, &list_meta::meta(listing, &version), &mut self.head);
        self.tail = b"]}\n".to_vec();
        if is_partial && listing.items.is_empty() {
            // Upstream leaves the list nil when there is nothing in it, and JSON shows that.
            self.head.truncate(self.head.len() - 1);
            self.tail = b"null}\n".to_vec();
        }
    }

    /// The text around the items in YAML, whose keys are sorted: the items are in the middle.
    fn frame_yaml(&mut self, listing: &Listing) {
        let is_partial = matches!(self.form.view, ListView::Partial);
        let (api_version, kind) = self.form.list_kind(&self.served);
        let is_custom = !self.served.is_typed() && !is_partial;
        let metadata =
            if is_custom { list_meta::untyped_metadata(listing) } else { list_meta::list_metadata(listing) };
        self.head = yaml::to_string(&Value::from(Map::from_iter([("apiVersion", api_version)]))).into_bytes();
        self.head.extend_from_slice(match (listing.items.is_empty(), is_partial) {
            (true, true) => b"items: null\n".as_slice(),
            (true, false) => b"items: []\n",
            (false, _) => b"items:\n",
        });
        let tail = Map::from_iter([("kind", Value::from(kind)), ("metadata", metadata)]);
        self.tail = yaml::to_string(&Value::from(tail)).into_bytes();
    }

    /// A document of protobuf begins with its length, for which all items are measured.
    fn frame_protobuf(&mut self, listing: &Listing) -> Result<(), Status> {
        let (mut len, mut places) = (0, Vec::with_capacity(listing.items.len()));
        for object in &listing.items {
            let (found, item_len) = self.engine.protobuf_places(&self.served, object, self.form.part())?;
            places.push(found);
            len += list::item_len(item_len);
        }
        self.places = places.into_iter();
        let (api_version, kind) = self.form.list_kind(&self.served);
        let version = list_meta::version_text(listing.revision);
        self.head = list::protobuf_head(&api_version, &kind, &list_meta::meta(listing, &version), len);
        self.tail = list::protobuf_tail();
        self.len = Some(self.head.len() + len + self.tail.len());
        Ok(())
    }

    fn frame_table(&mut self, listing: &Listing, style: TableStyle, format: Format) {
        let mut head = Vec::with_capacity(1024);
        let metadata = list_meta::list_metadata(listing);
        self.engine.begin_table(&self.served.resource.columns, &metadata, style, &mut head);
        let mut head = self.form.in_version(head);
        if format != Format::Yaml {
            (self.head, self.tail) = (head, b"]}\n".to_vec());
            return;
        }
        head.extend_from_slice(b"]}");
        let mut table = json::parse(&head).unwrap_or_default();
        table.remove(&["rows"]);
        self.head = yaml::to_string(&table).into_bytes();
        self.head.extend_from_slice(if listing.items.is_empty() {
            b"rows: []\n".as_slice()
        } else {
            b"rows:\n"
        });
    }

    fn item(&mut self, object: &Object, out: &mut Vec<u8>) -> Result<(), Status> {
        let (engine, served) = (&self.engine, &*self.served);
        if self.form.format == Format::Yaml {
            let tree = self.tree(object)?;
            out.extend_from_slice(yaml::to_string(&Value::List(vec![tree])).as_bytes());
            return Ok(());
        }
        if self.form.format == Format::Protobuf {
            return self.protobuf_item(object, out);
        }
        if std::mem::replace(&mut self.has_items, true) {
            out.push(b',');
        }
        match self.form.view {
            ListView::Object => engine.append_json_item(served, object, self.keeps, out),
            ListView::Partial => engine.append_partial_json(served, object, &self.form.meta_version(), out),
            ListView::Table(style) => {
                out.extend_from_slice(&self.row(object, style)?);
                Ok(())
            }
        }
    }

    fn protobuf_item(&mut self, object: &Object, out: &mut Vec<u8>) -> Result<(), Status> {
        match self.places.next().flatten() {
            Some(places) => {
                self.version.clear();
                let _ = write!(self.version, "{}", object.mod_revision);
                list::append_spliced(&places, &object.value, &self.version, out);
            }
            None => {
                list::append_item(&self.engine.item_message(&self.served, object, self.form.part())?, out);
            }
        }
        Ok(())
    }

    /// An item as a tree, for forms that are rendered from trees.
    fn tree(&self, object: &Object) -> Result<Value, Status> {
        let served = &*self.served;
        let mut tree = match self.form.view {
            ListView::Table(style) => return Ok(json::parse(&self.row(object, style)?).unwrap_or_default()),
            ListView::Object | ListView::Partial => self.engine.tree(served, object)?,
        };
        if matches!(self.form.view, ListView::Partial) {
            tree = self.engine.partial(served, &tree);
            tree.set(&["apiVersion"], self.form.meta_version());
        } else if served.is_typed() {
            tree.remove(&["kind"]);
            tree.remove(&["apiVersion"]);
        }
        Ok(tree)
    }

    fn row(&self, object: &Object, style: TableStyle) -> Result<Vec<u8>, Status> {
        let mut out = Vec::with_capacity(1024);
        self.engine.write_row(&self.served, &self.engine.tree(&self.served, object)?, style, &mut out);
        Ok(self.form.in_version(out))
    }
}
