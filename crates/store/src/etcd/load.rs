//! Everything that etcd holds at one revision, in pages.

use crate::backend::Row;
use crate::etcd::client::{EtcdClient, EtcdFailure, Repeat};
use crate::etcd::keys::KeyRange;
use crate::etcd::wire::{self, KeyValue, RangeRequest, RangeResponse};
use crate::object::Revision;
use bytes::Bytes;
use tokio::sync::mpsc;

/// Keys of a page: the first, before the size of objects is known, and the most.
const KEYS_FIRST: usize = 500;
const KEYS_MAX: usize = 10_000;
/// Bytes that a page should have, about.
const PAGE_BYTES: usize = 8 << 20;
/// Pages that wait to be used.
const PAGES_AHEAD: usize = 1;

/// Rows with their leases.
pub(crate) type Page = Vec<(Row, i64)>;

/// Reads ranges of keys.
#[derive(Clone)]
pub(crate) struct ObjectLoader {
    pub client: EtcdClient,
    pub keys: KeyRange,
}

/// Reads everything below a prefix, page by page, at the revision of the first page.
pub(crate) struct Loader<'a> {
    reader: &'a ObjectLoader,
    next: Vec<u8>,
    end: Vec<u8>,
    limit: usize,
    /// Zero until it is known.
    pub revision: Revision,
    is_done: bool,
}

impl ObjectLoader {
    /// `prefix` is one of the store: `/registry/` is everything. `revision` zero is now.
    pub fn load(&self, prefix: &str, revision: Revision) -> Loader<'_> {
        let next = self.keys.outer(prefix);
        let end = wire::prefix_end(&next);
        Loader { reader: self, next, end, limit: KEYS_FIRST, revision, is_done: false }
    }

    /// Everything at one revision: a page is read while the one before is used.
    pub fn read_ahead(&self, revision: Revision) -> mpsc::Receiver<Result<Page, EtcdFailure>> {
        let (sender, pages) = mpsc::channel(PAGES_AHEAD);
        let reader = self.clone();
        tokio::spawn(async move {
            let mut loader = reader.load("/registry/", revision);
            while let Some(page) = loader.page().await.transpose() {
                let is_last = page.is_err();
                if sender.send(page).await.is_err() || is_last {
                    break;
                }
            }
        });
        pages
    }

    /// etcd's revision, and how many keys are below the prefix.
    pub async fn head(&self) -> Result<RangeResponse, EtcdFailure> {
        let (key, range_end) = self.range();
        let ask = RangeRequest { key, range_end, count_only: true, ..RangeRequest::default() };
        self.client.call(wire::RANGE, ask, Repeat::Always).await
    }

    /// All keys of the store, as etcd wants them.
    pub fn range(&self) -> (Vec<u8>, Vec<u8>) {
        let key = self.keys.outer("/registry/");
        let end = wire::prefix_end(&key);
        (key, end)
    }

    /// `None` for keys of others.
    pub fn row(&self, kv: KeyValue) -> Option<(Row, i64)> {
        let row = Row {
            revision: wire::revision(kv.mod_revision),
            key: self.keys.inner(&kv.key)?,
            create_revision: wire::revision(kv.create_revision),
            value: Some(Bytes::from(kv.value)),
            expires: None,
        };
        Some((row, kv.lease))
    }
}

impl Loader<'_> {
    /// The next page's rows with their leases; `None` after the last.
    pub async fn page(&mut self) -> Result<Option<Page>, EtcdFailure> {
        if self.is_done {
            return Ok(None);
        }
        let ask = RangeRequest {
            key: self.next.clone(),
            range_end: self.end.clone(),
            limit: i64::try_from(self.limit).unwrap_or(i64::MAX),
            revision: wire::number(self.revision),
            count_only: false,
        };
        let page: RangeResponse = self.reader.client.call(wire::RANGE, ask, Repeat::Always).await?;
        if self.revision == Revision(0) {
            self.revision = wire::of_header(page.header.as_ref());
        }
        self.is_done = !page.more;
        if let Some(last) = page.kvs.last() {
            self.next = [last.key.as_slice(), &[0]].concat();
        }
        self.limit = limit_after(&page.kvs);
        Ok(Some(page.kvs.into_iter().filter_map(|kv| self.reader.row(kv)).collect()))
    }
}

/// The number of keys to ask for in the next page, from the size of those in this one.
fn limit_after(kvs: &[KeyValue]) -> usize {
    let bytes: usize = kvs.iter().map(|kv| kv.key.len() + kv.value.len()).sum();
    let average = bytes / kvs.len().max(1);
    (PAGE_BYTES / average.max(1)).clamp(1, KEYS_MAX)
}
