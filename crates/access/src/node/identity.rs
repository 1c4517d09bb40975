//! The node name of a user that is a node.

use pintle_object::user::User;

/// The node name of a user that is a node; none for other users.
pub fn identity(user: &User) -> Option<&str> {
    user.name.strip_prefix(PREFIX).filter(|_| user.is_in(NODES))
}

/// User names of nodes begin with this.
pub const PREFIX: &str = "system:node:";

pub(crate) const NODES: &str = "system:nodes";
