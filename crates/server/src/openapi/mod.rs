//! OpenAPI documents, v2 and v3: made when they are first requested, and kept compressed.

mod index;
mod merged;
mod page;

pub use index::GroupOwner;
pub(crate) use page::{V2, empty, form, location};

use crate::aggregation::{Documents as RemoteDocuments, RemoteDocuments as OfServer, merge};
use arc_swap::ArcSwapOption;
use index::Index;
use merged::{Merged, causes, etags};
use page::{Page, hex};
use pintle_engine::resource_table::Table;
use pintle_engine::{Engine, ServedResource};
use pintle_object::{Value, json};
use pintle_openapi::descriptions::{self, PackedDescriptions};
use pintle_openapi::{CustomKind, Documents, NoDescriptions, convert};
use pintle_schema::{Builtin, Resource, Resources};
use sha2::{Digest as _, Sha512};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

/// The documents that were requested so far.
#[derive(Default)]
pub struct OpenApi {
    /// The built-in resources that are served, for the hash.
    served: String,
    has_enums: bool,
    /// The hash of the input of all documents.
    origin: OnceLock<[u8; 64]>,
    /// Of built-in resources alone, and with the custom ones that there were last.
    v2: OnceLock<Arc<Page>>,
    merged_v2: Mutex<Option<Merged>>,
    index: ArcSwapOption<Index>,
    groups: Mutex<HashMap<String, Option<Arc<Page>>>>,
    custom: Mutex<HashMap<String, Arc<CustomGroup>>>,
    /// Made from documents of version 2 of other servers, by the names of their APIServices.
    converted: Mutex<HashMap<String, Arc<Page>>>,
}

/// A group version of custom resources; its document is made on demand.
struct CustomGroup {
    served: Vec<Arc<ServedResource>>,
    hash: String,
    page: OnceLock<Arc<Page>>,
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
    /// Documents of these built-in resources, and of custom ones as they come. `has_enums`: whether they list the
    /// allowed values of fields.
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

    /// Whose a document is, if it is not this server's.
    pub(crate) fn owner(&self, engine: &Engine, others: &RemoteDocuments, path: &str) -> Option<GroupOwner> {
        self.index(engine, others).owners.get(path).cloned()
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
        let custom = custom.into_iter().map(|(path, group)| (group.hash.clone(), path));
        let own = builtin.chain(custom).map(|(hash, path)| (path.clone(), location(&path, &hash))).collect();
        let index = Arc::new(Index::new(table, changes, own, others.all().values().map(AsRef::as_ref)));
        self.index.store(Some(index.clone()));
        index
    }

    /// The v2 document: built-in resources with the current custom resources and those of other servers. `count` is
    /// called with the APIService that it had to be made for, the reason, and the seconds that it took.
    pub(crate) fn version_2(
        &self,
        engine: &Engine,
        others: &RemoteDocuments,
        count: &dyn Fn(&str, &str, f64),
    ) -> Arc<Page> {
        let builtin = self.v2.get_or_init(|| {
            Arc::new(self.with_documents(&engine.api, |documents| Page::new(&documents.v2(), self.hash(V2))))
        });
        let groups: BTreeMap<_, _> = self.custom_groups(&engine.table()).into_iter().collect();
        let remote = others.all();
        let etags = etags(remote.values().map(AsRef::as_ref));
        let mut hash = Sha512::new();
        hash.update(&builtin.hash);
        groups.values().for_each(|group| hash.update(&group.hash));
        etags.values().for_each(|etag| hash.update(etag));
        let hash = hex(hash);
        // Other requests wait under this lock while the document is made.
        let mut kept = self.merged_v2.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(merged) = kept.as_ref().filter(|merged| merged.page.hash == hash) {
            return merged.page.clone();
        }
        let began = Instant::now();
        let page = match groups.is_empty() && etags.is_empty() {
            true => builtin.clone(),
            false => Arc::new(Page::new(&self.merged(engine, builtin, &groups, &remote), hash)),
        };
        let before = kept.take().map(|merged| merged.others).unwrap_or_default();
        for (name, reason) in causes(&before, &etags) {
            count(name, reason, began.elapsed().as_secs_f64());
        }
        *kept = Some(Merged { page: page.clone(), others: etags });
        page
    }

    fn merged(
        &self,
        engine: &Engine,
        builtin: &Page,
        groups: &BTreeMap<String, Arc<CustomGroup>>,
        remote: &BTreeMap<String, Arc<OfServer>>,
    ) -> Value {
        let served: Vec<&Arc<ServedResource>> = groups.values().flat_map(|group| &group.served).collect();
        let schemas: Vec<Option<Value>> = served.iter().map(|served| engine.custom_schema(served)).collect();
        let parts = served.iter().zip(&schemas);
        let customs =
            parts.map(|(served, schema)| CustomKind { resource: &served.resource, schema: schema.as_ref() });
        let customs: Vec<CustomKind<'_>> = customs.collect();
        let mut document = json::parse(&builtin.json()).expect("the page was written by us");
        self.with_documents(&engine.api, |documents| documents.add_custom(&mut document, &customs));
        for (name, other) in remote.iter().filter_map(|(name, remote)| Some((name, remote.v2.as_ref()?))) {
            if let Err(why) = merge(&mut document, other) {
                tracing::warn!(name, "cannot merge an aggregated server's OpenAPI document: {why}");
            }
        }
        document
    }

    /// The v3 document of another server's API, made from its v2 document.
    pub(crate) fn converted_page(&self, others: &RemoteDocuments, name: &str) -> Option<Arc<Page>> {
        let all = others.all();
        let hash = all.get(name)?.converted()?.hash;
        let mut known = self.converted.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|name, _| all.contains_key(name));
        if let Some(page) = known.get(name).filter(|page| page.hash == hash) {
            return Some(page.clone());
        }
        let document = all.get(name)?.v2.as_ref()?.tree().ok()?;
        let page = Arc::new(Page::new(&convert::to_version_3(&document), hash));
        known.insert(name.into(), page.clone());
        Some(page)
    }

    /// The document of a group version of custom resources.
    pub(crate) fn custom_page(&self, engine: &Engine, path: &str) -> Option<Arc<Page>> {
        let group = self.custom_groups(&engine.table()).remove(path)?;
        let page = group.page.get_or_init(|| {
            let schemas: Vec<Option<Value>> =
                group.served.iter().map(|served| engine.custom_schema(served)).collect();
            let parts = group.served.iter().zip(&schemas);
            let customs: Vec<CustomKind<'_>> = parts
                .map(|(served, schema)| CustomKind { resource: &served.resource, schema: schema.as_ref() })
                .collect();
            let document = self.with_documents(&engine.api, |documents| documents.custom(&customs));
            Arc::new(Page::new(&document, group.hash.clone()))
        });
        Some(page.clone())
    }

    /// The groups of a table; those with unchanged resources keep their documents.
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

    /// The hash of a document of the built-in API, made from its input: it changes with the tables, the descriptions or
    /// the program.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_differ_in_their_hashes() {
        let openapi = OpenApi::default();
        assert_eq!(openapi.hash("api/v1").len(), 128);
        assert_ne!(openapi.hash("api/v1"), openapi.hash("apis"));
    }
}
