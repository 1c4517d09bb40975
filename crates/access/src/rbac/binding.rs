//! `Binding`: a role and the subjects that it is bound to.

use pintle_object::field::quote;
use pintle_object::user::User;
use pintle_object::{Text, Value};

/// The role that a binding refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleRef {
    pub kind: Text,
    pub name: Text,
}

/// A RoleBinding or ClusterRoleBinding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    pub name: Text,
    /// Empty for a ClusterRoleBinding.
    pub namespace: Text,
    pub role: RoleRef,
    pub(super) subjects: Box<[Subject]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    kind: Text,
    name: Text,
    namespace: Text,
    pub who: SubjectKey,
}

/// The user or group that a subject names; a service account is a user by its user name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SubjectKey {
    User(Text),
    Group(Text),
    Nobody,
}

impl RoleRef {
    /// Reads the `roleRef` of a binding.
    pub fn read(binding: &Value) -> RoleRef {
        let text = |field| Text::from(binding.str_at(&["roleRef", field]));
        RoleRef { kind: text("kind"), name: text("name") }
    }
}

impl Binding {
    pub fn read(binding: &Value) -> Binding {
        let namespace = binding.str_at(&["metadata", "namespace"]);
        let subjects = binding.list_at(&["subjects"]).iter().map(|subject| Subject::read(subject, namespace));
        Binding {
            name: binding.str_at(&["metadata", "name"]).into(),
            namespace: namespace.into(),
            role: RoleRef::read(binding),
            subjects: subjects.collect(),
        }
    }

    /// The reason of an authorization by this binding: `RoleBinding "b/ns" of Role "r" to User "alice"`.
    pub(super) fn describe(&self, user: &User) -> String {
        let subject = self.subjects.iter().find(|subject| subject.applies_to(user));
        let subject = subject.map_or(String::new(), |subject| subject.describe(&self.namespace));
        let (kind, name) = match self.namespace.as_str() {
            "" => ("ClusterRoleBinding", self.name.to_string()),
            namespace => ("RoleBinding", format!("{}/{namespace}", self.name)),
        };
        let role = &self.role;
        format!("{kind} {} of {} {} to {subject}", quote(&name), role.kind, quote(&role.name))
    }
}

impl Subject {
    fn read(subject: &Value, binding_namespace: &str) -> Subject {
        let text = |field| subject.str_at(&[field]);
        let (kind, name, namespace) = (text("kind"), text("name"), text("namespace"));
        let own_namespace = if namespace.is_empty() { binding_namespace } else { namespace };
        let who = match kind {
            "User" => SubjectKey::User(name.into()),
            "Group" => SubjectKey::Group(name.into()),
            "ServiceAccount" if !own_namespace.is_empty() => {
                SubjectKey::User(format!("system:serviceaccount:{own_namespace}:{name}").into())
            }
            _ => SubjectKey::Nobody,
        };
        Subject { kind: kind.into(), name: name.into(), namespace: namespace.into(), who }
    }

    fn applies_to(&self, user: &User) -> bool {
        match &self.who {
            SubjectKey::User(name) => *name == user.name,
            SubjectKey::Group(name) => user.is_in(name),
            SubjectKey::Nobody => false,
        }
    }

    fn describe(&self, binding_namespace: &str) -> String {
        let (kind, name) = (&self.kind, &self.name);
        if kind != "ServiceAccount" {
            return format!("{kind} {}", quote(name));
        }
        let namespace = if self.namespace.is_empty() { binding_namespace } else { &self.namespace };
        format!("{kind} {}", quote(&format!("{name}/{namespace}")))
    }
}
