//! The place of a store under test: the same contract holds for all of them.

use super::*;
use pintle_testkit::Etcd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{MutexGuard, OnceLock, PoisonError};

/// One etcd for all tests of this binary. It ends with the process.
static ETCD: OnceLock<Option<Mutex<Etcd>>> = OnceLock::new();
static PREFIXES: AtomicU32 = AtomicU32::new(0);

pub(crate) enum Place {
    Embedded(tempfile::TempDir),
    Memory(Memory),
    Etcd(Shared),
}

/// A prefix of its own in the etcd of all tests. One test at a time, so that revisions count its writes alone.
pub(crate) struct Shared {
    etcd: MutexGuard<'static, Etcd>,
    prefix: String,
}

impl Place {
    pub fn embedded() -> Place {
        Place::Embedded(tempfile::tempdir().unwrap())
    }

    pub fn memory() -> Place {
        Place::Memory(Memory::default())
    }

    /// `None` where no etcd is installed.
    pub fn etcd() -> Option<Place> {
        let etcd = ETCD.get_or_init(|| Etcd::start().map(Mutex::new)).as_ref()?;
        let etcd = etcd.lock().unwrap_or_else(PoisonError::into_inner);
        let prefix = format!("/test-{}", PREFIXES.fetch_add(1, Ordering::Relaxed));
        Some(Place::Etcd(Shared { etcd, prefix }))
    }

    pub async fn open(&self) -> (Store, CollectionId) {
        self.open_with(Options::default()).await
    }

    pub async fn open_with(&self, options: Options) -> (Store, CollectionId) {
        match self {
            Place::Embedded(dir) => {
                open_with(Box::new(Sqlite::open(&dir.path().join("store.db")).unwrap()), options)
            }
            Place::Memory(memory) => open_with(Box::new(memory.clone()), options),
            Place::Etcd(shared) => connect(&shared.options(), options).await,
        }
    }
}

impl Shared {
    pub fn options(&self) -> etcd::EtcdOptions {
        etcd::EtcdOptions { prefix: self.prefix.clone(), ..etcd_options(&[self.etcd.url()]) }
    }
}

pub(crate) fn etcd_options(servers: &[String]) -> etcd::EtcdOptions {
    etcd::EtcdOptions {
        servers: servers.to_vec(),
        compaction_interval: Duration::ZERO,
        ..etcd::EtcdOptions::default()
    }
}

pub(crate) async fn connect(etcd: &etcd::EtcdOptions, options: Options) -> (Store, CollectionId) {
    let prefixes = vec![String::from("/registry/things/"), String::from("/registry/others/")];
    let store = Store::connect(etcd, prefixes, Arc::new(Plain), options).await.unwrap();
    let things = store.add_collection("/registry/things/");
    (store, things)
}

/// Runs each case on every place.
macro_rules! everywhere {
    ($($case:ident),* $(,)?) => {
        mod embedded {
            use super::super::place::Place;
            $(#[tokio::test]
            async fn $case() {
                super::$case(&Place::embedded()).await;
            })*
        }

        mod memory {
            use super::super::place::Place;
            $(#[tokio::test]
            async fn $case() {
                super::$case(&Place::memory()).await;
            })*
        }

        mod on_etcd {
            use super::super::place::Place;
            $(#[tokio::test]
            async fn $case() {
                if let Some(place) = Place::etcd() {
                    super::$case(&place).await;
                }
            })*
        }
    };
}

pub(super) use everywhere;
