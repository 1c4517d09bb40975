//! What the server hands out to Services: cluster IPs and node ports, each at most once.
//!
//! The pools hold no state of their own on disk: at start they are filled from the stored Services.

pub mod ip;
mod pools;
pub mod port;

pub use ip::{IpError, IpPool};
pub use pools::{Draw, Held, Pools};
pub use port::{PortError, PortPool};
