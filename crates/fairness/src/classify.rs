//! Which flow schema a request belongs to: subjects, then rules of resources or of paths (upstream's
//! `util/flowcontrol/rule.go`).

use pintle_object::user::User;
use pintle_object::{RequestInfo, Text, Value, Verb, VerbNames};

const ALL: &str = "*";
const SERVICE_ACCOUNTS: &str = "system:serviceaccount:";

/// One rule of a schema: whose requests, and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    subjects: Vec<FlowSubject>,
    resources: Vec<ResourceRule>,
    paths: Vec<PathRule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum FlowSubject {
    User(Text),
    AnyUser,
    Group(Text),
    AnyGroup,
    /// A service account by the name that its user has.
    ServiceAccount(String),
    /// All service accounts of a namespace, by what the names of their users begin with.
    ServiceAccounts(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ResourceRule {
    verbs: VerbNames,
    groups: OneOf,
    resources: OneOf,
    namespaces: OneOf,
    is_cluster_scope: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct PathRule {
    verbs: VerbNames,
    paths: Vec<PathPattern>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PathPattern {
    Any,
    /// The path itself, and what begins with the other text.
    At {
        path: Text,
        prefix: String,
    },
}

/// A list of names. Only `*` alone stands for all.
#[derive(Clone, Debug, PartialEq, Eq)]
enum OneOf {
    All,
    Names(Vec<Text>),
}

impl Rule {
    /// The rules of a FlowSchema's spec. Subjects of unknown kinds match nobody.
    pub fn read_all(spec: &Value) -> Vec<Rule> {
        spec.list_at(&["rules"]).iter().map(Rule::read).collect()
    }

    fn read(rule: &Value) -> Rule {
        Rule {
            subjects: rule.list_at(&["subjects"]).iter().filter_map(FlowSubject::read).collect(),
            resources: rule.list_at(&["resourceRules"]).iter().map(ResourceRule::read).collect(),
            paths: rule.list_at(&["nonResourceRules"]).iter().map(PathRule::read).collect(),
        }
    }

    pub fn matches(&self, user: &User, info: &RequestInfo) -> bool {
        self.subjects.iter().any(|subject| subject.matches(user))
            && if info.is_resource {
                self.resources.iter().any(|rule| rule.matches(info))
            } else {
                self.paths.iter().any(|rule| rule.matches(info))
            }
    }
}

impl FlowSubject {
    fn read(subject: &Value) -> Option<FlowSubject> {
        let name = |field: &str| subject.get(field).map(|one| one.str_at(&["name"]));
        match subject.str_at(&["kind"]) {
            "User" => name("user").map(|name| match name {
                ALL => FlowSubject::AnyUser,
                name => FlowSubject::User(name.into()),
            }),
            "Group" => name("group").map(|name| match name {
                ALL => FlowSubject::AnyGroup,
                name => FlowSubject::Group(name.into()),
            }),
            "ServiceAccount" => {
                let namespace = subject.get("serviceAccount")?.str_at(&["namespace"]);
                name("serviceAccount").map(|name| match name {
                    ALL => FlowSubject::ServiceAccounts(format!("{SERVICE_ACCOUNTS}{namespace}:")),
                    name => FlowSubject::ServiceAccount(format!("{SERVICE_ACCOUNTS}{namespace}:{name}")),
                })
            }
            _ => None,
        }
    }

    fn matches(&self, user: &User) -> bool {
        match self {
            FlowSubject::AnyUser | FlowSubject::AnyGroup => true,
            FlowSubject::User(name) => *name == user.name,
            FlowSubject::ServiceAccount(name) => *name == user.name,
            FlowSubject::Group(name) => user.groups.iter().any(|group| name == group),
            FlowSubject::ServiceAccounts(prefix) => user.name.starts_with(prefix.as_str()),
        }
    }
}

impl ResourceRule {
    fn read(rule: &Value) -> ResourceRule {
        ResourceRule {
            verbs: verb_names(rule),
            groups: OneOf::read(rule, "apiGroups"),
            resources: OneOf::read(rule, "resources"),
            namespaces: OneOf::read(rule, "namespaces"),
            is_cluster_scope: rule.bool_at(&["clusterScope"]),
        }
    }

    fn matches(&self, info: &RequestInfo) -> bool {
        has_verb(&self.verbs, &info.verb)
            && self.resources.has_resource(&info.resource, &info.subresource)
            && self.groups.has(&info.group)
            && if info.namespace.is_empty() {
                self.is_cluster_scope
            } else {
                self.namespaces.has(&info.namespace)
            }
    }
}

impl PathRule {
    fn read(rule: &Value) -> PathRule {
        let paths = rule.list_at(&["nonResourceURLs"]).iter().filter_map(Value::as_str);
        PathRule { verbs: verb_names(rule), paths: paths.map(PathPattern::read).collect() }
    }

    fn matches(&self, info: &RequestInfo) -> bool {
        has_verb(&self.verbs, &info.verb) && self.paths.iter().any(|pattern| pattern.matches(&info.path))
    }
}

impl PathPattern {
    fn read(text: &str) -> PathPattern {
        if text == ALL {
            return PathPattern::Any;
        }
        let mut prefix = String::from(text.strip_suffix('*').unwrap_or(text));
        if !prefix.ends_with('/') {
            prefix.push('/');
        }
        PathPattern::At { path: text.into(), prefix }
    }

    fn matches(&self, path: &str) -> bool {
        match self {
            PathPattern::Any => true,
            PathPattern::At { path: own, prefix } => own == path || path.starts_with(prefix.as_str()),
        }
    }
}

impl OneOf {
    fn read(rule: &Value, field: &str) -> OneOf {
        let names: Vec<Text> =
            rule.list_at(&[field]).iter().filter_map(Value::as_str).map(Text::from).collect();
        if matches!(names.as_slice(), [only] if only == ALL) { OneOf::All } else { OneOf::Names(names) }
    }

    fn has(&self, name: &str) -> bool {
        match self {
            OneOf::All => true,
            OneOf::Names(names) => names.iter().any(|own| own == name),
        }
    }

    /// Whether a resource is named: `pods`, or `pods/log` where a subresource is asked for.
    fn has_resource(&self, resource: &str, subresource: &str) -> bool {
        let OneOf::Names(names) = self else { return true };
        names.iter().any(|own| match own.strip_prefix(resource) {
            Some("") => subresource.is_empty(),
            Some(rest) => !subresource.is_empty() && rest.strip_prefix('/') == Some(subresource),
            None => false,
        })
    }
}

fn verb_names(rule: &Value) -> VerbNames {
    rule.list_at(&["verbs"]).iter().filter_map(Value::as_str).collect()
}

/// Only `*` alone stands for all verbs.
fn has_verb(names: &VerbNames, verb: &Verb) -> bool {
    names.has(verb) || (names.has_star() && names.names().len() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::json;

    fn alice() -> User {
        User { name: "alice".into(), ..User::default() }
    }

    fn list() -> RequestInfo {
        RequestInfo {
            verb: Verb::List,
            is_resource: true,
            resource: "pods".into(),
            namespace: "a".into(),
            path: "/api/v1/namespaces/a/pods".into(),
            ..RequestInfo::default()
        }
    }

    fn get_path(path: &str) -> RequestInfo {
        RequestInfo { verb: Verb::Get, path: path.into(), ..RequestInfo::default() }
    }

    fn check(subject: &str, rules: &str, user: &User, info: &RequestInfo, expected: bool) {
        let text = format!("{{\"rules\":[{{\"subjects\":[{subject}],{rules}}}]}}");
        let spec = json::parse(text.as_bytes()).expect("the test's own JSON");
        let found = Rule::read_all(&spec).iter().any(|rule| rule.matches(user, info));
        assert_eq!(found, expected, "{text} {user:?} {info:?}");
    }

    const ANY: &str = r#""resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"],"clusterScope":true,"namespaces":["*"]}],"nonResourceRules":[{"verbs":["*"],"nonResourceURLs":["*"]}]"#;

    #[test]
    fn subjects_are_users_groups_and_service_accounts() {
        let check = |subject: &str, user: &User, expected| check(subject, ANY, user, &list(), expected);
        let alice = alice();
        check(r#"{"kind":"User","user":{"name":"alice"}}"#, &alice, true);
        check(r#"{"kind":"User","user":{"name":"bob"}}"#, &alice, false);
        check(r#"{"kind":"User","user":{"name":"*"}}"#, &alice, true);
        check(r#"{"kind":"User"}"#, &alice, false);
        let member = User { groups: vec!["dev".into()], ..alice.clone() };
        check(r#"{"kind":"Group","group":{"name":"dev"}}"#, &member, true);
        check(r#"{"kind":"Group","group":{"name":"dev"}}"#, &alice, false);
        check(r#"{"kind":"Group","group":{"name":"*"}}"#, &alice, true);
        let account = User { name: "system:serviceaccount:ns:one".into(), ..User::default() };
        let of = |namespace: &str, name: &str| {
            format!(
                r#"{{"kind":"ServiceAccount","serviceAccount":{{"namespace":"{namespace}","name":"{name}"}}}}"#
            )
        };
        check(&of("ns", "one"), &account, true);
        check(&of("ns", "two"), &account, false);
        check(&of("ns", "*"), &account, true);
        check(&of("n", "*"), &account, false);
        check(&of("ns", "*"), &alice, false);
        check(r#"{"kind":"Robot","user":{"name":"alice"}}"#, &alice, false);
    }

    #[test]
    fn resource_rules_look_at_all_parts() {
        let check = |rule: &str, info: &RequestInfo, expected| {
            let subject = r#"{"kind":"User","user":{"name":"*"}}"#;
            check(subject, &format!("\"resourceRules\":[{rule}]"), &alice(), info, expected);
        };
        let pods = r#"{"verbs":["list"],"apiGroups":[""],"resources":["pods"],"namespaces":["a"]}"#;
        check(pods, &list(), true);
        check(pods, &list().with_verb(Verb::Watch), false);
        check(pods, &RequestInfo { group: "apps".into(), ..list() }, false);
        check(pods, &RequestInfo { namespace: "b".into(), ..list() }, false);
        check(pods, &RequestInfo { namespace: "".into(), ..list() }, false);
        check(pods, &RequestInfo { subresource: "log".into(), ..list() }, false);
        check(pods, &get_path("/version"), false);
        let logs = r#"{"verbs":["*"],"apiGroups":["*"],"resources":["pods/log"],"namespaces":["*"]}"#;
        check(logs, &RequestInfo { subresource: "log".into(), ..list() }, true);
        check(logs, &list(), false);
        let cluster = r#"{"verbs":["*"],"apiGroups":["*"],"resources":["*"],"clusterScope":true}"#;
        check(cluster, &list(), false);
        check(cluster, &RequestInfo { namespace: "".into(), ..list() }, true);
        // Only alone does a star stand for all.
        let two = r#"{"verbs":["*","get"],"apiGroups":["*"],"resources":["*"],"namespaces":["*"]}"#;
        check(two, &list(), false);
        check(two, &list().with_verb(Verb::Get), true);
        let custom = r#"{"verbs":["use"],"apiGroups":["*"],"resources":["*"],"namespaces":["*"]}"#;
        check(custom, &list().with_verb(Verb::named("use")), true);
        check(custom, &list().with_verb(Verb::named("Use")), false);
    }

    #[test]
    fn path_rules_match_what_is_below() {
        let check = |paths: &str, path: &str, expected| {
            let rules = format!(r#""nonResourceRules":[{{"verbs":["get"],"nonResourceURLs":[{paths}]}}]"#);
            check(r#"{"kind":"Group","group":{"name":"*"}}"#, &rules, &alice(), &get_path(path), expected);
        };
        check("\"*\"", "/version", true);
        check("\"/version\"", "/version", true);
        check("\"/version\"", "/version/a", true);
        check("\"/version\"", "/versions", false);
        check("\"/healthz/*\"", "/healthz/ping", true);
        check("\"/healthz/*\"", "/healthz", false);
        check("\"/heal*\"", "/healthz", false);
    }
}
