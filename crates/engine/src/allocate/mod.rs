//! What the server hands out to Services: cluster IPs and node ports, each at most once.
//!
//! The store says what is taken, to all servers that share it: an IPAddress for each address, and one map of ports,
//! both written before the Service that they are for. The pools only know what writes that are under way have drawn.

pub mod ip;
mod pools;
pub mod port;
mod ports_map;
mod record;
mod repair;

pub use ip::IpPool;
pub use pools::{AllocationTx, Allocators, Recorded};
pub use port::PortPool;
pub use ports_map::PortMap;
pub(crate) use record::Reserved;
