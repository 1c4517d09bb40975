//! Resources as configurations name them.

use std::fmt;

/// A resource as configurations name it: `secrets`, `leases.coordination.k8s.io`; `*` for all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GroupResource {
    pub group: String,
    pub resource: String,
}

impl GroupResource {
    pub fn new(group: &str, resource: &str) -> GroupResource {
        GroupResource { group: group.into(), resource: resource.into() }
    }

    /// Reads `resource.group`: the first dot ends the resource.
    pub fn parse(text: &str) -> GroupResource {
        let (resource, group) = text.split_once('.').unwrap_or((text, ""));
        GroupResource::new(group, resource)
    }

    pub(crate) fn any() -> GroupResource {
        GroupResource::new("*", "*")
    }

    pub(crate) fn any_of_group(&self) -> GroupResource {
        GroupResource::new(&self.group, "*")
    }

    /// As configurations write it: all of the core group are `*.`.
    pub(crate) fn written(&self) -> String {
        match (self.group.as_str(), self.resource.as_str()) {
            ("", "*") => String::from("*."),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for GroupResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group.as_str() {
            "" => f.write_str(&self.resource),
            group => write!(f, "{}.{group}", self.resource),
        }
    }
}
