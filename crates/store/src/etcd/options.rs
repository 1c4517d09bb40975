//! Options of a store on etcd.

use std::path::PathBuf;
use std::time::Duration;

/// The members of an etcd cluster, and the settings of its use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdOptions {
    /// URLs of the members; the first that answers is used.
    pub servers: Vec<String>,
    /// The beginning of all keys: `/registry`.
    pub prefix: String,
    pub ca_file: Option<PathBuf>,
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    /// The time between two compactions, and the time of history that is kept; zero for never.
    pub compaction_interval: Duration,
    /// For how long a lease is given to further objects with the same time to live.
    pub lease_reuse: Duration,
    /// Whether etcd's word on progress is relied on; as its version allows, if nothing is said.
    pub tells_progress: Option<bool>,
}

impl Default for EtcdOptions {
    fn default() -> EtcdOptions {
        EtcdOptions {
            servers: Vec::new(),
            prefix: String::from("/registry"),
            ca_file: None,
            cert_file: None,
            key_file: None,
            compaction_interval: Duration::from_secs(300),
            lease_reuse: Duration::from_secs(60),
            tells_progress: None,
        }
    }
}
