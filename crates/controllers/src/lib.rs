//! The server's own loops: each brings a part of the cluster into its desired state, and keeps it there.
//!
//! A loop that follows objects is a `Reconciler` on the one `runner`; a loop that only looks again and again is
//! `periodic`. All read the one clock and write as the one system user, through the engine.

mod api_service_status;
mod autoregistration;
mod availability_metrics;
pub mod bootstrap;
pub mod definitions;
mod endpoint_leases;
mod endpoints;
pub mod flow_control;
mod flow_schema_status;
mod identity_lease;
mod kept;
mod master_leases;
mod own_writes;
mod peer_discovery;
mod peer_exclusions;
mod peer_leases;
mod published_trust;
mod reconcile;
mod runner;
#[cfg(test)]
mod tests;
mod work_queue;

pub use availability_metrics::AvailabilityMetrics;
pub use identity_lease::Identity;
pub use kept::{KeptObjects, ServerIdentity};
pub use peer_discovery::control as control_peers;
pub use peer_leases::PeerLeases;
pub use published_trust::{PublishedTrust, Trusted};

use pintle_engine::Engine;
use pintle_proxy::ApiServices;
use std::sync::Arc;

/// Begins the loops that follow objects; they end with the store. Stored definitions must be served already.
pub fn control(engine: &Arc<Engine>, remotes: &Arc<ApiServices>, metrics: &Arc<AvailabilityMetrics>) {
    flow_schema_status::control(engine.clone());
    api_service_status::control(engine.clone(), remotes.clone(), metrics.clone());
    autoregistration::control(engine.clone());
}
