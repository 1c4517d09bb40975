//! Opens the store: which collections there are, and what the store must know of stored bytes.

use crate::engine::{self, Engine};
use crate::resource::ServedResource;
use crate::storage::encoding;
use pintle_schema::Builtin;
use pintle_store::{AttrReader, Attrs, CollectionId, DurableLog, OpenError, Options, Store, etcd};
use std::collections::HashMap;
use std::sync::Arc;

impl Engine {
    /// Recovers what the backend holds; takes well under a second for a hundred thousand objects.
    pub fn open(
        api: Arc<Builtin>,
        backend: Box<dyn DurableLog>,
        options: Options,
    ) -> Result<Engine, OpenError> {
        let (served, reader) = plan(&api);
        let store = Store::open(backend, reader.prefixes.clone(), &reader, options)?;
        Ok(Engine::new(api, served, store))
    }

    /// Reads what etcd holds, and follows it.
    pub async fn connect(
        api: Arc<Builtin>,
        etcd: &etcd::Options,
        options: Options,
    ) -> Result<Engine, OpenError> {
        let (served, reader) = plan(&api);
        let store = Store::connect(etcd, reader.prefixes.clone(), Arc::new(reader), options).await?;
        Ok(Engine::new(api, served, store))
    }
}

/// What is served, and how its collections are read.
fn plan(api: &Arc<Builtin>) -> (Vec<Arc<ServedResource>>, Reader) {
    let mut served = engine::layout(api);
    let mut prefixes: Vec<String> = Vec::new();
    for served in served.iter_mut().filter(|served| served.is_stored) {
        let prefix = served.prefix("");
        let place = prefixes.iter().position(|known| *known == prefix).unwrap_or(prefixes.len());
        if place == prefixes.len() {
            prefixes.push(prefix);
        }
        served.collection = Some(CollectionId(place as u32));
    }
    let served: Vec<Arc<ServedResource>> = served.into_iter().map(Arc::new).collect();
    let owner = |prefix: &String| {
        let mut stored = served.iter().filter(|served| served.is_stored);
        stored.find(|served| served.prefix("") == *prefix).cloned()
    };
    let owners = prefixes.iter().filter_map(owner).collect();
    let places = prefixes.iter().cloned().zip(0..).collect();
    let reader = Reader { api: api.clone(), prefixes, places, owners };
    (served, reader)
}

/// Reads attributes from stored bytes. `prefixes` and `owners` are in the order of the collections.
struct Reader {
    api: Arc<Builtin>,
    prefixes: Vec<String>,
    places: HashMap<String, usize>,
    owners: Vec<Arc<ServedResource>>,
}

impl AttrReader for Reader {
    fn attrs(&self, key: &str, value: &[u8]) -> Option<Attrs> {
        // No prefix is the beginning of another: each ends in a slash.
        let slashes = key.bytes().enumerate().filter(|(_, byte)| *byte == b'/');
        let place = *slashes.filter_map(|(slash, _)| self.places.get(key.get(..=slash)?)).next()?;
        encoding::attrs_of_bytes(&self.api, self.owners.get(place)?, value)
    }
}
