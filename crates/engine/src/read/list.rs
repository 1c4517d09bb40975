//! List: a page of one consistent snapshot.

use crate::engine::Engine;
use crate::read::continue_token::{self, Continue};
use crate::read::get::{READ_AGAIN_SECONDS, too_large};
use crate::read::selection::Selection;
use crate::request::options::{ListOptions, VersionMatch};
use crate::resource::ServedResource;
use crate::spans;
use crate::storage::unreadable::is_undecodable;
use crate::write::failure::store_failed;
use pintle_object::Status;
use pintle_store::{CollectionId, HistoricalReadError, Object, Revision, Snapshot};
use pintle_traces::event;
use std::sync::Arc;
use std::time::Instant;

/// The objects of a page, and where the next one begins.
#[derive(Debug, Default)]
pub struct Listing {
    pub items: Vec<Arc<Object>>,
    /// The list's resourceVersion.
    pub revision: u64,
    /// Empty on the last page.
    pub continue_token: String,
    /// The number of objects after this page (`remainingItemCount`); unknown when selectors choose.
    pub remaining: Option<i64>,
}

/// Which state a list shows, and from which key on.
struct View {
    snapshot: Snapshot,
    revision: u64,
    start: Option<String>,
    is_limited: bool,
}

impl Engine {
    pub async fn list(
        &self,
        served: &ServedResource,
        namespace: &str,
        options: &ListOptions,
        selection: &Selection,
    ) -> Result<Listing, Status> {
        let _span = spans::many("cacher.GetList", served);
        event("Ready", |_| ());
        let namespace = selection.namespace_or(namespace);
        let prefix = served.prefix(namespace);
        let view = self.view(served, &prefix, options).await?;
        event("watchCache fresh enough", |_| ());
        if let Some(name) = selection.name().filter(|_| !served.resource.namespaced || !namespace.is_empty())
        {
            let found = view.snapshot.get(&served.key(namespace, name)).cloned();
            found.iter().try_for_each(|object| self.check_listable(served, object))?;
            let items = found.into_iter().filter(|object| selection.matches(object)).collect();
            return Ok(Listing { items, revision: view.revision, ..Listing::default() });
        }
        let limit = if view.is_limited { usize::try_from(options.limit).unwrap_or(0) } else { 0 };
        let page = page(&view, &prefix, limit, selection);
        let listing = page.map_err(|object| match self.check_listable(served, &object) {
            Err(status) => status,
            // It has an empty name, which nothing that can be read has.
            Ok(()) => Status::internal("a stored object has no name"),
        })?;
        spans::counted("Listed items from cache", view.snapshot.len());
        spans::counted("Filtered items", listing.items.len());
        Ok(listing)
    }

    async fn view(
        &self,
        served: &ServedResource,
        prefix: &str,
        options: &ListOptions,
    ) -> Result<View, Status> {
        let missing = || Status::method_not_supported(&served.group_resource(), "list");
        let collection = served.collection().ok_or_else(missing)?;
        let now = || {
            let snapshot = self.store.snapshot(collection);
            (snapshot.revision.0, snapshot)
        };
        if !options.continue_token.is_empty() {
            let next = Continue::decode(&options.continue_token, prefix)?;
            if !matches!(options.resource_version.as_str(), "" | "0") {
                let why = "specifying resource version is not allowed when using continue";
                return Err(Status::bad_request(why));
            }
            let Ok(revision) = u64::try_from(next.revision) else {
                self.reach_for("", 0).await?;
                let (revision, snapshot) = now();
                return Ok(View { snapshot, revision, start: Some(next.key), is_limited: true });
            };
            self.has_been(revision).await?;
            let gone = || continue_token::expired(&next.key, prefix);
            let snapshot = self.past(collection, revision, gone).await?;
            return Ok(View { snapshot, revision, start: Some(next.key), is_limited: true });
        }
        let invalid = |why| Status::bad_request(format!("invalid resource version: {why}"));
        let version = options.version().map_err(invalid)?.unwrap_or(0);
        let is_exact = match options.version_match {
            VersionMatch::Exact => true,
            VersionMatch::NotOlderThan => false,
            // Before there was a match, a page at a revision meant exactly that revision.
            VersionMatch::Unset => version > 0 && options.limit > 0,
        };
        if is_exact {
            self.has_been(version).await?;
            let too_old = || Status::expired("The resourceVersion for the provided list is too old.");
            let snapshot = self.past(collection, version, too_old).await?;
            return Ok(View { snapshot, revision: version, start: None, is_limited: true });
        }
        if !options.resource_version.is_empty() {
            self.check_cacheable(served)?;
        }
        let began = Instant::now();
        self.reach_for(&options.resource_version, version).await?;
        self.observe_wait(served, began.elapsed());
        let (revision, snapshot) = now();
        if revision < version {
            return Err(too_large(version, revision, READ_AGAIN_SECONDS));
        }
        let is_limited = options.resource_version != "0";
        Ok(View { snapshot, revision, start: None, is_limited })
    }

    async fn past(
        &self,
        collection: CollectionId,
        revision: u64,
        gone: impl Fn() -> Status,
    ) -> Result<Snapshot, Status> {
        let past = self.store.historical_read(collection, Revision(revision)).await;
        past.map_err(|error| match error {
            HistoricalReadError::Gone(_) => gone(),
            HistoricalReadError::Failed(error) => store_failed(error),
        })
    }
}

/// Takes the matching objects of a page. A limit of zero takes all. The error is an object that cannot be read.
fn page(view: &View, prefix: &str, limit: usize, selection: &Selection) -> Result<Listing, Arc<Object>> {
    let mut listing = Listing { revision: view.revision, ..Listing::default() };
    // The token names the first key of the page, and the snapshot wants the one before: a key and its end differ
    // by the zero byte that the token has at its end.
    let after = view.start.as_deref().map(|start| start.strip_suffix('\0').unwrap_or(start));
    let mut rest = view.snapshot.range(prefix, after);
    let mut last: Option<&Arc<Object>> = None;
    while let Some(object) = rest.next() {
        if limit > 0 && listing.items.len() == limit {
            let key = last.map_or(prefix, |last| last.key.as_str());
            listing.continue_token = Continue::encode(key, prefix, view.revision as i64);
            listing.remaining = selection.is_everything().then(|| rest.count() as i64 + 1);
            break;
        }
        if is_undecodable(object) {
            return Err(object.clone());
        }
        if selection.matches(object) {
            listing.items.push(object.clone());
        }
        last = Some(object);
    }
    Ok(listing)
}
