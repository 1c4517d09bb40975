//! The start on etcd: everything is read at a revision of a while ago, and followed from there.

use crate::attrs::AttrReader;
use crate::backend::BackendError as OpenError;
use crate::compaction::Compacted;
use crate::etcd::client::{EtcdClient, EtcdFailure};
use crate::etcd::keys::KeyRange;
use crate::etcd::lease::Leases;
use crate::etcd::load::ObjectLoader;
use crate::etcd::object_reader::ObjectReader;
use crate::etcd::options::EtcdOptions;
use crate::etcd::txn::EtcdStore;
use crate::etcd::watch::EtcdWatch;
use crate::etcd::{compact, wire};
use crate::object::Revision;
use crate::prefixes::Prefixes;
use crate::recovery::Recovery;
use crate::stored_value::StoredValues;
use crate::watch_cache::cache::{Collections, WatchCache};
use crate::watch_cache::notifier::Notifier;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// An etcd that starts at the same time as we do gets this long, as kube-apiserver gives it.
const START_MAX: Duration = Duration::from_secs(20);
const START_PAUSE: Duration = Duration::from_millis(250);
/// The last revisions that are taken along as events.
const EVENTS_BACK: usize = 10_000;

/// The parts of a store on etcd.
pub(crate) struct Started {
    pub etcd: EtcdStore,
    pub collections: Collections,
    pub published: Arc<AtomicU64>,
    pub visible: watch::Receiver<u64>,
    pub compacted: Compacted,
    /// The number of progress notifications from etcd.
    pub bookmarks: Arc<AtomicU64>,
}

/// Fills the cache and begins to follow etcd, in a task of the current runtime.
pub(crate) async fn start(
    etcd: &EtcdOptions,
    prefixes: Vec<String>,
    attr_reader: Arc<dyn AttrReader + Send + Sync>,
    options: crate::Options,
) -> Result<Started, OpenError> {
    let reader = ObjectLoader { client: EtcdClient::new(etcd, &options.metrics)?, keys: KeyRange::new(etcd) };
    let values = StoredValues::new(options.transformer.clone());
    let objects = Arc::new(ObjectReader::new(reader.keys.clone(), values, attr_reader));
    let began = tokio::time::Instant::now();
    let (revision, now, mut recovery) = loop {
        // Each attempt counts its own bytes.
        let empty = || Recovery::new(prefixes.clone(), options.window, StoredValues::default());
        match fill(&reader, empty, options.window.events_max, &objects).await {
            Ok(filled) => break filled,
            Err(failure) if began.elapsed() > START_MAX => return Err(OpenError(failure.to_string())),
            Err(EtcdFailure::Refused(why) | EtcdFailure::TooLarge(why)) => return Err(OpenError(why)),
            Err(failure) => tracing::warn!("{failure}; trying again"),
        }
        tokio::time::sleep(START_PAUSE).await;
    };
    let collections = Arc::new(RwLock::new(recovery.collections(revision, revision)));
    let published = Arc::new(AtomicU64::new(revision.0));
    let (sender, visible) = watch::channel(revision.0);
    let notifier =
        Notifier::start().map_err(|error| OpenError(format!("the notifier cannot start: {error}")))?;
    let cache = WatchCache {
        collections: collections.clone(),
        published: published.clone(),
        visible: sender,
        encodings: recovery.encodings,
        notifier,
        old_dropped: Default::default(),
    };
    let (wanted, wanted_receiver) = watch::channel(0);
    let (commands, commands_receiver) = mpsc::unbounded_channel();
    let bookmarks = Arc::<AtomicU64>::default();
    let follower = EtcdWatch {
        reader: reader.clone(),
        cache,
        objects: objects.clone(),
        prefixes: Prefixes::default(),
        known: 0,
        window: options.window,
        tells_progress: etcd.tells_progress,
        applied: revision,
        wanted: wanted_receiver,
        commands: commands_receiver,
        bookmarks: bookmarks.clone(),
    };
    tokio::spawn(follower.run());
    let compacted = Compacted::default();
    let turns = compact::run(reader.client.clone(), etcd.compaction_interval, compacted.clone());
    let compaction = (!etcd.compaction_interval.is_zero()).then(|| tokio::spawn(turns).abort_handle());
    let leases = Leases::new(etcd.lease_reuse, options.metrics.histogram("etcd_lease_object_counts"));
    let etcd = EtcdStore::new(reader, objects, leases, wanted, visible.clone(), commands, compaction);
    if !etcd.wait_for_revision(now, START_MAX).await {
        return Err(OpenError(format!("etcd's watch does not reach revision {now}")));
    }
    Ok(Started { etcd, collections, published, visible, compacted, bookmarks })
}

/// Adds everything that etcd held a while ago to a recovery. The watch brings the events since, so that clients can go
/// on from where they were before a restart. Returns the revision that was read, and the present one.
async fn fill(
    reader: &ObjectLoader,
    empty: impl Fn() -> Recovery,
    events_max: usize,
    objects: &ObjectReader,
) -> Result<(Revision, Revision, Recovery), EtcdFailure> {
    let now = wire::of_header(reader.head().await?.header.as_ref());
    let back = EVENTS_BACK.min(events_max) as u64;
    let compacted = compact::latest(&reader.client).await?;
    // A revision that was compacted in the meantime cannot be read.
    for revision in [Revision(now.0.saturating_sub(back).max(1)).max(compacted), now] {
        let mut recovery = empty();
        match fill_at(reader, &mut recovery, objects, revision).await {
            Ok(()) => return Ok((revision, now, recovery)),
            Err(EtcdFailure::Compacted) if revision < now => {}
            Err(failure) => return Err(failure),
        }
    }
    Err(EtcdFailure::Compacted)
}

async fn fill_at(
    reader: &ObjectLoader,
    recovery: &mut Recovery,
    objects: &ObjectReader,
    revision: Revision,
) -> Result<(), EtcdFailure> {
    let mut pages = reader.read_ahead(revision);
    while let Some(page) = pages.recv().await.transpose()? {
        for (row, _) in page {
            recovery.add_object(objects.first_object(row).await);
        }
    }
    Ok(())
}
