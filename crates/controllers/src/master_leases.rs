//! The leases by which API servers on one etcd know of each other's addresses: `/registry/masterleases/<address>`,
//! as upstream keeps them. A server that is gone stops renewing its own, and etcd ends it.

use crate::endpoint_leases::{EndpointLeases, ip_of, set_address};
use pintle_engine::Engine;
use pintle_object::Status;
use std::net::IpAddr;
use std::sync::Arc;

const PREFIX: &str = "/registry/masterleases/";

pub struct MasterLeases(EndpointLeases);

impl MasterLeases {
    pub fn new(engine: Arc<Engine>) -> MasterLeases {
        MasterLeases(EndpointLeases::new(engine, PREFIX))
    }

    /// Renews the lease of an address, or makes it.
    pub async fn renew(&self, address: IpAddr) -> Result<(), Status> {
        let address = address.to_string();
        self.0.renew(&address, |lease| set_address(lease, &address, None)).await
    }

    /// Ends the lease of an address.
    pub async fn remove(&self, address: IpAddr) -> Result<(), Status> {
        self.0.remove(&address.to_string()).await
    }

    /// The addresses with a lease, in the order of their keys.
    pub fn addresses(&self) -> Vec<String> {
        self.0.all().iter().filter_map(ip_of).collect()
    }
}
