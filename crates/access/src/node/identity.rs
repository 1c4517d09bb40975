//! The node that a user is.

use pintle_object::user::User;

/// The name of the node that a user is.
pub fn identity(user: &User) -> Option<&str> {
    user.name.strip_prefix(PREFIX).filter(|_| user.is_in(NODES))
}

/// User names of nodes begin with this.
pub const PREFIX: &str = "system:node:";

pub(crate) const NODES: &str = "system:nodes";
