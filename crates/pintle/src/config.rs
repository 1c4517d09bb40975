//! `Config`: the flags as checked values that fit together.

use crate::aggregation::Aggregation;
use crate::audit;
use crate::authentication::Authentication;
use crate::authorization::Authorization;
use crate::compatibility::Compatibility;
use crate::encryption::EncryptionFile;
use crate::flags::FlagValues;
use crate::limits::LimitFlags;
use crate::logging::Logging;
use crate::proxying::Proxying;
use crate::traces;

use crate::metrics_flags;
use crate::peer_flags::PeerFlags;
use pintle_admission::{AdmissionSettings as Admission, Chain};
use pintle_kinds::allocator::IpPool;
use pintle_server::tls::TlsSettings as Tls;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The configuration of one server; flags are its only source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The name that the server writes under.
    pub manager: String,
    /// The version that it says it has.
    pub reported_version: String,
    pub data_dir: PathBuf,
    pub secure_port: u16,
    pub bind_address: IpAddr,
    pub advertise_address: Option<IpAddr>,
    /// The address of the interface that this host reaches others by.
    pub host_address: IpAddr,
    pub external_hostname: String,
    pub cert_dir: Option<PathBuf>,
    pub tls: Tls,
    /// Serving certificate and key; without them the server makes its own.
    pub serving: Option<Pair>,
    pub sni: Vec<Pair>,
    pub client_ca_file: Option<PathBuf>,
    pub token_auth_file: Option<PathBuf>,
    /// The first range is the one that Services get their addresses from by default.
    pub service_cluster_ip_range: String,
    pub service_node_port_range: RangeInclusive<u16>,
    pub authentication: Authentication,
    pub service_account_jwks_uri: String,
    pub authorization: Authorization,
    pub admission: Admission,
    /// The settings of auditing.
    pub audit: pintle_audit::AuditOptions,
    /// None: values are stored as they are.
    pub encryption: Option<EncryptionFile>,
    /// The version that the server behaves as, and the APIs that it serves.
    pub compatibility: Compatibility,
    /// None: nothing is traced.
    pub traces: Option<pintle_traces::TracingConfiguration>,
    pub limits: LimitFlags,
    pub metrics: pintle_metrics::MetricsOptions,
    pub proxying: Proxying,
    pub allow_privileged: bool,
    pub event_ttl: Duration,
    /// Whether the server's address is among the endpoints of the Service `kubernetes`.
    pub keeps_endpoints: bool,
    /// Whether Services are called by their endpoints rather than their addresses.
    pub uses_endpoints: bool,
    pub aggregation: Aggregation,
    pub peers: PeerFlags,
    /// The host's name in the identity of this server.
    pub hostname: String,
    /// None: objects are kept in the data directory.
    pub etcd: Option<Etcd>,
    /// The time between two compactions of the store; zero for never.
    pub compaction_interval: Duration,
    pub logging: Logging,
    /// The flags, by name, with their values.
    pub flags: Vec<(String, String)>,
    pub has_profiling: bool,
    /// Warnings about flags without effect.
    pub warnings: Vec<String>,
}

/// The files of a certificate and its key, and host names for it other than those in the certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub names: Vec<String>,
}

/// An etcd to keep objects in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Etcd {
    pub store: pintle_store::etcd::EtcdOptions,
    /// The timeouts of checks of health, and of readiness.
    pub health_max: Duration,
    pub ready_max: Duration,
    /// The time between two queries of its size; zero for never.
    pub size_interval: Duration,
}

impl Config {
    pub fn read(given: FlagValues) -> Result<Config, String> {
        let ranges = given.list("service-cluster-ip-range");
        if let Some(range) = ranges.iter().find(|range| IpPool::parse(range).is_none()) {
            return Err(format!("--service-cluster-ip-range: {range:?} is not a valid CIDR"));
        }
        storage(&given)?;
        let compatibility = Compatibility::read(&given)?;
        Ok(Config {
            manager: manager(&given.program),
            reported_version: pintle_server::KUBERNETES.into(),
            data_dir: given.path("data-dir").unwrap_or_else(default_data_dir),
            secure_port: u16::try_from(given.number("secure-port", 1..=65535)?).unwrap_or(0),
            bind_address: given.ip("bind-address").unwrap_or_else(|| default_bind_address(&given)),
            advertise_address: given.ip("advertise-address"),
            host_address: host_address().unwrap_or(Ipv4Addr::LOCALHOST.into()),
            external_hostname: given.text("external-hostname").into(),
            cert_dir: given.path("cert-dir"),
            tls: tls(&given)?,
            serving: serving(&given)?,
            sni: given.array("tls-sni-cert-key").iter().map(|text| sni(text)).collect::<Result<_, _>>()?,
            client_ca_file: given.path("client-ca-file"),
            token_auth_file: given.path("token-auth-file"),
            service_cluster_ip_range: ranges.join(","),
            service_node_port_range: given.ports("service-node-port-range")?,
            authentication: Authentication::read(&given)?,
            service_account_jwks_uri: given.text("service-account-jwks-uri").into(),
            authorization: Authorization::read(&given)?,
            admission: admission(&given)?,
            audit: audit::read(&given)?,
            encryption: EncryptionFile::read(&given)?,
            traces: traces::read(&given, &compatibility)?,
            compatibility,
            limits: LimitFlags::read(&given)?,
            metrics: metrics_flags::read(&given)?,
            proxying: Proxying::read(&given)?,
            allow_privileged: given.bool("allow-privileged"),
            event_ttl: given.duration("event-ttl")?,
            keeps_endpoints: match given.text("endpoint-reconciler-type") {
                "lease" => true,
                "none" => false,
                other => return Err(format!("--endpoint-reconciler-type: {other:?} is not supported")),
            },
            uses_endpoints: given.bool("enable-aggregator-routing"),
            aggregation: Aggregation::read(&given)?,
            peers: PeerFlags::read(&given, &Compatibility::read(&given)?)?,
            hostname: hostname(&given),
            etcd: etcd(&given)?,
            compaction_interval: given.duration("etcd-compaction-interval")?,
            logging: logging(&given)?,
            flags: given.all(),
            has_profiling: given.bool("profiling"),
            warnings: given.warnings,
        })
    }

    /// The advertised address for other members of the cluster: as upstream, the host's if the server listens on all
    /// addresses or on the loopback only.
    pub fn address(&self) -> IpAddr {
        if let Some(address) = self.advertise_address {
            return address;
        }
        if self.bind_address.is_unspecified() || self.bind_address.is_loopback() {
            return self.host_address;
        }
        self.bind_address
    }

    /// The address that the server can be reached at from this host.
    pub fn local_address(&self) -> IpAddr {
        match self.bind_address {
            IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            address => address,
        }
    }

    /// The directory of certificates and keys that the server makes itself.
    pub fn pki_dir(&self) -> PathBuf {
        self.cert_dir.clone().unwrap_or_else(|| self.data_dir.join("pki"))
    }
}

/// The host's own name, where none is given.
fn hostname(given: &FlagValues) -> String {
    let name = match given.text("hostname") {
        "" => std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default(),
        name => name.into(),
    };
    name.trim().to_ascii_lowercase()
}

/// As upstream: a server is known by the name that its binary was started under. Under our own name it is the one
/// whose place it takes.
fn manager(program: &str) -> String {
    let name = Path::new(program).file_name().unwrap_or_default().to_string_lossy();
    match name.as_ref() {
        "" | "pintle" => String::from("kube-apiserver"),
        name => name.into(),
    }
}

/// A server that is part of a cluster listens everywhere, as upstream's; one that was started by hand does not.
fn default_bind_address(given: &FlagValues) -> IpAddr {
    let is_in_cluster = given.is_given("advertise-address") || given.is_given("etcd-servers");
    IpAddr::V4(if is_in_cluster { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST })
}

/// The log; options that are still experimental need their gate.
fn logging(given: &FlagValues) -> Result<Logging, String> {
    let logging = Logging::read(given)?;
    let compatibility = Compatibility::read(given)?;
    let (name, gate) = match logging.settings.format {
        pintle_logs::LogFormat::Json => ("json", "LoggingBetaOptions"),
        pintle_logs::LogFormat::Text => ("text", "LoggingAlphaOptions"),
    };
    let option = match (logging.settings.is_split, logging.settings.buffer_bytes) {
        _ if compatibility.is_on(gate) => None,
        (true, _) => Some("splitStream"),
        (false, 1..) => Some("infoBufferSize"),
        (false, 0) => None,
    };
    match option {
        Some(option) => Err(format!("options.{name}.{option}: Forbidden: Feature {gate} is disabled")),
        None => Ok(logging),
    }
}

/// The source address of packets to the outside world, by the routes of this host; none without any. A datagram socket
/// is connected for that, which sends nothing, to reserved addresses (RFC 5737, RFC 3849).
fn host_address() -> Option<IpAddr> {
    let through = |from: IpAddr, to: &str| {
        let socket = UdpSocket::bind((from, 0)).ok()?;
        socket.connect(to).ok()?;
        socket.local_addr().ok().map(|address| address.ip())
    };
    let found = through(Ipv4Addr::UNSPECIFIED.into(), "198.51.100.1:443")
        .or_else(|| through(Ipv6Addr::UNSPECIFIED.into(), "[2001:db8::1]:443"));
    found.filter(|address| !address.is_loopback() && !address.is_unspecified())
}

fn storage(given: &FlagValues) -> Result<(), String> {
    const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
    if !matches!(given.text("storage-backend"), "" | "etcd3") {
        return Err(String::from("--storage-backend: must be etcd3 or empty"));
    }
    if !matches!(given.text("storage-media-type"), "" | PROTOBUF) {
        return Err(format!("--storage-media-type: must be {PROTOBUF}"));
    }
    Ok(())
}

/// The settings of etcd; none without `--etcd-servers`.
fn etcd(given: &FlagValues) -> Result<Option<Etcd>, String> {
    let (cert_file, key_file) = (given.path("etcd-certfile"), given.path("etcd-keyfile"));
    if cert_file.is_some() != key_file.is_some() {
        return Err(String::from("--etcd-certfile and --etcd-keyfile must be given together"));
    }
    let reuse = given.number("lease-reuse-duration-seconds", 0..=86_400)?;
    let etcd = Etcd {
        store: pintle_store::etcd::EtcdOptions {
            servers: given.list("etcd-servers"),
            prefix: given.text("etcd-prefix").into(),
            ca_file: given.path("etcd-cafile"),
            cert_file,
            key_file,
            compaction_interval: given.duration("etcd-compaction-interval")?,
            lease_reuse: Duration::from_secs(reuse.unsigned_abs()),
            tells_progress: None,
        },
        health_max: given.duration("etcd-healthcheck-timeout")?,
        ready_max: given.duration("etcd-readycheck-timeout")?,
        size_interval: given.duration("etcd-db-metric-poll-interval")?,
    };
    Ok(Some(etcd).filter(|etcd| !etcd.store.servers.is_empty()))
}

fn tls(given: &FlagValues) -> Result<Tls, String> {
    let is_tls13_only = match given.text("tls-min-version") {
        "" | "VersionTLS10" | "VersionTLS11" | "VersionTLS12" => false,
        "VersionTLS13" => true,
        other => return Err(format!("--tls-min-version: unknown tls version {other:?}")),
    };
    let curve = |text: &String| {
        text.parse::<u16>().map_err(|_| format!("--tls-curve-preferences: unknown curve {text:?}"))
    };
    Ok(Tls {
        cipher_suites: given.list("tls-cipher-suites"),
        curves: given.list("tls-curve-preferences").iter().map(curve).collect::<Result<_, _>>()?,
        is_tls13_only,
        is_http2: !given.bool("disable-http2-serving"),
        streams_max: u32::try_from(
            given.number("http2-max-streams-per-connection", 0..=i64::from(u32::MAX))?,
        )
        .unwrap_or(0),
    })
}

fn serving(given: &FlagValues) -> Result<Option<Pair>, String> {
    match (given.path("tls-cert-file"), given.path("tls-private-key-file")) {
        (Some(certificate), Some(key)) => Ok(Some(Pair { certificate, key, names: Vec::new() })),
        (None, None) => Ok(None),
        _ => Err(String::from("--tls-cert-file and --tls-private-key-file must be given together")),
    }
}

/// `certificate,key` or `certificate,key:name,name`.
fn sni(text: &str) -> Result<Pair, String> {
    let (files, names) = text.split_once(':').unwrap_or((text, ""));
    let names = names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(String::from).collect();
    match files.split(',').map(str::trim).collect::<Vec<_>>().as_slice() {
        [certificate, key] => Ok(Pair { certificate: certificate.into(), key: key.into(), names }),
        _ => Err(format!(
            "--tls-sni-cert-key: {text:?}: expected comma separated certificate and key file paths"
        )),
    }
}

fn admission(given: &FlagValues) -> Result<Admission, String> {
    let listed = given.is_given("admission-control");
    if listed && (given.is_given("enable-admission-plugins") || given.is_given("disable-admission-plugins")) {
        return Err(String::from(
            "admission-control and enable-admission-plugins/disable-admission-plugins flags are mutually exclusive",
        ));
    }
    let mut admission = Admission {
        only: listed.then(|| given.list("admission-control")),
        enabled: given.list("enable-admission-plugins"),
        disabled: given.list("disable-admission-plugins"),
        not_ready_seconds: given.number("default-not-ready-toleration-seconds", 0..=i64::MAX)?,
        unreachable_seconds: given.number("default-unreachable-toleration-seconds", 0..=i64::MAX)?,
        ..Admission::default()
    };
    if let Some(path) = given.path("admission-control-config-file") {
        // Files that it names are beside it.
        let dir = path.parent().map(std::path::Path::to_path_buf).unwrap_or_default();
        let beside = |name: &str| crate::files::read(&dir.join(name));
        let configured = crate::files::read(&path).and_then(|text| admission.configure(&text, &beside));
        configured.map_err(|error| format!("--admission-control-config-file: {error}"))?;
    }
    Chain::check(&admission)?;
    Ok(admission)
}

/// A service without a home keeps its data where services do.
fn default_data_dir() -> PathBuf {
    let dir = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = dir("XDG_DATA_HOME").or_else(|| Some(dir("HOME")?.join(".local/share")));
    base.unwrap_or_else(|| PathBuf::from("/var/lib")).join("pintle")
}
