//! `Authorizer`: the trait, its decisions, and the chain of authorizers of `--authorization-mode`.

use crate::rbac::Rule;
use pintle_object::field::quote;
use pintle_object::user::{MASTERS, User};
use pintle_object::{Details, GroupResource, Reason, RequestInfo, Status, Value};
use std::pin::Pin;
use std::sync::Arc;

/// An answer and its reason, which may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    Allow(String),
    /// The request is refused; no other authorizer is asked.
    Deny(String),
    /// The next authorizer is asked; when none is left, the request is refused.
    NoOpinion(String),
    /// The authorizer failed. A denial ends the request; otherwise the next authorizer is asked.
    Error {
        is_denial: bool,
        reason: String,
        why: String,
    },
}

/// A decision that takes its time.
pub type Waiting<'a> = Pin<Box<dyn Future<Output = Decision> + Send + 'a>>;

/// The rules that apply to a user in a namespace, as far as they can be listed (SelfSubjectRulesReview).
#[derive(Clone, Debug, Default)]
pub struct Rules {
    pub rules: Vec<Rule>,
    pub is_incomplete: bool,
    pub errors: Vec<String>,
}

/// Decides about the rights of users.
pub trait Authorizer: Send + Sync {
    fn authorize(&self, user: &User, info: &RequestInfo) -> Decision;

    /// The decision, if it can be made without waiting.
    fn at_hand(&self, user: &User, info: &RequestInfo) -> Option<Decision> {
        Some(self.authorize(user, info))
    }

    /// Whether decisions may take their time. Those of such authorizers are awaited, and never made at once.
    fn waits(&self) -> bool {
        false
    }

    /// The awaited decision of an authorizer that has to wait; none for one that decides at once.
    fn wait<'a>(&'a self, user: &'a User, info: &'a RequestInfo) -> Option<Waiting<'a>> {
        let _ = (user, info);
        None
    }

    /// Adds the rules for a user in a namespace, and those that apply outside of all namespaces.
    fn list_rules(&self, user: &User, namespace: &str, found: &mut Rules) {
        let _ = (user, namespace, found);
    }
}

/// Prevents users from writing a role or binding with rules that they do not hold.
pub trait Grants: Send + Sync {
    /// Checks that a user may write a role or binding with its rules; `old` is null on create.
    fn confirm(
        &self,
        authorizer: &dyn Authorizer,
        user: &User,
        info: &RequestInfo,
        new: &Value,
        old: &Value,
    ) -> Result<(), Status>;
}

/// The authorizer and the RBAC rules, for admission plugins that check the rights of users.
#[derive(Clone)]
pub struct Permissions {
    pub authorizer: Arc<dyn Authorizer>,
    pub grants: Arc<dyn Grants>,
}

/// Allows everything to the group `system:masters`, whatever the modes are.
#[derive(Clone, Copy, Debug, Default)]
pub struct PrivilegedGroup;

impl Authorizer for PrivilegedGroup {
    fn authorize(&self, user: &User, _: &RequestInfo) -> Decision {
        if user.is_in(MASTERS) { Decision::Allow(String::new()) } else { Decision::NoOpinion(String::new()) }
    }
}

/// `AlwaysAllow`: for tests of other things than authorization.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlwaysAllow;

impl Authorizer for AlwaysAllow {
    fn authorize(&self, _: &User, _: &RequestInfo) -> Decision {
        Decision::Allow(String::new())
    }

    fn list_rules(&self, _: &User, _: &str, found: &mut Rules) {
        found.rules.extend(Rule::everything());
    }
}

/// `AlwaysDeny`.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlwaysDeny;

impl Authorizer for AlwaysDeny {
    fn authorize(&self, _: &User, _: &RequestInfo) -> Decision {
        Decision::NoOpinion(String::from("Everything is forbidden."))
    }
}

/// Authorizers in the order of `--authorization-mode`: the first with an opinion decides. Empty, it refuses all.
#[derive(Default)]
pub struct Union {
    authorizers: Vec<Arc<dyn Authorizer>>,
    waits: bool,
}

impl Union {
    pub fn new(authorizers: Vec<Arc<dyn Authorizer>>) -> Union {
        let waits = authorizers.iter().any(|authorizer| authorizer.waits());
        Union { authorizers, waits }
    }

    /// Calls one authorizer after the other, and awaits those that have to wait.
    async fn ask(&self, user: &User, info: &RequestInfo) -> Decision {
        let mut undecided = Undecided::default();
        for authorizer in &self.authorizers {
            let decision = authorize(authorizer.as_ref(), user, info).await;
            if let Some(decided) = undecided.after(decision) {
                return decided;
            }
        }
        undecided.decision()
    }
}

impl Authorizer for Union {
    fn authorize(&self, user: &User, info: &RequestInfo) -> Decision {
        let mut undecided = Undecided::default();
        for authorizer in &self.authorizers {
            if let Some(decided) = undecided.after(authorizer.authorize(user, info)) {
                return decided;
            }
        }
        undecided.decision()
    }

    fn at_hand(&self, user: &User, info: &RequestInfo) -> Option<Decision> {
        let mut undecided = Undecided::default();
        for authorizer in &self.authorizers {
            if let Some(decided) = undecided.after(authorizer.at_hand(user, info)?) {
                return Some(decided);
            }
        }
        Some(undecided.decision())
    }

    fn waits(&self) -> bool {
        self.waits
    }

    fn wait<'a>(&'a self, user: &'a User, info: &'a RequestInfo) -> Option<Waiting<'a>> {
        self.waits.then(|| -> Waiting<'a> { Box::pin(self.ask(user, info)) })
    }

    fn list_rules(&self, user: &User, namespace: &str, found: &mut Rules) {
        self.authorizers.iter().for_each(|authorizer| authorizer.list_rules(user, namespace, found));
    }
}

/// The reasons and errors of authorizers that did not decide.
#[derive(Default)]
struct Undecided {
    reasons: Vec<String>,
    errors: Vec<String>,
}

impl Undecided {
    /// Takes note of a decision that leaves it to the next, or hands it back.
    fn after(&mut self, decision: Decision) -> Option<Decision> {
        let reason = match decision {
            Decision::NoOpinion(reason) => reason,
            Decision::Error { is_denial: false, reason, why } => {
                self.errors.push(why);
                reason
            }
            decided => return Some(decided),
        };
        self.reasons.extend(Some(reason).filter(|reason| !reason.is_empty()));
        None
    }

    fn decision(self) -> Decision {
        let reason = self.reasons.join("\n");
        if self.errors.is_empty() {
            return Decision::NoOpinion(reason);
        }
        Decision::Error { is_denial: false, reason, why: aggregated(self.errors) }
    }
}

/// Errors as upstream shows several of them.
pub fn aggregated(mut errors: Vec<String>) -> String {
    let mut seen = Vec::new();
    errors.retain(|error| {
        !seen.contains(error) && {
            seen.push(error.clone());
            true
        }
    });
    match errors.as_slice() {
        [one] => one.clone(),
        _ => format!("[{}]", errors.join(", ")),
    }
}

/// The decision, awaited where it takes its time.
pub async fn authorize(authorizer: &dyn Authorizer, user: &User, info: &RequestInfo) -> Decision {
    match authorizer.wait(user, info) {
        Some(waiting) => waiting.await,
        None => authorizer.authorize(user, info),
    }
}

/// Allows, or is the refusal that the client gets.
pub fn check(authorizer: &dyn Authorizer, user: &User, info: &RequestInfo) -> Result<(), Status> {
    match authorizer.authorize(user, info) {
        Decision::Allow(_) => Ok(()),
        Decision::Deny(reason) | Decision::NoOpinion(reason) | Decision::Error { reason, .. } => {
            Err(refusal(user, info, &reason))
        }
    }
}

/// The 403 of a denial.
pub fn refusal(user: &User, info: &RequestInfo, reason: &str) -> Status {
    let mut words = denial(user, info);
    if !reason.is_empty() {
        words.push_str(": ");
        words.push_str(reason);
    }
    if !info.is_resource {
        let status = Status::new(403, Reason::Forbidden, format!("forbidden: {words}"));
        return status.with_details(Details::default());
    }
    let resource = GroupResource::new(info.group.as_str(), info.resource.as_str());
    Status::forbidden(&resource, &info.name, &words)
}

/// Upstream's words for a denial: `User "alice" cannot list resource "pods" in API group "" at the cluster scope`.
/// Nothing in them reads as HTML.
fn denial(user: &User, info: &RequestInfo) -> String {
    let (name, verb) = (quote(&user.name), info.verb.as_str());
    let words = if info.is_resource {
        let resource = match info.subresource.as_str() {
            "" => info.resource.to_string(),
            subresource => format!("{}/{subresource}", info.resource),
        };
        let place = match info.namespace.as_str() {
            "" => String::from("at the cluster scope"),
            namespace => format!("in the namespace {}", quote(namespace)),
        };
        let (resource, group) = (quote(&resource), quote(&info.group));
        format!("User {name} cannot {verb} resource {resource} in API group {group} {place}")
    } else {
        format!("User {name} cannot {verb} path {}", quote(&info.path))
    };
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::Verb;

    fn user(name: &str, groups: &[&str]) -> User {
        let groups = groups.iter().map(ToString::to_string).collect();
        User { name: name.into(), groups, ..User::default() }
    }

    #[test]
    fn the_first_opinion_decides_and_none_is_a_refusal() {
        let check = |modes: Vec<Arc<dyn Authorizer>>, groups: &[&str], expected: &str| {
            let decision = Union::new(modes).authorize(&user("u", groups), &RequestInfo::default());
            assert_eq!(format!("{decision:?}"), expected);
        };
        check(vec![], &[MASTERS], "NoOpinion(\"\")");
        check(vec![Arc::new(PrivilegedGroup)], &["dev"], "NoOpinion(\"\")");
        check(vec![Arc::new(PrivilegedGroup), Arc::new(AlwaysDeny)], &[MASTERS], "Allow(\"\")");
        check(
            vec![Arc::new(PrivilegedGroup), Arc::new(AlwaysDeny)],
            &["dev"],
            "NoOpinion(\"Everything is forbidden.\")",
        );
        check(vec![Arc::new(AlwaysDeny), Arc::new(AlwaysAllow)], &[], "Allow(\"\")");
    }

    #[test]
    fn denials_read_as_upstream() {
        let info = RequestInfo {
            verb: Verb::Get,
            is_resource: true,
            resource: "deployments".into(),
            subresource: "scale".into(),
            group: "apps".into(),
            namespace: "ns".into(),
            name: "d".into(),
            ..RequestInfo::default()
        };
        assert_eq!(
            refusal(&user("alice", &[]), &info, "because").message,
            "deployments.apps \"d\" is forbidden: User \"alice\" cannot get resource \"deployments/scale\" in API \
             group \"apps\" in the namespace \"ns\": because"
        );
        let info = RequestInfo { verb: Verb::Get, path: "/<b>".into(), ..RequestInfo::default() };
        assert_eq!(
            refusal(&user("a&b", &[]), &info, "").message,
            "forbidden: User \"a&amp;b\" cannot get path \"/&lt;b&gt;\""
        );
    }
}
