//! A user, as authentication found them.

use std::collections::BTreeMap;

pub const ANONYMOUS: &str = "system:anonymous";
pub const AUTHENTICATED: &str = "system:authenticated";
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// Members may do everything.
pub const MASTERS: &str = "system:masters";
/// The group of monitoring clients.
pub const MONITORING: &str = "system:monitoring";

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct User {
    pub name: String,
    pub uid: String,
    pub groups: Vec<String>,
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    pub fn anonymous() -> User {
        User { name: ANONYMOUS.into(), groups: vec![UNAUTHENTICATED.into()], ..User::default() }
    }

    /// The same user, in the group `system:authenticated`.
    pub fn authenticated(mut self) -> User {
        if !self.is_authenticated() {
            self.groups.push(AUTHENTICATED.into());
        }
        self
    }

    /// Whether the user is in the group `system:authenticated`, or has no name.
    pub fn is_authenticated(&self) -> bool {
        self.name == ANONYMOUS || self.is_in(AUTHENTICATED)
    }

    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|own| own == group)
    }
}
