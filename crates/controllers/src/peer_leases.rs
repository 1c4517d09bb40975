//! The leases in which servers publish the address for proxied requests: `/registry/peerserverleases/<identity>`, as
//! upstream keeps them (`apiserver/pkg/reconcilers`).

use crate::endpoint_leases::{EndpointLeases, ip_of, set_address};
use pintle_engine::Engine;
use pintle_object::{Status, Value};
use pintle_proxy::peers::Addresses;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The time between two renewals of a lease (`DefaultPeerEndpointReconcileInterval`).
pub const INTERVAL: Duration = Duration::from_secs(10);
const PREFIX: &str = "/registry/peerserverleases/";
/// The label of a lease that names its server.
const IDENTITY: &str = "apiserverIdentity";

pub struct PeerLeases(EndpointLeases);

impl PeerLeases {
    pub fn new(engine: Arc<Engine>) -> PeerLeases {
        PeerLeases(EndpointLeases::new(engine, PREFIX))
    }

    /// Renews the lease of a server that is at an address.
    pub async fn renew(&self, identity: &str, address: SocketAddr) -> Result<(), Status> {
        let change = |lease: &mut Value| {
            set_address(lease, &address.ip().to_string(), Some(address.port()));
            lease.set(&["metadata", "labels", IDENTITY], identity);
        };
        self.0.renew(identity, change).await
    }

    /// Ends the lease of a server.
    pub async fn remove(&self, identity: &str) -> Result<(), Status> {
        self.0.remove(identity).await
    }
}

impl Addresses for PeerLeases {
    fn address(&self, identity: &str) -> Result<String, String> {
        let leases = self.0.all();
        let is_own = |lease: &&Value| lease.str_at(&["metadata", "labels", IDENTITY]) == identity;
        let lease = leases.iter().find(is_own).ok_or("it has no lease")?;
        let subset = lease.list_at(&["subsets"]).first().ok_or("its lease names no address")?;
        let port = subset.list_at(&["ports"]).first().and_then(|port| port.int_at(&["port"]));
        let port = port.and_then(|port| u16::try_from(port).ok()).ok_or("its lease names no port")?;
        let ip = ip_of(lease).and_then(|ip| ip.parse().ok()).ok_or("its lease names no address")?;
        Ok(SocketAddr::new(ip, port).to_string())
    }
}
