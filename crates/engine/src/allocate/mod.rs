//! Allocations of Services: cluster IPs and node ports, each given to at most one of them.
//!
//! The store records allocations for all servers that share it: an IPAddress for each address, and one map of ports,
//! both written before their Service. The allocators only know the allocations of writes in flight.

pub(crate) mod allocators;
pub(crate) mod record;
mod repair;
