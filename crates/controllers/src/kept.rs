//! Objects of the cluster that are kept while the server runs, as often as upstream looks at each.

use crate::bootstrap::{self, Cluster};
use crate::endpoints::{self, KubernetesEndpoints};
use crate::identity_lease::{COLLECT_INTERVAL, IdentityLease};
use crate::runner::{periodic, periodic_after_start};
use pintle_engine::{Engine, own};
use pintle_object::Status;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// How often the records of addresses and ports are looked through, as upstream does it.
const REPAIR_INTERVAL: Duration = Duration::from_secs(180);
/// How often namespaces, flow control and the like are looked at (`systemnamespaces`, `storage_flowcontrol.go`).
const SYSTEM_INTERVAL: Duration = Duration::from_secs(60);

pub struct Kept {
    engine: Arc<Engine>,
    cluster: Cluster,
    /// None without the gate APIServerIdentity.
    lease: Option<IdentityLease>,
    /// None where the flags say so, or the server has no address that others could use.
    endpoints: Option<KubernetesEndpoints>,
}

impl Kept {
    pub fn new(engine: Arc<Engine>, cluster: Cluster, address: IpAddr, keeps_endpoints: bool) -> Kept {
        let port = cluster.secure_port;
        let lease = Some(IdentityLease::new(engine.clone(), address, port));
        // Endpoints may not be on the loopback.
        let endpoints = (keeps_endpoints && !address.is_loopback())
            .then(|| KubernetesEndpoints::new(engine.clone(), address, port));
        Kept { engine, cluster, lease, endpoints }
    }

    /// Tells nobody of this server by a lease, and collects none.
    pub fn without_identity(self) -> Kept {
        Kept { lease: None, ..self }
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

    /// Takes the server's address back when it stops.
    pub async fn leave(&self) {
        if let Some(endpoints) = &self.endpoints {
            endpoints.leave().await;
        }
    }
}
