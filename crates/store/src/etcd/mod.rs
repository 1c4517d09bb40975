//! etcd beneath the store, with kube-apiserver's keys and values, and others that may write beside us.
//!
//! The cache is filled by a range at one revision and then follows etcd's watch. A write is a transaction on one key,
//! and is answered when the cache has it: who wrote reads what it wrote. A read that must be of now asks etcd for its
//! revision, together with all who ask at that moment, and waits until the cache has reached it.

mod calls;
mod client;
mod compact;
mod copy;
mod keys;
mod latest_revision;
mod lease;
mod load;
mod object_reader;
mod options;
mod spans;
mod start;
mod txn;
mod watch;
mod wire;

pub(crate) use copy::{Import, export};
pub(crate) use keys::KeyRange;
pub use options::EtcdOptions;
pub(crate) use start::start;
pub(crate) use txn::EtcdStore;
