//! Opens the store: which collections there are, and what the store must know of stored bytes.

use crate::encoding;
use crate::engine::{Engine, Layout, Served};
use pintle_schema::Builtin;
use pintle_store::{Backend, CollectionId, Digest, Digester, OpenError, Options, Store};
use std::sync::Arc;

impl Engine {
    pub fn open(
        api: Arc<Builtin>,
        backend: Box<dyn Backend>,
        options: Options,
    ) -> Result<Engine, OpenError> {
        let Layout { prefixes, served } = Layout::of(&api);
        let served: Vec<Arc<Served>> = served.into_iter().map(Arc::new).collect();
        let store = Store::open(backend, prefixes, &Reader { api: &api, served: &served }, options)?;
        Ok(Engine::new(api, served, store))
    }
}

/// Reads digests from stored bytes at recovery.
struct Reader<'a> {
    api: &'a Builtin,
    served: &'a [Arc<Served>],
}

impl Digester for Reader<'_> {
    fn digest(&self, key: &str, value: &[u8]) -> Option<(CollectionId, Digest)> {
        // A prefix may be the beginning of another: `/registry/events/`, `/registry/services/specs/`.
        let owner = self
            .served
            .iter()
            .filter(|served| served.collection.is_some() && key.starts_with(&served.prefix("")))
            .max_by_key(|served| served.resource.key_prefix.len())?;
        let digest = encoding::digest_of_bytes(self.api, owner, value)?;
        owner.collection.map(|collection| (collection, digest))
    }
}
