//! Role based access control: rules of roles, their bindings to subjects, and the prevention of escalation.

mod binding;
mod escalation;
mod index;
mod rule;

pub use binding::{Binding, RoleRef};
pub use escalation::{changes_only_owners, confirm, is_exempt};
pub use index::{Index, MissingRole};
pub use rule::Rule;
pub(crate) use rule::quoted;

#[cfg(test)]
mod tests;
