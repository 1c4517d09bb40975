//! Objects of the cluster that are kept while the server runs, as often as upstream looks at each.

use crate::bootstrap::{self, Cluster};
use crate::endpoints::{self, KubernetesEndpoints};
use crate::identity_lease::{COLLECT_INTERVAL, Identity, IdentityLease};
use crate::peer_leases::{self, PeerLeases};
use crate::runner::{periodic, periodic_after_start};
use pintle_engine::{Engine, own};
use pintle_object::Status;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// The time between two repairs of the records of addresses and ports; upstream's.
const REPAIR_INTERVAL: Duration = Duration::from_secs(180);
/// The time for which a stopping server tries to remove its leases.
const LEAVE_MAX: Duration = Duration::from_secs(5);
/// The time between two checks of namespaces, flow control and the like (`systemnamespaces`, `storage_flowcontrol.go`).
const SYSTEM_INTERVAL: Duration = Duration::from_secs(60);

pub struct KeptObjects {
    engine: Arc<Engine>,
    cluster: Cluster,
    /// None without the gate APIServerIdentity.
    lease: Option<IdentityLease>,
    peer_lease: Option<PeerLease>,
    /// None where the flags say so, or the server has no address that others could use.
    endpoints: Option<KubernetesEndpoints>,
}

/// Facts that a server publishes about itself.
pub struct ServerIdentity {
    pub address: IpAddr,
    pub keeps_endpoints: bool,
    /// Its identity; absent where it has no lease (without the gate APIServerIdentity).
    pub identity: Option<Identity>,
    /// The address that peers proxy requests to, and the leases that publish it; absent without the gate
    /// UnknownVersionInteroperabilityProxy. On the embedded store nobody reads leases.
    pub peer: Option<(SocketAddr, Option<Arc<PeerLeases>>)>,
}

/// The peer endpoint lease of this server.
struct PeerLease {
    leases: Arc<PeerLeases>,
    identity: String,
    address: SocketAddr,
}

impl KeptObjects {
    pub fn new(engine: Arc<Engine>, cluster: Cluster, told: ServerIdentity) -> KeptObjects {
        let ServerIdentity { address, keeps_endpoints, identity, peer } = told;
        let port = cluster.secure_port;
        // Endpoints may not be on the loopback.
        let endpoints = (keeps_endpoints && !address.is_loopback())
            .then(|| KubernetesEndpoints::new(engine.clone(), address, port));
        let peer_lease = match (&identity, &peer) {
            (Some(identity), Some((address, Some(leases)))) => {
                let (leases, identity) = (leases.clone(), identity.name.clone());
                Some(PeerLease { leases, identity, address: *address })
            }
            _ => None,
        };
        let address = peer.map(|(address, _)| address);
        let lease = identity.map(|identity| IdentityLease::new(engine.clone(), identity, address));
        KeptObjects { engine, cluster, lease, peer_lease, endpoints }
    }

    /// Runs until it is dropped.
    pub async fn run(&self) {
        let engine = &self.engine;
        tokio::join!(
            periodic("kubernetes_service", endpoints::INTERVAL, || self.keep_service()),
            periodic_after_start("system_namespaces", SYSTEM_INTERVAL, || bootstrap::keep_namespaces(
                engine,
                own::now()
            )),
            periodic_after_start("legacy_token_tracking", SYSTEM_INTERVAL, || bootstrap::keep_tracking(
                engine,
                own::now()
            )),
            periodic_after_start("flow_control", SYSTEM_INTERVAL, || bootstrap::keep_flow_control(
                engine,
                own::now()
            )),
            self.keep_identity(),
            self.keep_peer_lease(),
            self.repair_allocations(),
        );
    }

    async fn keep_identity(&self) {
        let Some(lease) = &self.lease else { return };
        tokio::join!(
            periodic("identity_lease", lease.interval(), || lease.renew()),
            periodic("identity_lease_collection", COLLECT_INTERVAL, || lease.collect()),
        );
    }

    async fn keep_peer_lease(&self) {
        let Some(PeerLease { leases, identity, address }) = &self.peer_lease else { return };
        periodic("peer_endpoint_lease", peer_leases::INTERVAL, || leases.renew(identity, *address)).await;
    }

    async fn keep_service(&self) -> Result<(), Status> {
        bootstrap::keep_services(&self.engine, &self.cluster, own::now()).await?;
        match &self.endpoints {
            Some(endpoints) => endpoints.reconcile().await,
            None => Ok(()),
        }
    }

    /// The start has looked through the records already.
    async fn repair_allocations(&self) {
        loop {
            tokio::time::sleep(REPAIR_INTERVAL).await;
            self.engine.repair_records(own::now()).await;
        }
    }

    /// Removes the server's endpoints and leases when it stops.
    pub async fn leave(&self) {
        if let Some(endpoints) = &self.endpoints {
            endpoints.leave().await;
        }
        let leases = async {
            if let Some(PeerLease { leases, identity, .. }) = &self.peer_lease {
                leases.remove(identity).await?;
            }
            match &self.lease {
                Some(lease) => lease.leave().await,
                None => Ok(()),
            }
        };
        let why = match tokio::time::timeout(LEAVE_MAX, leases).await {
            Ok(Ok(())) => return,
            Ok(Err(status)) => status.message,
            Err(_) => String::from("it took too long"),
        };
        tracing::warn!("cannot remove the leases of this server: {why}");
    }
}
