//! etcd as the store's backend, with kube-apiserver's keys and values; other servers may write to it too.
//!
//! The cache is filled by a range at one revision and then follows etcd's watch. A write is a transaction on one key,
//! and is answered when the cache has it, so that its client can read it. A read of the latest state asks etcd for its
//! revision, once for all reads at that moment, and waits until the cache has reached it.

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
