//! The errors of allocating an address or a port.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// The reason why an address cannot be allocated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IpError {
    OutOfRange { ip: IpAddr, cidr: String },
    Taken,
    Full,
}

/// The reason why a port cannot be allocated.
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
