//! What the server hands out to Services: cluster IPs and node ports, each at most once.
//!
//! The store says what is taken, to all servers that share it: an IPAddress for each address, and one map of ports,
//! both written before the Service that they are for. The pools only know what writes that are under way have drawn.

pub mod ip;
mod pools;
pub mod port;
mod ports_map;

pub use ip::{IpError, IpPool};
pub use pools::{Draw, Held, Pools, Recorded};
pub use port::{PortError, PortPool};
pub use ports_map::PortMap;
