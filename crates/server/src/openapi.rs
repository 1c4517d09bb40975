//! `/openapi/v2` and `/openapi/v3`: documents that are made when they are first asked for, and kept compressed.

use crate::accept::clauses;
use crate::aggregation::{Documents as RemoteDocuments, Version2, merge};
use crate::encoding;
use crate::request::Request;
use crate::response::{Body, Parts, Response};
use arc_swap::ArcSwapOption;
use bytes::buf::Reader;
use bytes::{Buf, Bytes};
use pintle_engine::resource_table::Table;
use pintle_engine::{Engine, ServedResource};
use pintle_object::{Map, Value, json};
use pintle_openapi::descriptions::{self, PackedDescriptions};
use pintle_openapi::{Custom, Documents, NoDescriptions};
use pintle_schema::{Builtin, Resource, Resources};
use sha2::{Digest as _, Sha512};
use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};

const JSON: &str = "application/json";

/// What is unpacked of a page at a time.
const UNPACKED_BYTES: usize = 32 << 10;
/// What unpacking takes besides, until the page is sent: the last bytes, which others may refer to, and tables.
const UNPACKING_BYTES: usize = 48 << 10;

/// The documents that were asked for so far.
#[derive(Default)]
pub struct OpenApi {
    /// The built-in resources that are served, for the hash.
    served: String,
    has_enums: bool,
    /// The hash of what all documents are made of.
    origin: OnceLock<[u8; 64]>,
    /// Of built-in resources alone, and with the custom ones that there were last.
    v2: OnceLock<Arc<Page>>,
    custom_v2: Mutex<Option<Arc<Page>>>,
    index: ArcSwapOption<Index>,
    groups: Mutex<HashMap<String, Option<Arc<Page>>>>,
    custom: Mutex<HashMap<String, Arc<CustomGroup>>>,
}

/// The index of what a table serves.
pub(crate) struct Index {
    table: Arc<Table>,
    /// The state of other servers' documents.
    changes: u64,
    pub(crate) page: Page,
}

/// A group version of custom resources; its document is made when it is asked for.
struct CustomGroup {
    served: Vec<Arc<ServedResource>>,
    hash: String,
    page: OnceLock<Arc<Page>>,
}

/// A JSON document, compressed, and the hash that stands for its content.
pub(crate) struct Page {
    gzip: Bytes,
    len: usize,
    pub(crate) hash: String,
    /// The same document in protobuf, once somebody asked for it.
    protobuf: OnceLock<Bytes>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Protobuf,
}

/// The custom resources of a table by the paths of their documents.
fn custom_groups(table: &Table) -> BTreeMap<String, Vec<Arc<ServedResource>>> {
    let mut groups: BTreeMap<String, Vec<Arc<ServedResource>>> = BTreeMap::new();
    for served in table.served().iter().filter(|served| served.custom.is_some()) {
        let path = format!("apis/{}/{}", served.resource.group, served.resource.version);
        groups.entry(path).or_default().push(served.clone());
    }
    groups
}

impl OpenApi {
    /// Documents of these built-in resources, and of custom ones as they come.
    /// `has_enums`: whether they tell the values that fields may have.
    pub fn new(resources: &Resources, has_enums: bool) -> OpenApi {
        let name =
            |resource: &Resource| format!("{}/{}/{} ", resource.group, resource.version, resource.plural);
        OpenApi { served: resources.all.iter().map(name).collect(), has_enums, ..OpenApi::default() }
    }

    fn with_documents<T>(&self, api: &Builtin, make: impl FnOnce(&Documents<'_>) -> T) -> T {
        let descriptions = PackedDescriptions::open();
        let documents = Documents::new(api, &descriptions);
        make(&if self.has_enums { documents } else { documents.without_enums() })
    }

    /// Every document by its path, each with its hash: no document needs to be made for it.
    pub(crate) fn index(&self, engine: &Engine, others: &RemoteDocuments) -> Arc<Index> {
        let (table, changes) = (engine.table(), others.changes());
        let is_of_now = |index: &Arc<Index>| Arc::ptr_eq(&index.table, &table) && index.changes == changes;
        if let Some(index) = self.index.load_full().filter(is_of_now) {
            return index;
        }
        let documents = Documents::new(&engine.api, &NoDescriptions);
        let builtin = documents.paths().into_iter().map(|path| (self.hash(&path), path));
        let custom = self.custom_groups(&table);
        let mut entries = Map::new();
        let mut hash = Sha512::new();
        for (own, path) in
            builtin.chain(custom.iter().map(|(path, group)| (group.hash.clone(), path.clone())))
        {
            hash.update(&own);
            let mut entry = Map::new();
            entry.insert("serverRelativeURL", location(&path, &own));
            entries.insert(path, entry);
        }
        for (path, address) in others.all().values().flat_map(|remote| &remote.v3) {
            hash.update(address);
            entries.insert(path.as_str(), Map::from_iter([("serverRelativeURL", address.as_str())]));
        }
        let mut index = Map::new();
        index.insert("paths", entries);
        let index = Arc::new(Index { table, changes, page: Page::new(&Value::Map(index), hex(hash)) });
        self.index.store(Some(index.clone()));
        index
    }

    /// The document of version 2: that of the built-in resources, and the custom ones and other servers' of now added to
    /// it.
    pub(crate) fn version_2(&self, engine: &Engine, others: &RemoteDocuments) -> Arc<Page> {
        let api = &engine.api;
        let builtin = self.v2.get_or_init(|| {
            Arc::new(self.with_documents(api, |documents| Page::new(&documents.v2(), self.hash(V2))))
        });
        let groups: BTreeMap<_, _> = self.custom_groups(&engine.table()).into_iter().collect();
        let remote = others.all();
        let others: Vec<&Version2> = remote.values().filter_map(|remote| remote.v2.as_ref()).collect();
        if groups.is_empty() && others.is_empty() {
            return builtin.clone();
        }
        let mut hash = Sha512::new();
        hash.update(&builtin.hash);
        groups.values().for_each(|group| hash.update(&group.hash));
        others.iter().for_each(|other| hash.update(&other.etag));
        let hash = hex(hash);
        // Whoever comes while it is made waits for it.
        let mut kept = self.custom_v2.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(page) = kept.as_ref().filter(|page| page.hash == hash) {
            return page.clone();
        }
        let served: Vec<&Arc<ServedResource>> = groups.values().flat_map(|group| &group.served).collect();
        let schemas: Vec<Option<Value>> = served.iter().map(|served| engine.custom_schema(served)).collect();
        let parts = served.iter().zip(&schemas);
        let customs =
            parts.map(|(served, schema)| Custom { resource: &served.resource, schema: schema.as_ref() });
        let customs: Vec<Custom<'_>> = customs.collect();
        let mut document = json::parse(&builtin.json()).expect("the page was written by us");
        self.with_documents(api, |documents| documents.add_custom(&mut document, &customs));
        for other in others {
            if let Err(why) = merge(&mut document, other) {
                tracing::warn!("an OpenAPI document of another server is left out: {why}");
            }
        }
        let page = Arc::new(Page::new(&document, hash));
        *kept = Some(page.clone());
        page
    }

    /// The document of a group version of custom resources.
    pub(crate) fn custom_page(&self, engine: &Engine, path: &str) -> Option<Arc<Page>> {
        let group = self.custom_groups(&engine.table()).remove(path)?;
        let page = group.page.get_or_init(|| {
            let schemas: Vec<Option<Value>> =
                group.served.iter().map(|served| engine.custom_schema(served)).collect();
            let parts = group.served.iter().zip(&schemas);
            let customs: Vec<Custom<'_>> = parts
                .map(|(served, schema)| Custom { resource: &served.resource, schema: schema.as_ref() })
                .collect();
            let document = self.with_documents(&engine.api, |documents| documents.custom(&customs));
            Arc::new(Page::new(&document, group.hash.clone()))
        });
        Some(page.clone())
    }

    /// The groups of a table; those whose resources are what they were keep their documents.
    fn custom_groups(&self, table: &Table) -> HashMap<String, Arc<CustomGroup>> {
        let mut known = self.custom.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |group: &CustomGroup, served: &[Arc<ServedResource>]| {
            group.served.len() == served.len()
                && group.served.iter().zip(served).all(|(old, new)| Arc::ptr_eq(old, new))
        };
        let groups = custom_groups(table).into_iter().map(|(path, served)| {
            let group = match known.get(&path).filter(|group| is_same(group, &served)) {
                Some(group) => group.clone(),
                None => {
                    let hash = self.custom_hash(&path, &served);
                    Arc::new(CustomGroup { served, hash, page: OnceLock::new() })
                }
            };
            (path, group)
        });
        let groups: HashMap<String, Arc<CustomGroup>> = groups.collect();
        known.clone_from(&groups);
        groups
    }

    fn custom_hash(&self, path: &str, served: &[Arc<ServedResource>]) -> String {
        let mut hash = Sha512::new();
        hash.update(self.origin());
        hash.update(path);
        for served in served {
            let resource = &served.resource;
            let identity = served.custom.as_ref().map(|custom| custom.identity.as_str());
            hash.update(format!("{resource:?} {identity:?}"));
        }
        hex(hash)
    }

    /// The document at a path under `/openapi/v3/`.
    pub(crate) fn page(&self, api: &Builtin, path: &str) -> Option<Arc<Page>> {
        self.keep(path, || {
            let document = self.with_documents(api, |documents| documents.v3(path))?;
            Some(Page::new(&document, self.hash(path)))
        })
    }

    /// The hash of a document of the built-in API, from what it is made of: it changes when the tables, the
    /// descriptions or the program do.
    fn hash(&self, path: &str) -> String {
        let mut hash = Sha512::new();
        hash.update(self.origin());
        hash.update(path);
        hex(hash)
    }

    fn origin(&self) -> &[u8; 64] {
        self.origin.get_or_init(|| {
            let mut hash = Sha512::new();
            hash.update(env!("CARGO_PKG_VERSION"));
            hash.update(pintle_schema::builtin::blob());
            hash.update(descriptions::blob());
            hash.update(&self.served);
            hash.update([u8::from(self.has_enums)]);
            hash.finalize().into()
        })
    }

    /// Paths that nothing is served at are forgotten, so that asking for them costs no memory.
    fn keep(&self, path: &str, make: impl FnOnce() -> Option<Page>) -> Option<Arc<Page>> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(page) = groups.get(path) {
            return page.clone();
        }
        let page = make().map(Arc::new)?;
        groups.insert(path.to_string(), Some(page.clone()));
        Some(page)
    }
}

impl Page {
    fn new(document: &Value, hash: String) -> Page {
        let json = json::to_string(document).into_bytes();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        encoder.write_all(&json).expect("writing to memory does not fail");
        let gzip = encoder.finish().expect("writing to memory does not fail");
        Page { gzip: gzip.into(), len: json.len(), hash, protobuf: OnceLock::new() }
    }

    pub(crate) fn answer(&self, request: &Request, content_type: &str) -> Response {
        let etag = format!("\"{}\"", self.hash);
        if request.header("if-none-match") == etag {
            return empty(304).with("etag", etag);
        }
        let is_gzip = request.path() == V2 && encoding::takes_gzip(&request.header_list("accept-encoding"));
        let response = if is_gzip && self.len >= crate::encoding::GZIP_BYTES_MIN {
            Response::new(200, content_type, self.gzip.clone()).with("content-encoding", "gzip")
        } else {
            let body = Body::Stream(Box::new(self.unpacked()));
            Response { body, ..Response::new(200, content_type, Bytes::new()) }
        };
        response.with("etag", etag)
    }

    pub(crate) fn answer_in(
        &self,
        form: Form,
        request: &Request,
        protobuf: &str,
        encode: impl FnOnce(&Value) -> Vec<u8>,
    ) -> Response {
        if form == Form::Json || request.header("if-none-match") == format!("\"{}\"", self.hash) {
            return self.answer(request, JSON);
        }
        let body = self.protobuf.get_or_init(|| {
            let document = json::parse(&self.json()).expect("the page was written by us");
            encode(&document).into()
        });
        Response::new(200, protobuf, body.clone()).with("etag", format!("\"{}\"", self.hash))
    }

    fn json(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(self.len);
        let mut decoder = flate2::read::GzDecoder::new(&self.gzip[..]);
        decoder.read_to_end(&mut json).expect("the page was compressed by us");
        json
    }

    fn unpacked(&self) -> Unpacked {
        Unpacked { decoder: flate2::read::GzDecoder::new(self.gzip.clone().reader()), len: self.len, read: 0 }
    }
}

/// A page that is unpacked while it is sent: it is large, and clients may be slow.
struct Unpacked {
    decoder: flate2::read::GzDecoder<Reader<Bytes>>,
    len: usize,
    read: usize,
}

impl Parts for Unpacked {
    fn poll_part(&mut self, _: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut part = vec![0; UNPACKED_BYTES.min(self.len - self.read)];
        if part.is_empty() {
            return Poll::Ready(None);
        }
        self.decoder.read_exact(&mut part).expect("the page was compressed by us");
        self.read += part.len();
        Poll::Ready(Some(part.into()))
    }

    fn held_bytes(&self) -> usize {
        2 * UNPACKED_BYTES + UNPACKING_BYTES
    }

    fn total_bytes(&self) -> Option<usize> {
        Some(self.len)
    }
}

fn hex(hash: Sha512) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02X}")).collect()
}

pub(crate) fn location(path: &str, hash: &str) -> String {
    format!("/openapi/v3/{path}?hash={hash}")
}

pub(crate) const V2: &str = "/openapi/v2";

/// The first form of those that a client accepts, in its order; JSON when it says nothing.
pub(crate) fn form(request: &Request, protobuf: &str) -> Option<Form> {
    let header = request.header("accept");
    if header.is_empty() {
        return Some(Form::Json);
    }
    // Older clients ask with an `@`, which no media type may have.
    let old = protobuf.replace("spec.v2.v1", "spec.v2@v1").replace("spec.v3.v1", "spec.v3@v1");
    clauses(&header).iter().find_map(|clause| match clause {
        clause if clause.fits(JSON) => Some(Form::Json),
        clause if clause.fits(protobuf) || clause.fits(&old) => Some(Form::Protobuf),
        _ => None,
    })
}

/// An answer without a body, as Go's handlers here give it.
pub(crate) fn empty(status: u16) -> Response {
    Response::empty(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_what_was_put_in() {
        let mut document = Value::map();
        document.set(&["openapi"], "3.0.0");
        let page = Page::new(&document, String::from("AB"));
        assert_eq!(page.json(), br#"{"openapi":"3.0.0"}"#);
    }

    #[test]
    fn documents_differ_in_their_hashes() {
        let openapi = OpenApi::default();
        assert_eq!(openapi.hash("api/v1").len(), 128);
        assert_ne!(openapi.hash("api/v1"), openapi.hash("apis"));
    }
}
