//! Other servers on the same etcd: the data of this one for them, and the ways to them (`--peer-*`).

use crate::config::Config;
use crate::peer_flags::{GATE, IDENTITY_GATE};
use pintle_admission::Outward;
use pintle_controllers::{Identity, PeerLeases, ServerIdentity};
use pintle_engine::Engine;
use pintle_metrics::Registry;
use pintle_proxy::peers::{PeerMetrics, PeerWays, Peers};
use std::net::SocketAddr;
use std::sync::Arc;

/// Other servers on the same etcd, of which none is known yet.
#[derive(Default)]
pub struct OpenPeers {
    /// Absent where no request is passed on.
    pub peers: Option<Arc<Peers>>,
    /// Absent on a store of this server's own, and without the gate.
    pub leases: Option<Arc<PeerLeases>>,
}

/// The identity of this server among its peers, made from its hostname.
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

/// The data of this server that its peers and clients find in the store: address, identity, lease.
pub fn told(config: &Config, open: &OpenPeers) -> ServerIdentity {
    let own = SocketAddr::new(config.address(), config.secure_port);
    let has_peers = config.compatibility.is_on(GATE);
    ServerIdentity {
        address: config.address(),
        keeps_endpoints: config.keeps_endpoints,
        identity: config.compatibility.is_on(IDENTITY_GATE).then(|| identity(config)),
        peer: has_peers.then(|| (config.peers.advertised.unwrap_or(own), open.leases.clone())),
    }
}
