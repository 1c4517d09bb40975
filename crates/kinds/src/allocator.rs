//! The seam to the pools of cluster IPs and node ports: what one write may take, and why it cannot.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// What one object holds of the pools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allocations {
    pub ips: Vec<IpAddr>,
    pub ports: Vec<u16>,
}

impl Allocations {
    /// What is in one and not in the other.
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
    /// Takes the address that a user chose.
    fn take_ip(&mut self, ip: IpAddr) -> Result<(), IpError>;
    /// Takes a free address of a family.
    fn next_ip(&mut self, is_v6: bool) -> Result<IpAddr, IpError>;
    /// Takes the port that a user chose.
    fn take_port(&mut self, port: i64) -> Result<(), PortError>;
    /// Takes a free port.
    fn next_port(&mut self) -> Result<u16, PortError>;
}

/// Why an address cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IpError {
    OutOfRange { ip: IpAddr, cidr: String },
    Taken,
    Full,
}

/// Why a port cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortError {
    OutOfRange(RangeInclusive<u16>),
    Taken,
    Full,
}

impl fmt::Display for IpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IpError::OutOfRange { ip, cidr } => {
                write!(
                    f,
                    "the provided IP ({ip}) is not in the valid range. The range of valid IPs is {cidr}"
                )
            }
            IpError::Taken => f.write_str("provided IP is already allocated"),
            IpError::Full => f.write_str("range is full"),
        }
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PortError::OutOfRange(range) => write!(
                f,
                "provided port is not in the valid range. The range of valid ports is {}-{}",
                range.start(),
                range.end()
            ),
            PortError::Taken => f.write_str("provided port is already allocated"),
            PortError::Full => f.write_str("range is full"),
        }
    }
}
