//! What the command line says, as values.

use pintle_server::access::Mode;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The configuration of one server; flags are its only source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub data_dir: PathBuf,
    pub secure_port: u16,
    pub bind_address: IpAddr,
    pub advertise_address: Option<IpAddr>,
    pub cert_dir: Option<PathBuf>,
    pub tls_cert_file: Option<PathBuf>,
    pub tls_private_key_file: Option<PathBuf>,
    pub client_ca_file: Option<PathBuf>,
    pub token_auth_file: Option<PathBuf>,
    /// The first range is the one that Services get their addresses from by default.
    pub service_cluster_ip_range: String,
    pub service_account_issuer: String,
    /// Asked in this order; the group `system:masters` is asked for before all.
    pub authorization_modes: Vec<Mode>,
    pub enable_admission_plugins: Vec<String>,
    pub disable_admission_plugins: Vec<String>,
    pub allow_privileged: bool,
    pub event_ttl_seconds: u64,
    /// None: objects are kept in the data directory.
    pub etcd: Option<Etcd>,
    pub verbosity: u8,
    /// What was asked for and is not built yet, in words for the log.
    pub warnings: Vec<String>,
}

/// An etcd to keep objects in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Etcd {
    pub store: pintle_store::etcd::Options,
    /// How long it may take to answer checks of health, and of readiness.
    pub health_max: Duration,
    pub ready_max: Duration,
}

impl Config {
    /// The address that clients are told to use.
    pub fn address(&self) -> IpAddr {
        self.advertise_address.unwrap_or(if self.bind_address.is_unspecified() {
            IpAddr::from([127, 0, 0, 1])
        } else {
            self.bind_address
        })
    }

    /// Where certificates that the server makes itself are kept.
    pub fn pki_dir(&self) -> PathBuf {
        self.cert_dir.clone().unwrap_or_else(|| self.data_dir.join("pki"))
    }
}
