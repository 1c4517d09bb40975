//! Opens the store: its collections, and the readers of attributes.

use crate::engine::Engine;
use crate::resource::ServedResource;
use crate::storage::layout::layout;
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
        etcd: &etcd::EtcdOptions,
        options: Options,
    ) -> Result<Engine, OpenError> {
        let (served, reader) = plan(&api);
        let store = Store::connect(etcd, reader.prefixes.clone(), Arc::new(reader), options).await?;
        Ok(Engine::new(api, served, store))
    }
}

/// The served resources, and the reader of their collections.
fn plan(api: &Arc<Builtin>) -> (Vec<Arc<ServedResource>>, Reader) {
    let served: Vec<Arc<ServedResource>> = layout(api).into_iter().map(Arc::new).collect();
    let mut owners: Vec<Arc<ServedResource>> = Vec::new();
    for one in &served {
        // The first of a collection owns it.
        if one.collection() == Some(CollectionId(owners.len() as u32)) {
            owners.push(one.clone());
        }
    }
    let prefixes: Vec<String> = owners.iter().map(|owner| owner.prefix("")).collect();
    let places = prefixes.iter().cloned().zip(0..).collect();
    (served, Reader { prefixes, places, owners })
}

/// Reads attributes from stored bytes. `prefixes` and `owners` are in the order of the collections.
struct Reader {
    prefixes: Vec<String>,
    places: HashMap<String, usize>,
    owners: Vec<Arc<ServedResource>>,
}

impl AttrReader for Reader {
    fn attrs(&self, key: &str, value: &[u8]) -> Option<Attrs> {
        // No prefix is the beginning of another: each ends in a slash.
        let slashes = key.bytes().enumerate().filter(|(_, byte)| *byte == b'/');
        let place = *slashes.filter_map(|(slash, _)| self.places.get(key.get(..=slash)?)).next()?;
        {
            let owner = self.owners.get(place)?;
            owner.codec.attrs(owner, value)
        }
    }
}
