//! Cluster IPs and node ports: the seam to the allocators, and pools.

mod error;
pub mod ip;
pub mod port;
pub mod ports_map;

pub use error::{IpError, PortError};
pub use ip::IpPool;
pub use port::PortPool;
pub use ports_map::PortMap;

use pintle_object::GatedRules;
use std::net::IpAddr;

/// The addresses and ports of the pools that one object holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allocations {
    pub ips: Vec<IpAddr>,
    pub ports: Vec<u16>,
}

impl Allocations {
    /// The allocations that are in one and not in the other.
    pub fn without(&self, other: &Allocations) -> Allocations {
        Allocations {
            ips: self.ips.iter().filter(|ip| !other.ips.contains(ip)).copied().collect(),
            ports: self.ports.iter().filter(|port| !other.ports.contains(port)).copied().collect(),
        }
    }
}

/// Takes addresses and ports for one write; they are free again unless the write is stored.
pub trait Allocator {
    /// Whether each pool is one of IPv6, the default family first.
    fn families(&self) -> Vec<bool>;
    /// The rules that hold of addresses.
    fn rules(&self) -> GatedRules;
    /// Takes the address that a user chose.
    fn take_ip(&mut self, ip: IpAddr) -> Result<(), IpError>;
    /// Takes a free address of a family.
    fn next_ip(&mut self, is_v6: bool) -> Result<IpAddr, IpError>;
    /// Takes the port that a user chose.
    fn take_port(&mut self, port: i64) -> Result<(), PortError>;
    /// Takes a free port.
    fn next_port(&mut self) -> Result<u16, PortError>;
}
