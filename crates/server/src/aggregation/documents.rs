//! Documents of other servers as they were last read: discovery and OpenAPI.

use arc_swap::ArcSwap;
use bytes::Bytes;
use pintle_object::{Value, json};
use sha2::{Digest as _, Sha512};
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The discovery and OpenAPI documents of one API of another server. Documents that were never read are absent.
#[derive(Clone, Default)]
pub struct RemoteDocuments {
    /// That of its APIService.
    pub name: String,
    pub group: String,
    pub version: String,
    /// The `APIVersionDiscovery` of the API, without its freshness.
    pub discovery: Option<Arc<Value>>,
    /// Whether the last attempt to read it came to something.
    pub is_current: bool,
    pub v2: Option<Version2>,
    /// Paths of documents of version 3 with the addresses that they have there.
    pub v3: Vec<(String, String)>,
    /// Whether the server has no documents of version 3 at all.
    pub is_without_v3: bool,
}

/// A document of version 3 that this server makes for an API of another.
pub struct OwnDocument {
    /// That of the APIService.
    pub name: String,
    pub hash: String,
}

impl RemoteDocuments {
    /// The path of the API's OpenAPI v3 document.
    pub fn path(&self) -> String {
        match self.group.as_str() {
            "" => format!("api/{}", self.version),
            group => format!("apis/{group}/{}", self.version),
        }
    }

    /// The entry for an OpenAPI v3 document that is made here, for a server that has only v2.
    pub fn converted(&self) -> Option<OwnDocument> {
        let known = self.v2.as_ref().filter(|_| self.is_without_v3)?;
        Some(OwnDocument { name: self.name.clone(), hash: hex(format!("v3 {}", known.etag).as_bytes()) })
    }

    #[cfg(test)]
    pub fn with_version_2(self, etag: &str) -> RemoteDocuments {
        let v2 = Some(Version2 { etag: etag.into(), is_own_etag: true, gzip: Bytes::new() });
        RemoteDocuments { v2, is_without_v3: true, ..self }
    }
}

/// An OpenAPI v2 document, reduced to one API.
#[derive(Clone)]
pub struct Version2 {
    /// The server's ETag, or a digest of the content.
    pub etag: String,
    pub is_own_etag: bool,
    /// Compressed JSON.
    pub gzip: Bytes,
}

impl Version2 {
    /// The document, unpacked.
    pub fn tree(&self) -> Result<Value, String> {
        let mut json = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(&self.gzip[..]);
        decoder.read_to_end(&mut json).map_err(|error| error.to_string())?;
        json::parse(&json).map_err(|error| error.to_string())
    }
}

/// The hexadecimal digest of a content.
pub fn hex(bytes: &[u8]) -> String {
    Sha512::digest(bytes).iter().map(|byte| format!("{byte:02X}")).collect()
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

    /// The number of changes, by which caches made from documents see that they are outdated.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Replaces the documents of an API; none removes them.
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
}
