//! Servers of this kind on the same etcd: what they are told of this one, and how they are reached (`--peer-*`).

use crate::compatibility::Compatibility;
use crate::config::Config;
use crate::flags::FlagValues;
use pintle_admission::Outward;
use pintle_controllers::{Identity, PeerLeases, Told};
use pintle_engine::Engine;
use pintle_metrics::Registry;
use pintle_proxy::peers::{PeerMetrics, PeerWays, Peers};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

/// The gate without which there is none of this.
pub const GATE: &str = "UnknownVersionInteroperabilityProxy";

/// What the command line says of other servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerFlags {
    /// Authorities of their certificates; without any no request is passed on.
    authorities: Option<PathBuf>,
    /// Where they reach this server, if not at its own address.
    advertised: Option<SocketAddr>,
}

/// Other servers on the same etcd, of which none is known yet.
#[derive(Default)]
pub struct OpenPeers {
    /// Absent where no request is passed on.
    pub peers: Option<Arc<Peers>>,
    /// Absent on a store of this server's own, and without the gate.
    pub leases: Option<Arc<PeerLeases>>,
}

impl PeerFlags {
    pub fn read(given: &FlagValues, compatibility: &Compatibility) -> Result<PeerFlags, String> {
        let is_given = |flag: &&&str| !given.text(flag).is_empty();
        let flags = ["peer-ca-file", "peer-advertise-ip", "peer-advertise-port"];
        if !compatibility.is_on(GATE)
            && let Some(flag) = flags.iter().find(is_given)
        {
            return Err(format!("--{flag} requires {GATE} feature to be turned on"));
        }
        let authorities = given.path("peer-ca-file");
        if authorities.is_some() && given.path("proxy-client-cert-file").is_none() {
            return Err(String::from("error building peer proxy handler, proxy-cert-file not specified"));
        }
        Ok(PeerFlags { authorities, advertised: advertised(given)? })
    }

    /// What is said in the log of flags that have no effect.
    pub fn warning(&self, has_etcd: bool) -> Option<String> {
        let is_moot = !has_etcd && *self != PeerFlags::default();
        is_moot.then(|| String::from("--peer-*: no other server shares the embedded store"))
    }
}

/// What this server is known by.
pub fn identity(config: &Config) -> Identity {
    Identity::of_host(&config.hostname)
}

/// Opens the ways to other servers. Files are read again when they change.
pub fn open(
    config: &Config,
    engine: &Arc<Engine>,
    outward: &Outward,
    registry: &Registry,
) -> Result<OpenPeers, String> {
    if !config.compatibility.is_on(GATE) || !engine.store.is_shared() {
        return Ok(OpenPeers::default());
    }
    let leases = Arc::new(PeerLeases::new(engine.clone()));
    let shown = config.aggregation.identity();
    let (Some(authorities), Some(shown)) = (config.peers.authorities.clone(), shown) else {
        return Ok(OpenPeers { peers: None, leases: Some(leases) });
    };
    let ways = PeerWays { authorities, identity: shown, dialer: outward.control_plane.clone() };
    let metrics = PeerMetrics::new(registry);
    let peers = Peers::new(&identity(config).name, ways, leases.clone(), metrics);
    let peers = Arc::new(peers.map_err(|error| format!("--peer-ca-file: {error}"))?);
    pintle_controllers::control_peers(engine, peers.clone());
    Ok(OpenPeers { peers: Some(peers), leases: Some(leases) })
}

/// What others are told of this server.
pub fn told(config: &Config, open: &OpenPeers) -> Told {
    let own = SocketAddr::new(config.address(), config.secure_port);
    let has_peers = config.compatibility.is_on(GATE);
    Told {
        address: config.address(),
        keeps_endpoints: config.keeps_endpoints,
        identity: config.compatibility.is_on("APIServerIdentity").then(|| identity(config)),
        peer: has_peers.then(|| (config.peers.advertised.unwrap_or(own), open.leases.clone())),
    }
}

/// As upstream, half of an address is none.
fn advertised(given: &FlagValues) -> Result<Option<SocketAddr>, String> {
    let (ip, port) = (given.text("peer-advertise-ip"), given.text("peer-advertise-port"));
    if ip.is_empty() || port.is_empty() {
        return Ok(None);
    }
    let ip: IpAddr = ip.parse().map_err(|_| format!("--peer-advertise-ip: {ip:?} is not an IP address"))?;
    let port = port.parse().map_err(|_| format!("--peer-advertise-port: {port:?} is not a port"))?;
    Ok(Some(SocketAddr::new(ip, port)))
}
