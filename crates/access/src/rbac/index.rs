//! `Index`: all roles and bindings, found by subject. A decision looks only at the bindings of its user.

use super::binding::{Binding, RoleRef, SubjectKey};
use super::rule::Rule;
use crate::authorize::{Decision, Rules};
use pintle_object::user::User;
use pintle_object::{GroupResource, RequestInfo, Status, Text, Value};
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

pub(super) const GROUP: &str = "rbac.authorization.k8s.io";

#[derive(Debug, Default)]
pub struct Index {
    cluster_roles: HashMap<Text, Arc<[Rule]>>,
    /// By namespace and name.
    roles: HashMap<Text, HashMap<Text, Arc<[Rule]>>>,
    cluster_bindings: Bindings,
    bindings: HashMap<Text, Bindings>,
}

/// The bindings of one namespace, or of the whole cluster.
#[derive(Debug, Default)]
struct Bindings {
    by_name: HashMap<Text, Arc<Binding>>,
    by_user: HashMap<Text, Vec<Arc<Binding>>>,
    by_group: HashMap<Text, Vec<Arc<Binding>>>,
}

/// A binding refers to a role that is not there.
#[derive(Clone, Copy, Debug)]
pub struct MissingRole<'a>(pub &'a RoleRef);

impl MissingRole<'_> {
    /// As the authorizer's cache says it, which knows the resource by its singular.
    fn cached(self) -> String {
        let MissingRole(RoleRef { kind, name }) = self;
        match kind.as_str() {
            "Role" | "ClusterRole" => {
                format!("{}.{GROUP} {} not found", kind.to_lowercase(), pintle_object::field::quote(name))
            }
            _ => format!("unsupported role reference kind: {}", pintle_object::field::quote(kind)),
        }
    }

    /// As the registry says it, which knows the resource by its plural.
    fn stored(self) -> String {
        let MissingRole(RoleRef { kind, name }) = self;
        match kind.as_str() {
            "Role" | "ClusterRole" => {
                format!("{}s.{GROUP} {} not found", kind.to_lowercase(), pintle_object::field::quote(name))
            }
            _ => self.cached(),
        }
    }

    /// The refusal of a binding that needs the role; upstream names the binding's resource.
    pub(super) fn status(self, resource: &str) -> Status {
        Status::not_found(&GroupResource::new(GROUP, resource), &self.0.name)
    }
}

impl Index {
    pub fn set_role(&mut self, namespace: &str, name: &str, role: Option<&Value>) {
        let roles = if namespace.is_empty() {
            &mut self.cluster_roles
        } else {
            self.roles.entry(namespace.into()).or_default()
        };
        match role {
            Some(role) => drop(roles.insert(name.into(), Rule::read_all(role).into())),
            None => drop(roles.remove(name)),
        }
        if roles.is_empty() {
            self.roles.remove(namespace);
        }
    }

    pub fn set_binding(&mut self, namespace: &str, name: &str, binding: Option<&Value>) {
        let bindings = if namespace.is_empty() {
            &mut self.cluster_bindings
        } else {
            self.bindings.entry(namespace.into()).or_default()
        };
        bindings.remove(name);
        if let Some(binding) = binding {
            bindings.add(Binding::read(binding));
        }
        if bindings.by_name.is_empty() {
            self.bindings.remove(namespace);
        }
    }

    pub fn authorize(&self, user: &User, info: &RequestInfo) -> Decision {
        let mut errors: Vec<String> = Vec::new();
        let found = self.visit(user, &info.namespace, |binding, rules| match rules {
            Ok(rules) if rules.iter().any(|rule| rule.allows(info)) => {
                ControlFlow::Break(binding.describe(user))
            }
            Ok(_) => ControlFlow::Continue(()),
            Err(missing) => {
                note(&mut errors, missing.cached());
                ControlFlow::Continue(())
            }
        });
        match found {
            Some(why) => Decision::Allow(format!("RBAC: allowed by {why}")),
            None if errors.is_empty() => Decision::NoOpinion(String::new()),
            None => Decision::NoOpinion(format!("RBAC: {}", joined(&errors))),
        }
    }

    /// Every rule that a user has in a namespace and outside of all.
    pub fn list_rules(&self, user: &User, namespace: &str, found: &mut Rules) {
        let mut errors = Vec::new();
        self.each_rule(user, namespace, &mut found.rules, |missing| note(&mut errors, missing.cached()));
        if !errors.is_empty() {
            found.errors.push(joined(&errors));
        }
    }

    /// The rules of a user, and the errors that hide further ones, in the words of a write's refusal.
    pub(super) fn held(&self, user: &User, namespace: &str) -> (Vec<Rule>, Vec<String>) {
        let (mut rules, mut errors) = (Vec::new(), Vec::new());
        self.each_rule(user, namespace, &mut rules, |missing| note(&mut errors, missing.stored()));
        (rules, errors)
    }

    /// The rules of a role as a binding in a namespace sees it.
    pub fn rules_of<'a>(&self, role: &'a RoleRef, namespace: &str) -> Result<&Arc<[Rule]>, MissingRole<'a>> {
        let found = match role.kind.as_str() {
            "ClusterRole" => self.cluster_roles.get(&role.name),
            "Role" => self.roles.get(namespace).and_then(|roles| roles.get(&role.name)),
            _ => None,
        };
        found.ok_or(MissingRole(role))
    }

    fn each_rule(
        &self,
        user: &User,
        namespace: &str,
        rules: &mut Vec<Rule>,
        mut on_missing: impl FnMut(MissingRole<'_>),
    ) {
        self.visit(user, namespace, |_, found| -> ControlFlow<()> {
            match found {
                Ok(found) => rules.extend(found.iter().cloned()),
                Err(missing) => on_missing(missing),
            }
            ControlFlow::Continue(())
        });
    }

    /// Calls `see` with every binding of a user and its rules, those of the cluster first, until it returns something.
    fn visit<'a, B>(
        &'a self,
        user: &User,
        namespace: &str,
        mut see: impl FnMut(&'a Binding, Result<&'a [Rule], MissingRole<'a>>) -> ControlFlow<B>,
    ) -> Option<B> {
        let local = if namespace.is_empty() { None } else { self.bindings.get(namespace) };
        for bindings in std::iter::once(&self.cluster_bindings).chain(local) {
            for binding in bindings.of(user) {
                let rules = self.rules_of(&binding.role, &binding.namespace).map(|rules| &rules[..]);
                if let ControlFlow::Break(found) = see(binding, rules) {
                    return Some(found);
                }
            }
        }
        None
    }
}

impl Bindings {
    fn add(&mut self, binding: Binding) {
        let binding = Arc::new(binding);
        for subject in &binding.subjects {
            let list = match &subject.who {
                SubjectKey::User(name) => self.by_user.entry(name.clone()).or_default(),
                SubjectKey::Group(name) => self.by_group.entry(name.clone()).or_default(),
                SubjectKey::Nobody => continue,
            };
            // A subject that is named twice is one.
            if !list.last().is_some_and(|last| Arc::ptr_eq(last, &binding)) {
                list.push(binding.clone());
            }
        }
        self.by_name.insert(binding.name.clone(), binding);
    }

    fn remove(&mut self, name: &str) {
        let Some(binding) = self.by_name.remove(name) else { return };
        for subject in &binding.subjects {
            let (map, key) = match &subject.who {
                SubjectKey::User(name) => (&mut self.by_user, name),
                SubjectKey::Group(name) => (&mut self.by_group, name),
                SubjectKey::Nobody => continue,
            };
            if let Some(list) = map.get_mut(key) {
                list.retain(|other| !Arc::ptr_eq(other, &binding));
                if list.is_empty() {
                    map.remove(key);
                }
            }
        }
    }

    /// The bindings of a user, each once, by name.
    fn of(&self, user: &User) -> Vec<&Arc<Binding>> {
        let own = self.by_user.get(user.name.as_str()).into_iter();
        let of_groups = user.groups.iter().filter_map(|group| self.by_group.get(group.as_str()));
        let mut found: Vec<&Arc<Binding>> = own.chain(of_groups).flatten().collect();
        found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        found.dedup_by(|a, b| Arc::ptr_eq(a, b));
        found
    }
}

/// The same error is said once.
fn note(errors: &mut Vec<String>, error: String) {
    if !errors.contains(&error) {
        errors.push(error);
    }
}

/// Go's text of an aggregate of errors.
pub(super) fn joined(errors: &[String]) -> String {
    match errors {
        [only] => only.clone(),
        errors => format!("[{}]", errors.join(", ")),
    }
}
