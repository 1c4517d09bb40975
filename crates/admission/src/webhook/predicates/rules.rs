//! Rules of operations and resources.

use pintle_engine::admission::Operation;
use pintle_object::Value;
use pintle_schema::Resource;

/// A `RuleWithOperations`, or a `NamedRuleWithOperations` of a policy.
#[derive(Debug, PartialEq, Eq)]
pub struct RuleWithOperations {
    operations: Vec<String>,
    api_groups: Vec<String>,
    api_versions: Vec<String>,
    /// Resources and subresources.
    resources: Vec<(String, String)>,
    scope: RuleScope,
    resource_names: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RuleScope {
    All,
    Namespaced,
    Cluster,
    /// An invalid scope, which validation refuses.
    Other,
}

impl RuleWithOperations {
    pub fn from_value(rule: &Value) -> RuleWithOperations {
        let texts = |field: &str| -> Vec<String> {
            rule.list_at(&[field]).iter().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let split = |text: String| match text.split_once('/') {
            Some((resource, subresource)) => (resource.to_owned(), subresource.to_owned()),
            None => (text, String::new()),
        };
        RuleWithOperations {
            operations: texts("operations"),
            api_groups: texts("apiGroups"),
            api_versions: texts("apiVersions"),
            resources: texts("resources").into_iter().map(split).collect(),
            scope: match rule.str_at(&["scope"]) {
                "" | "*" => RuleScope::All,
                "Namespaced" => RuleScope::Namespaced,
                "Cluster" => RuleScope::Cluster,
                _ => RuleScope::Other,
            },
            resource_names: texts("resourceNames"),
        }
    }

    /// The rules of a list.
    pub fn list(of: &[Value]) -> Vec<RuleWithOperations> {
        of.iter().map(RuleWithOperations::from_value).collect()
    }

    /// Whether the rule includes objects of a name.
    pub fn has_name(&self, name: &str) -> bool {
        self.resource_names.is_empty() || self.resource_names.iter().any(|known| known == name)
    }
}

/// Matches rules with an operation on a resource: that of the request, or another with the same objects.
pub struct Matcher<'a> {
    pub rule: &'a RuleWithOperations,
    pub operation: Operation,
    pub resource: &'a Resource,
    pub subresource: &'a str,
    /// That of a request for a namespace is the namespace itself.
    pub namespace: &'a str,
}

impl Matcher<'_> {
    pub fn matches(&self) -> bool {
        self.is_in_scope()
            && exact_or_wildcard(&self.rule.operations, self.operation.as_str())
            && exact_or_wildcard(&self.rule.api_groups, &self.resource.group)
            && exact_or_wildcard(&self.rule.api_versions, &self.resource.version)
            && self.has_resource()
    }

    /// Whether the rule may be about another resource that shows the same objects, which has the same name.
    pub fn may_match_equivalent(&self) -> bool {
        self.has_resource()
            && exact_or_wildcard(&self.rule.operations, self.operation.as_str())
            && self.is_in_scope()
    }

    /// Namespaces are objects of the cluster, though requests for them are in them.
    fn is_in_scope(&self) -> bool {
        let Resource { group, version, plural, .. } = self.resource;
        let is_namespace = group.is_empty() && version == "v1" && plural == "namespaces";
        let is_of_cluster = is_namespace || self.namespace.is_empty();
        match self.rule.scope {
            RuleScope::All => true,
            RuleScope::Namespaced => !is_of_cluster,
            RuleScope::Cluster => is_of_cluster,
            RuleScope::Other => false,
        }
    }

    fn has_resource(&self) -> bool {
        let is_it = |rule: &str, asked: &str| rule == "*" || rule == asked;
        let mut resources = self.rule.resources.iter();
        resources.any(|(one, sub)| is_it(one, &self.resource.plural) && is_it(sub, self.subresource))
    }
}

fn exact_or_wildcard(items: &[String], requested: &str) -> bool {
    items.iter().any(|item| item == "*" || item == requested)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::json;

    /// A resource as rules see it, in the version `v1` of the core group.
    fn resource(plural: &'static str) -> Resource {
        let api = pintle_schema::builtin();
        let pods = api.resources.get("", "v1", "pods").expect("there are pods").clone();
        Resource { plural: plural.into(), ..pods }
    }

    fn check(rule: &str, (operation, resource, subresource, namespace): Asked<'_>, expected: bool) {
        let value = json::parse(rule.as_bytes()).expect("test data is JSON");
        let rule = RuleWithOperations::from_value(&value);
        let matcher = Matcher { rule: &rule, operation, resource, subresource, namespace };
        assert_eq!(matcher.matches(), expected, "{value:?}");
    }

    /// An operation on a resource, or on a subresource of it, in a namespace.
    type Asked<'a> = (Operation, &'a Resource, &'a str, &'a str);

    fn rule(resources: &str, scope: &str) -> String {
        format!(
            r#"{{"operations":["CREATE"],"apiGroups":[""],"apiVersions":["v1"],"resources":[{resources}],"scope":"{scope}"}}"#
        )
    }

    #[test]
    fn rules_match_resources_and_subresources() {
        let pods = resource("pods");
        for (resources, of_pods, of_status) in [
            (r#""pods""#, true, false),
            (r#""*""#, true, false),
            (r#""pods/*""#, true, true),
            (r#""*/*""#, true, true),
            (r#""pods/status""#, false, true),
            (r#""*/status""#, false, true),
            (r#""services","pods""#, true, false),
            ("", false, false),
        ] {
            check(&rule(resources, "*"), (Operation::Create, &pods, "", "default"), of_pods);
            check(&rule(resources, "*"), (Operation::Create, &pods, "status", "default"), of_status);
        }
    }

    #[test]
    fn rules_match_scopes_groups_versions_and_operations() {
        let [pods, namespaces, nodes] = ["pods", "namespaces", "nodes"].map(resource);
        let pod: Asked<'_> = (Operation::Create, &pods, "", "default");
        let namespace: Asked<'_> = (Operation::Create, &namespaces, "", "a");
        let node: Asked<'_> = (Operation::Create, &nodes, "", "");
        for (scope, asked, expected) in [
            ("Namespaced", pod, true),
            ("Cluster", pod, false),
            ("Namespaced", namespace, false),
            ("Cluster", namespace, true),
            ("Cluster", node, true),
            ("Namespaced", node, false),
            ("Odd", pod, false),
        ] {
            check(&rule(r#""*""#, scope), asked, expected);
        }
        let apps = Resource { group: "apps".into(), ..pods.clone() };
        check(&rule(r#""*""#, "*"), (Operation::Create, &apps, "", "default"), false);
        let later = Resource { version: "v2".into(), ..pods.clone() };
        check(&rule(r#""*""#, "*"), (Operation::Create, &later, "", "default"), false);
        check(&rule(r#""*""#, "*"), (Operation::Delete, &pods, "", "default"), false);
        let all = r#"{"operations":["*"],"apiGroups":["*"],"apiVersions":["*"],"resources":["*"]}"#;
        let later_apps = Resource { version: "v2".into(), ..apps };
        check(all, (Operation::Delete, &later_apps, "", "default"), true);
    }
}
