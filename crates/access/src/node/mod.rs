//! The Node authorizer: a kubelet may read the objects that its pods refer to, its own objects, and little else.

mod authorize;
mod graph;
mod identity;
mod references;
mod source;

pub use authorize::authorize;
pub use graph::Graph;
pub use identity::{PREFIX, identity};
pub use references::{POD_FIELDS, References, pod_references};

pub use source::NodeSource;

#[cfg(test)]
mod tests;
