//! The aggregated API servers, and their documents.

use crate::aggregation::discovery::Merged;
use crate::aggregation::documents::Documents;
use crate::aggregation::groups;
use pintle_engine::Engine;
use pintle_proxy::{ApiServices, Remote};
use std::sync::Arc;

/// The aggregated API servers, and their documents.
pub struct Aggregator {
    pub services: Arc<ApiServices>,
    pub documents: Documents,
}

impl Aggregator {
    pub fn new(services: Arc<ApiServices>) -> Aggregator {
        Aggregator { services, documents: Documents::default() }
    }

    /// Groups of all servers; none while there is no other than this one.
    pub fn merged(&self, engine: &Engine) -> Option<Merged> {
        (!self.services.is_empty()).then(|| Merged::new(groups::api_order(engine), self.documents.all()))
    }

    /// The numbers of changes of APIServices and of documents, by which caches see that they are outdated.
    pub fn changes(&self) -> (u64, u64) {
        (*self.services.changes().borrow(), self.documents.changes())
    }

    /// The API of another server that a path is under, which the APIService gives to it though this server may serve
    /// the same.
    pub fn owner(&self, path: &str) -> Option<Arc<Remote>> {
        if self.services.is_empty() {
            return None;
        }
        if path == "/api" || path.starts_with("/api/") {
            return self.services.get("", "v1");
        }
        let mut parts = path.strip_prefix("/apis/")?.splitn(3, '/');
        self.services.get(parts.next()?, parts.next()?)
    }
}
