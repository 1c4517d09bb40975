//! Prevention of privilege escalation: nobody grants rules that they do not hold, unless they may `escalate` roles or
//! `bind` this one.

use super::binding::RoleRef;
use super::index::{GROUP, Index, joined};
use super::rule::{Rule, quoted};
use crate::authorize::{Authorizer, Decision};
use pintle_object::field::quote;
use pintle_object::user::{MASTERS, User};
use pintle_object::{GroupResource, RequestInfo, Status, Value, Verb};
use std::collections::BTreeSet;

/// Whether a user may write any role, or bind this one, whatever it grants; `old` is null on create.
pub fn is_exempt(
    authorizer: &dyn Authorizer,
    user: &User,
    info: &RequestInfo,
    new: &Value,
    old: &Value,
) -> bool {
    let may = |info: &RequestInfo| matches!(authorizer.authorize(user, info), Decision::Allow(_));
    if user.is_in(MASTERS) || changes_only_owners(new, old) {
        return true;
    }
    match info.resource.as_str() {
        "roles" | "clusterroles" => {
            may(&RequestInfo { version: "*".into(), ..info.with_verb(Verb::named("escalate")) })
        }
        "rolebindings" | "clusterrolebindings" => may_bind(may, &info.namespace, new),
        _ => info.group != GROUP,
    }
}

/// Checks that a user who is not exempt may write a role or binding with its rules.
pub fn confirm(
    index: &Index,
    user: &User,
    info: &RequestInfo,
    new: &Value,
    old: &Value,
) -> Result<(), Status> {
    match info.resource.as_str() {
        "roles" | "clusterroles" => confirm_role(index, user, info, new, old),
        _ => confirm_binding(index, user, info, new),
    }
}

/// Whether a write changes only owner references and finalizers, as the garbage collector must be able to.
pub fn changes_only_owners(new: &Value, old: &Value) -> bool {
    let bare = |object: &Value| {
        let mut object = object.clone();
        for field in ["ownerReferences", "finalizers", "managedFields", "selfLink", "resourceVersion"] {
            object.remove(&["metadata", field]);
        }
        object
    };
    !old.is_null() && bare(new) == bare(old)
}

fn confirm_role(
    index: &Index,
    user: &User,
    info: &RequestInfo,
    new: &Value,
    old: &Value,
) -> Result<(), Status> {
    let refuse = |why: String| Err(refusal(info, new, &why));
    if let Some(why) = missing(index, user, &info.namespace, &Rule::read_all(new)) {
        return refuse(why);
    }
    // An aggregated role may gain any rule by the labels of other roles.
    let aggregates = |role: &Value| role.get("aggregationRule").is_some_and(|rule| !rule.is_null());
    let is_aggregated = info.resource == "clusterroles" && (aggregates(new) || aggregates(old));
    if is_aggregated && missing(index, user, &info.namespace, &Rule::everything()).is_some() {
        return refuse(String::from("must have cluster-admin privileges to use the aggregationRule"));
    }
    Ok(())
}

fn may_bind(may: impl Fn(&RequestInfo) -> bool, namespace: &str, binding: &Value) -> bool {
    let role = RoleRef::read(binding);
    let resource = match role.kind.as_str() {
        "Role" => "roles",
        "ClusterRole" => "clusterroles",
        _ => return false,
    };
    may(&RequestInfo {
        verb: Verb::named("bind"),
        is_resource: true,
        group: binding.str_at(&["roleRef", "apiGroup"]).into(),
        version: "*".into(),
        resource: resource.into(),
        namespace: namespace.into(),
        name: role.name,
        ..RequestInfo::default()
    })
}

fn confirm_binding(index: &Index, user: &User, info: &RequestInfo, new: &Value) -> Result<(), Status> {
    let role = RoleRef::read(new);
    let rules = index.rules_of(&role, &info.namespace).map_err(|missing| missing.status(&info.resource))?;
    match missing(index, user, &info.namespace, rules) {
        Some(why) => Err(refusal(info, new, &why)),
        None => Ok(()),
    }
}

fn refusal(info: &RequestInfo, new: &Value, why: &str) -> Status {
    let resource = GroupResource::new(info.group.as_str(), info.resource.as_str());
    Status::forbidden(&resource, new.str_at(&["metadata", "name"]), why)
}

/// The refusal that lists those of the wanted rules that a user does not hold; none when they hold all.
fn missing(index: &Index, user: &User, namespace: &str, wanted: &[Rule]) -> Option<String> {
    let (held, errors) = index.held(user, namespace);
    let atoms = wanted.iter().flat_map(Rule::atoms);
    let uncovered: Vec<Rule> = atoms.filter(|atom| !held.iter().any(|own| own.covers(atom))).collect();
    if uncovered.is_empty() {
        return None;
    }
    let shown: BTreeSet<String> = compact(uncovered).iter().map(Rule::describe).collect();
    let shown: Vec<String> = shown.into_iter().collect();
    let mut text = format!(
        "user {} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
        quote(&user.name),
        quoted(&user.groups),
        shown.join("\n")
    );
    if !errors.is_empty() {
        text.push_str(&format!("; resolution errors: [{}]", joined(&errors)));
    }
    Some(text)
}

/// Atoms on one resource of any name become one rule with all their verbs.
fn compact(atoms: Vec<Rule>) -> Vec<Rule> {
    let mut compacted: Vec<Rule> = Vec::new();
    for atom in atoms {
        let is_simple = |rule: &Rule| rule.names.is_empty() && rule.urls.is_empty();
        let same = compacted.iter_mut().find(|rule| {
            is_simple(rule)
                && is_simple(&atom)
                && rule.groups == atom.groups
                && rule.resources == atom.resources
        });
        match same {
            Some(rule) => {
                let verbs = rule.verbs.names().iter().chain(atom.verbs.names());
                rule.verbs = verbs.cloned().collect();
            }
            None => compacted.push(atom),
        }
    }
    compacted
}
