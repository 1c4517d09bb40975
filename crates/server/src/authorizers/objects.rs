//! Stored objects that tokens rest on.

use pintle_access::service_account::LAST_USED;
use pintle_access::token::Objects;
use pintle_engine::UpdateSource;
use pintle_engine::{Engine, ObjectRef, ServedResource, WriteContext, own};
use pintle_object::{Status, Value};
use pintle_schema::decode::Pick;
use pintle_store::Object;
use std::sync::{Arc, OnceLock, Weak};

/// Reads an engine's store; without an engine, nothing is found.
#[derive(Default)]
pub struct StoredObjects(OnceLock<Weak<Engine>>);

impl StoredObjects {
    pub fn follow(&self, engine: &Arc<Engine>) {
        let _ = self.0.set(Arc::downgrade(engine));
    }
}

impl StoredObjects {
    /// An object as it is stored, read by `read`.
    fn read(
        &self,
        (plural, namespace, name): (&str, &str, &str),
        read: impl Fn(&Engine, &ServedResource, &Object) -> Result<Value, Status>,
    ) -> Option<Value> {
        // A name of two segments would be another object's key.
        if name.is_empty() || name.contains('/') || namespace.contains('/') {
            return None;
        }
        let engine = self.0.get()?.upgrade()?;
        let served = engine.find_any("", plural)?;
        if served.resource.namespaced == namespace.is_empty() {
            return None;
        }
        let object = engine.store.get(served.collection()?, &served.key(namespace, name))?;
        read(&engine, &served, &object).ok()
    }
}

impl Objects for StoredObjects {
    fn stored(&self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        self.read((plural, namespace, name), Engine::storage_tree)
    }

    fn stored_metadata(&self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        self.read((plural, namespace, name), |engine, served, object| {
            let metadata = [&["metadata"][..]];
            let pick = Pick::new(&engine.api.schema, served.storage_ty, metadata);
            engine.picked_tree(served, &pick, object)
        })
    }

    fn note_use(&self, namespace: &str, secret: &str, day: &str) {
        let Some(engine) = self.0.get().and_then(Weak::upgrade) else { return };
        let (namespace, secret, day) = (namespace.to_string(), secret.to_string(), day.to_string());
        tokio::spawn(async move {
            if let Err(status) = label(&engine, &namespace, &secret, &day).await {
                tracing::warn!(
                    "cannot record the use of the token in {namespace}/{secret}: {}",
                    status.message
                );
            }
        });
    }
}

/// Labels a Secret with the day of its token's last use.
async fn label(engine: &Engine, namespace: &str, name: &str, day: &str) -> Result<(), Status> {
    let Some(secrets) = engine.find("", "v1", "secrets") else { return Ok(()) };
    let target = ObjectRef { served: &secrets, subresource: "", namespace, name };
    let (user, now) = (own::user(), own::now());
    let labelled = |current: Option<&Value>, _: &mut Vec<String>| {
        let missing = || Status::not_found(&secrets.group_resource(), name);
        let mut next = current.ok_or_else(missing)?.clone();
        next.set(&["metadata", "labels", LAST_USED], day);
        Ok(next)
    };
    let mut context = WriteContext::new(&user, now, &engine.manager);
    engine.replace(target, UpdateSource::Patch(&labelled), false, &mut context).await.map(|_| ())
}
