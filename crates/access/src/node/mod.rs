//! The Node authorizer: a kubelet reaches what its pods refer to, its own objects, and little else.

mod authorize;
mod graph;
mod references;

pub use authorize::authorize;
pub use graph::{Graph, Source};
pub use references::{POD_FIELDS, References, pod_references};

use pintle_object::user::User;

/// User names of nodes begin with this.
pub const PREFIX: &str = "system:node:";
const NODES: &str = "system:nodes";

/// The name of the node that a user is.
pub fn identity(user: &User) -> Option<&str> {
    user.name.strip_prefix(PREFIX).filter(|_| user.is_in(NODES))
}

#[cfg(test)]
mod tests;
