//! The start on etcd: everything is read at a revision of a while ago, and followed from there.

use crate::backend::Error as OpenError;
use crate::cache::Cache;
use crate::compaction::Compacted;
use crate::etcd::client::{Client, Failure};
use crate::etcd::commit::Remote;
use crate::etcd::digests::Digests;
use crate::etcd::feed::Feed;
use crate::etcd::load::Reader;
use crate::etcd::{Keys, Options, compact, wire};
use crate::forms::FormCache;
use crate::herald::Herald;
use crate::object::Revision;
use crate::prefixes::Prefixes;
use crate::recovery::Recovery;
use crate::store::Digester;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// An etcd that starts at the same time as we do gets this long, as kube-apiserver gives it.
const START_MAX: Duration = Duration::from_secs(20);
const START_PAUSE: Duration = Duration::from_millis(250);
/// How many of the last revisions are taken along as events.
const EVENTS_BACK: usize = 10_000;

/// What the store needs of it.
pub(crate) struct Started {
    pub remote: Remote,
    pub collections: crate::cache::Collections,
    pub published: Arc<AtomicU64>,
    pub reached: watch::Receiver<u64>,
    pub compacted: Compacted,
}

/// Fills the cache and sets about to follow etcd, in a task of the current runtime.
pub(crate) async fn start(
    etcd: &Options,
    prefixes: Vec<String>,
    digester: Arc<dyn Digester + Send + Sync>,
    options: crate::Options,
) -> Result<Started, OpenError> {
    let reader = Reader { client: Client::new(etcd)?, keys: Keys::new(etcd) };
    let digests = Arc::new(Digests::new(digester));
    let forms = Arc::new(FormCache::new());
    let began = tokio::time::Instant::now();
    let (revision, now, mut recovery) = loop {
        let empty = || Recovery::new(prefixes.clone(), options.window, forms.clone());
        match fill(&reader, empty, options.window.events_max, &*digests).await {
            Ok(filled) => break filled,
            Err(failure) if began.elapsed() > START_MAX => return Err(OpenError(failure.to_string())),
            Err(Failure::Refused(why)) if !why.starts_with("etcdserver: no leader") => {
                return Err(OpenError(why));
            }
            Err(failure) => tracing::warn!("{failure}; trying again"),
        }
        tokio::time::sleep(START_PAUSE).await;
    };
    let collections = Arc::new(RwLock::new(recovery.collections(revision, revision)));
    let published = Arc::new(AtomicU64::new(revision.0));
    let (sender, reached) = watch::channel(revision.0);
    let herald = Herald::start().map_err(|error| OpenError(format!("the herald cannot start: {error}")))?;
    let cache = Cache {
        collections: collections.clone(),
        published: published.clone(),
        reached: sender,
        forms,
        herald,
        forgot: Default::default(),
    };
    let (wanted, wanted_receiver) = watch::channel(0);
    let (orders, orders_receiver) = mpsc::unbounded_channel();
    let feed = Feed {
        reader: reader.clone(),
        cache,
        digests: digests.clone(),
        prefixes: Prefixes::default(),
        known: 0,
        window: options.window,
        tells_progress: etcd.tells_progress,
        applied: revision,
        wanted: wanted_receiver,
        orders: orders_receiver,
    };
    tokio::spawn(feed.run());
    let compacted = Compacted::default();
    let turns = compact::run(reader.client.clone(), etcd.compaction_interval, compacted.clone());
    let compaction = (!etcd.compaction_interval.is_zero()).then(|| tokio::spawn(turns).abort_handle());
    let remote = Remote::new(reader, digests, etcd.lease_reuse, wanted, reached.clone(), orders, compaction);
    if !remote.reach(now, START_MAX).await {
        return Err(OpenError(format!("etcd's watch does not reach revision {now}")));
    }
    Ok(Started { remote, collections, published, reached, compacted })
}

/// Hands everything that etcd held a while ago to a recovery. What happened since is for the watch to tell, so that
/// clients can go on from where they were before a restart. Tells the revision that was read, and the present one.
async fn fill(
    reader: &Reader,
    empty: impl Fn() -> Recovery,
    events_max: usize,
    digester: &dyn Digester,
) -> Result<(Revision, Revision, Recovery), Failure> {
    let now = wire::of_header(reader.head().await?.header.as_ref());
    let back = EVENTS_BACK.min(events_max) as u64;
    let compacted = compact::latest(&reader.client).await?;
    // A revision that was compacted in the meantime cannot be read.
    for revision in [Revision(now.0.saturating_sub(back).max(1)).max(compacted), now] {
        let mut recovery = empty();
        match fill_at(reader, &mut recovery, digester, revision).await {
            Ok(()) => return Ok((revision, now, recovery)),
            Err(Failure::Compacted) if revision < now => {}
            Err(failure) => return Err(failure),
        }
    }
    Err(Failure::Compacted)
}

async fn fill_at(
    reader: &Reader,
    recovery: &mut Recovery,
    digester: &dyn Digester,
    revision: Revision,
) -> Result<(), Failure> {
    let mut pages = reader.read_ahead(revision);
    while let Some(page) = pages.recv().await.transpose()? {
        page.into_iter().for_each(|(row, _)| recovery.add(row, digester));
    }
    Ok(())
}
