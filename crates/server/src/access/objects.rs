//! Stored objects that tokens rest on.

use pintle_access::token::Objects;
use pintle_engine::Engine;
use pintle_object::Value;
use std::sync::{Arc, OnceLock, Weak};

/// Looks into an engine's store; before there is one, nothing is there.
#[derive(Default)]
pub struct StoredObjects(OnceLock<Weak<Engine>>);

impl StoredObjects {
    pub fn follow(&self, engine: &Arc<Engine>) {
        let _ = self.0.set(Arc::downgrade(engine));
    }
}

impl Objects for StoredObjects {
    fn stored(&self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        // A name of two segments would be another object's key.
        if name.is_empty() || name.contains('/') || namespace.contains('/') {
            return None;
        }
        let engine = self.0.get()?.upgrade()?;
        let served = engine.find_any("", plural)?;
        if served.resource.namespaced == namespace.is_empty() {
            return None;
        }
        let object = engine.store.get(served.collection?, &served.key(namespace, name))?;
        engine.storage_tree(&served, &object).ok()
    }
}
