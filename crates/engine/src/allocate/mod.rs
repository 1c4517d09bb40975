//! Allocations of Services: cluster IPs and node ports, each given to at most one of them.
//!
//! The store says what is taken, to all servers that share it: an IPAddress for each address, and one map of ports,
//! both written before the Service that they are for. The allocators only know the allocations of writes that are under
//! way.

pub(crate) mod allocators;
pub(crate) mod record;
mod repair;
