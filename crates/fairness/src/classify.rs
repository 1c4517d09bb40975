//! Which flow schema a request belongs to: subjects, then rules of resources or of paths (upstream's
//! `util/flowcontrol/rule.go`).

use pintle_object::{Text, Value};

const ALL: &str = "*";
const SERVICE_ACCOUNTS: &str = "system:serviceaccount:";

/// The parts of a request that schemas look at.
#[derive(Clone, Copy, Debug)]
pub struct FlowAttributes<'a> {
    pub user: &'a str,
    pub groups: &'a [String],
    pub verb: &'a str,
    pub is_resource: bool,
    pub group: &'a str,
    pub resource: &'a str,
    pub subresource: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
    pub path: &'a str,
}

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
    verbs: OneOf,
    groups: OneOf,
    resources: OneOf,
    namespaces: OneOf,
    is_cluster_scope: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct PathRule {
    verbs: OneOf,
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

    pub fn matches(&self, request: &FlowAttributes) -> bool {
        self.subjects.iter().any(|subject| subject.matches(request))
            && if request.is_resource {
                self.resources.iter().any(|rule| rule.matches(request))
            } else {
                self.paths.iter().any(|rule| rule.matches(request))
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

    fn matches(&self, request: &FlowAttributes) -> bool {
        match self {
            FlowSubject::AnyUser | FlowSubject::AnyGroup => true,
            FlowSubject::User(name) => name == request.user,
            FlowSubject::ServiceAccount(name) => name == request.user,
            FlowSubject::Group(name) => request.groups.iter().any(|group| name == group),
            FlowSubject::ServiceAccounts(prefix) => request.user.starts_with(prefix.as_str()),
        }
    }
}

impl ResourceRule {
    fn read(rule: &Value) -> ResourceRule {
        ResourceRule {
            verbs: OneOf::read(rule, "verbs"),
            groups: OneOf::read(rule, "apiGroups"),
            resources: OneOf::read(rule, "resources"),
            namespaces: OneOf::read(rule, "namespaces"),
            is_cluster_scope: rule.bool_at(&["clusterScope"]),
        }
    }

    fn matches(&self, request: &FlowAttributes) -> bool {
        self.verbs.has(request.verb)
            && self.resources.has_resource(request.resource, request.subresource)
            && self.groups.has(request.group)
            && if request.namespace.is_empty() {
                self.is_cluster_scope
            } else {
                self.namespaces.has(request.namespace)
            }
    }
}

impl PathRule {
    fn read(rule: &Value) -> PathRule {
        let paths = rule.list_at(&["nonResourceURLs"]).iter().filter_map(Value::as_str);
        PathRule { verbs: OneOf::read(rule, "verbs"), paths: paths.map(PathPattern::read).collect() }
    }

    fn matches(&self, request: &FlowAttributes) -> bool {
        self.verbs.has(request.verb) && self.paths.iter().any(|pattern| pattern.matches(request.path))
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

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::json;

    const LIST: FlowAttributes = FlowAttributes {
        user: "alice",
        groups: &[],
        verb: "list",
        is_resource: true,
        group: "",
        resource: "pods",
        subresource: "",
        namespace: "a",
        name: "",
        path: "/api/v1/namespaces/a/pods",
    };
    const PATH: FlowAttributes = FlowAttributes {
        verb: "get",
        is_resource: false,
        resource: "",
        namespace: "",
        path: "/version",
        ..LIST
    };

    fn check(subject: &str, rules: &str, request: &FlowAttributes, expected: bool) {
        let text = format!("{{\"rules\":[{{\"subjects\":[{subject}],{rules}}}]}}");
        let spec = json::parse(text.as_bytes()).expect("the test's own JSON");
        let found = Rule::read_all(&spec).iter().any(|rule| rule.matches(request));
        assert_eq!(found, expected, "{text} {request:?}");
    }

    const ANY: &str = r#""resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"],"clusterScope":true,"namespaces":["*"]}],"nonResourceRules":[{"verbs":["*"],"nonResourceURLs":["*"]}]"#;

    #[test]
    fn subjects_are_users_groups_and_service_accounts() {
        let check =
            |subject: &str, request: &FlowAttributes, expected| check(subject, ANY, request, expected);
        check(r#"{"kind":"User","user":{"name":"alice"}}"#, &LIST, true);
        check(r#"{"kind":"User","user":{"name":"bob"}}"#, &LIST, false);
        check(r#"{"kind":"User","user":{"name":"*"}}"#, &LIST, true);
        check(r#"{"kind":"User"}"#, &LIST, false);
        let groups = [String::from("dev")];
        let member = FlowAttributes { groups: &groups, ..LIST };
        check(r#"{"kind":"Group","group":{"name":"dev"}}"#, &member, true);
        check(r#"{"kind":"Group","group":{"name":"dev"}}"#, &LIST, false);
        check(r#"{"kind":"Group","group":{"name":"*"}}"#, &LIST, true);
        let account = FlowAttributes { user: "system:serviceaccount:ns:one", ..LIST };
        let of = |namespace: &str, name: &str| {
            format!(
                r#"{{"kind":"ServiceAccount","serviceAccount":{{"namespace":"{namespace}","name":"{name}"}}}}"#
            )
        };
        check(&of("ns", "one"), &account, true);
        check(&of("ns", "two"), &account, false);
        check(&of("ns", "*"), &account, true);
        check(&of("n", "*"), &account, false);
        check(&of("ns", "*"), &LIST, false);
        check(r#"{"kind":"Robot","user":{"name":"alice"}}"#, &LIST, false);
    }

    #[test]
    fn resource_rules_look_at_all_parts() {
        let check = |rule: &str, request: &FlowAttributes, expected| {
            let subject = r#"{"kind":"User","user":{"name":"*"}}"#;
            check(subject, &format!("\"resourceRules\":[{rule}]"), request, expected);
        };
        let pods = r#"{"verbs":["list"],"apiGroups":[""],"resources":["pods"],"namespaces":["a"]}"#;
        check(pods, &LIST, true);
        check(pods, &FlowAttributes { verb: "watch", ..LIST }, false);
        check(pods, &FlowAttributes { group: "apps", ..LIST }, false);
        check(pods, &FlowAttributes { namespace: "b", ..LIST }, false);
        check(pods, &FlowAttributes { namespace: "", ..LIST }, false);
        check(pods, &FlowAttributes { subresource: "log", ..LIST }, false);
        check(pods, &PATH, false);
        let logs = r#"{"verbs":["*"],"apiGroups":["*"],"resources":["pods/log"],"namespaces":["*"]}"#;
        check(logs, &FlowAttributes { subresource: "log", ..LIST }, true);
        check(logs, &LIST, false);
        let cluster = r#"{"verbs":["*"],"apiGroups":["*"],"resources":["*"],"clusterScope":true}"#;
        check(cluster, &LIST, false);
        check(cluster, &FlowAttributes { namespace: "", ..LIST }, true);
        // Only alone does a star stand for all.
        let two = r#"{"verbs":["*","get"],"apiGroups":["*"],"resources":["*"],"namespaces":["*"]}"#;
        check(two, &LIST, false);
    }

    #[test]
    fn path_rules_match_what_is_below() {
        let check = |paths: &str, path: &str, expected| {
            let rules = format!(r#""nonResourceRules":[{{"verbs":["get"],"nonResourceURLs":[{paths}]}}]"#);
            let request = FlowAttributes { path, ..PATH };
            check(r#"{"kind":"Group","group":{"name":"*"}}"#, &rules, &request, expected);
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
