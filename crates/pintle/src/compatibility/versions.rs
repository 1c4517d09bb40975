//! Versions of Kubernetes that this server can be.

/// The minor version of Kubernetes 1 that this server is, and the oldest that it can behave as.
pub(crate) const BINARY: u16 = 36;

pub(crate) const FLOOR: u16 = 33;

/// The one component that versions and gates can be set for.
pub(crate) const COMPONENT: &str = "kube";
