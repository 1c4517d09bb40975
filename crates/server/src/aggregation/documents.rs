//! Documents of other servers as they were last read: discovery and OpenAPI.

use arc_swap::ArcSwap;
use bytes::Bytes;
use pintle_object::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What one API of another server says of itself. Absent is what was never read.
#[derive(Clone, Default)]
pub struct RemoteDocuments {
    pub group: String,
    pub version: String,
    /// The `APIVersionDiscovery` of the API, without its freshness.
    pub discovery: Option<Arc<Value>>,
    /// Whether the last attempt to read it came to something.
    pub is_current: bool,
    pub v2: Option<Version2>,
    /// Paths of documents of version 3 with the addresses that they have there.
    pub v3: Vec<(String, String)>,
}

/// An OpenAPI document of version 2: what it says of the API alone.
#[derive(Clone)]
pub struct Version2 {
    /// What the server named the content by, or its digest.
    pub etag: String,
    pub is_own_etag: bool,
    /// Compressed JSON.
    pub gzip: Bytes,
}

/// By the names of APIServices.
type All = BTreeMap<String, Arc<RemoteDocuments>>;

/// The documents of all APIs of other servers.
#[derive(Default)]
pub struct Documents {
    all: ArcSwap<All>,
    changes: AtomicU64,
}

impl Documents {
    pub fn all(&self) -> Arc<All> {
        self.all.load_full()
    }

    pub fn get(&self, name: &str) -> Option<Arc<RemoteDocuments>> {
        self.all.load().get(name).cloned()
    }

    /// Counts the changes: who made something from documents knows by it when to make it anew.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Takes over what was read; nothing of an API that is gone.
    pub fn set(&self, name: &str, documents: Option<RemoteDocuments>) {
        let documents = documents.map(Arc::new);
        self.all.rcu(|all| {
            let mut all = All::clone(all);
            match &documents {
                Some(documents) => all.insert(name.into(), documents.clone()),
                None => all.remove(name),
            };
            all
        });
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// The API whose server has a document of version 3.
    pub fn owner_v3(&self, path: &str) -> Option<(String, String)> {
        let all = self.all.load();
        let owner = all.values().find(|documents| documents.v3.iter().any(|(own, _)| own == path))?;
        Some((owner.group.clone(), owner.version.clone()))
    }
}
