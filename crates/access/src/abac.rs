//! ABAC: a file of policies, one JSON object a line, each of which allows something.

use crate::authorize::{Authorizer, Decision, Rules};
use crate::rbac::Rule;
use pintle_object::user::User;
use pintle_object::{RequestInfo, Text, Value, Verb, VerbNames, json};

const VERSION: &str = "abac.authorization.kubernetes.io/v1beta1";
const READ_ONLY_VERBS: [Verb; 3] = [Verb::Get, Verb::List, Verb::Watch];
const ALL: &str = "*";

/// The policies of `--authorization-policy-file`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Abac(Vec<Policy>);

/// Fields that are empty match nothing, and a star matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Policy {
    user: String,
    group: String,
    is_read_only: bool,
    api_group: String,
    resource: String,
    namespace: String,
    path: String,
}

impl Abac {
    /// Reads lines of policies; empty ones and comments are passed over. The error names the line at fault.
    pub fn parse(text: &str) -> Result<Abac, String> {
        let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let policies = lines.map(|(number, line)| {
            let value =
                json::parse(line.as_bytes()).map_err(|error| format!("line {number}: {}", error.message))?;
            Policy::read(&value).map_err(|why| format!("line {number}: {why}"))
        });
        policies.collect::<Result<_, _>>().map(Abac)
    }
}

impl Policy {
    fn read(value: &Value) -> Result<Policy, String> {
        if value.str_at(&["apiVersion"]) != VERSION || value.str_at(&["kind"]) != "Policy" {
            return Err(format!("not a Policy of {VERSION}"));
        }
        let text = |field: &str| value.str_at(&["spec", field]).to_string();
        Ok(Policy {
            user: text("user"),
            group: text("group"),
            is_read_only: value.bool_at(&["spec", "readonly"]),
            api_group: text("apiGroup"),
            resource: text("resource"),
            namespace: text("namespace"),
            path: text("nonResourcePath"),
        })
    }

    fn allows(&self, user: &User, asked: &RequestInfo) -> bool {
        let verb = !self.is_read_only || asked.verb.is_read();
        verb && self.is_about(user)
            && if asked.is_resource {
                fits(&self.namespace, &asked.namespace)
                    && fits(&self.resource, &asked.resource)
                    && fits(&self.api_group, &asked.group)
            } else {
                self.path_fits(&asked.path)
            }
    }

    /// Whether a policy applies to a user. With a user and a group, it applies to that user in that group.
    fn is_about(&self, user: &User) -> bool {
        let by_name = self.user.is_empty() || fits(&self.user, &user.name);
        let by_group = self.group.is_empty() || self.group == ALL || user.is_in(&self.group);
        (!self.user.is_empty() || !self.group.is_empty()) && by_name && by_group
    }

    fn path_fits(&self, path: &str) -> bool {
        !self.path.is_empty()
            && (self.path == path
                || (self.path.ends_with(ALL) && path.starts_with(self.path.trim_end_matches('*'))))
    }

    fn rules(&self, namespace: &str) -> Vec<Rule> {
        let one = |text: &str| Box::from([Text::from(text)]);
        let verbs: VerbNames = match self.is_read_only {
            true => READ_ONLY_VERBS.iter().map(Verb::as_str).collect(),
            false => [ALL].into_iter().collect(),
        };
        let mut rules = Vec::new();
        if !self.resource.is_empty() && fits(&self.namespace, namespace) {
            let (groups, resources) = (one(&self.api_group), one(&self.resource));
            rules.push(Rule { verbs: verbs.clone(), groups, resources, ..Rule::default() });
        }
        if !self.path.is_empty() {
            rules.push(Rule { verbs, urls: one(&self.path), ..Rule::default() });
        }
        rules
    }
}

fn fits(pattern: &str, text: &str) -> bool {
    pattern == ALL || pattern == text
}

impl Authorizer for Abac {
    fn authorize(&self, user: &User, info: &RequestInfo) -> Decision {
        if self.0.iter().any(|policy| policy.allows(user, info)) {
            return Decision::Allow(String::new());
        }
        Decision::NoOpinion(String::from("No policy matched."))
    }

    fn list_rules(&self, user: &User, namespace: &str, found: &mut Rules) {
        let own = self.0.iter().filter(|policy| policy.is_about(user));
        found.rules.extend(own.flat_map(|policy| policy.rules(namespace)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policies(specs: &[&str]) -> Abac {
        let lines =
            specs.iter().map(|spec| format!(r#"{{"apiVersion":"{VERSION}","kind":"Policy","spec":{spec}}}"#));
        Abac::parse(&format!("# first\n\n{}\n", lines.collect::<Vec<_>>().join("\n"))).unwrap()
    }

    #[test]
    fn policies_allow_what_they_say() {
        let all = policies(&[
            r#"{"user":"ann","namespace":"*","resource":"*","apiGroup":"*","nonResourcePath":"*"}"#,
            r#"{"user":"bob","namespace":"ns","resource":"pods","readonly":true}"#,
            r#"{"group":"ops","nonResourcePath":"/logs/*"}"#,
            r#"{"namespace":"*","resource":"*","apiGroup":"*"}"#,
        ]);
        let check = |name: &str, group: &str, verb: &str, what: &str, expected: bool| {
            let user = User { name: name.into(), groups: vec![group.into()], ..User::default() };
            let (namespace, resource) = what.split_once(':').unwrap_or(("", ""));
            let asked = RequestInfo {
                verb: Verb::named(verb),
                is_resource: !what.starts_with('/'),
                path: what.into(),
                namespace: namespace.into(),
                resource: resource.into(),
                ..RequestInfo::default()
            };
            let decision = all.authorize(&user, &asked);
            assert_eq!(matches!(decision, Decision::Allow(_)), expected, "{name} {group} {verb} {what}");
        };
        check("ann", "", "delete", "any:secrets", true);
        check("ann", "", "get", "/metrics", true);
        check("bob", "", "list", "ns:pods", true);
        check("bob", "", "delete", "ns:pods", false);
        check("bob", "", "list", "other:pods", false);
        check("bob", "", "get", "/logs/a", false);
        check("bob", "ops", "get", "/logs/a", true);
        check("carl", "dev", "get", "ns:pods", false);
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for text in ["{", "{}", r#"{"user":"ann"}"#] {
            assert!(Abac::parse(text).unwrap_err().starts_with("line 1: "), "{text}");
        }
    }
}
