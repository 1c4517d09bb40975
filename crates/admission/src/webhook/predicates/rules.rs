//! Rules of operations and resources.

use pintle_engine::admission::Operation;
use pintle_object::Value;

/// What rules are held against.
#[derive(Clone, Copy)]
pub struct RuleAttributes<'a> {
    pub operation: Operation,
    pub group: &'a str,
    pub version: &'a str,
    pub resource: &'a str,
    pub subresource: &'a str,
    /// That of a request for a namespace is the namespace itself.
    pub namespace: &'a str,
}

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
    /// What validation lets nobody write.
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

    /// Whether the rule is about objects of a name.
    pub fn has_name(&self, name: &str) -> bool {
        self.resource_names.is_empty() || self.resource_names.iter().any(|known| known == name)
    }
}

/// Whether a rule is about a request.
pub struct Matcher<'a> {
    pub rule: &'a RuleWithOperations,
    pub attributes: RuleAttributes<'a>,
}

impl Matcher<'_> {
    pub fn matches(&self) -> bool {
        let RuleAttributes { operation, group, version, .. } = self.attributes;
        self.is_in_scope()
            && exact_or_wildcard(&self.rule.operations, operation.as_str())
            && exact_or_wildcard(&self.rule.api_groups, group)
            && exact_or_wildcard(&self.rule.api_versions, version)
            && self.has_resource()
    }

    /// Whether the rule may be about another resource that shows the same objects, which has the same name.
    pub fn may_match_equivalent(&self) -> bool {
        self.has_resource()
            && exact_or_wildcard(&self.rule.operations, self.attributes.operation.as_str())
            && self.is_in_scope()
    }

    /// Namespaces are objects of the cluster, though requests for them are in them.
    fn is_in_scope(&self) -> bool {
        let RuleAttributes { group, version, resource, namespace, .. } = self.attributes;
        let is_namespace = group.is_empty() && version == "v1" && resource == "namespaces";
        let is_of_cluster = is_namespace || namespace.is_empty();
        match self.rule.scope {
            RuleScope::All => true,
            RuleScope::Namespaced => !is_of_cluster,
            RuleScope::Cluster => is_of_cluster,
            RuleScope::Other => false,
        }
    }

    fn has_resource(&self) -> bool {
        let RuleAttributes { resource, subresource, .. } = self.attributes;
        let is_it = |rule: &str, asked: &str| rule == "*" || rule == asked;
        self.rule.resources.iter().any(|(one, sub)| is_it(one, resource) && is_it(sub, subresource))
    }
}

fn exact_or_wildcard(items: &[String], requested: &str) -> bool {
    items.iter().any(|item| item == "*" || item == requested)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::json;

    const PODS: RuleAttributes<'static> = RuleAttributes {
        operation: Operation::Create,
        group: "",
        version: "v1",
        resource: "pods",
        subresource: "",
        namespace: "default",
    };

    fn check(rule: &str, attributes: RuleAttributes<'_>, expected: bool) {
        let value = json::parse(rule.as_bytes()).expect("test data is JSON");
        let matcher = Matcher { rule: &RuleWithOperations::from_value(&value), attributes };
        assert_eq!(matcher.matches(), expected, "{rule}");
    }

    fn rule(resources: &str, scope: &str) -> String {
        format!(
            r#"{{"operations":["CREATE"],"apiGroups":[""],"apiVersions":["v1"],"resources":[{resources}],"scope":"{scope}"}}"#
        )
    }

    #[test]
    fn rules_match_resources_and_subresources() {
        let status = RuleAttributes { subresource: "status", ..PODS };
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
            check(&rule(resources, "*"), PODS, of_pods);
            check(&rule(resources, "*"), status, of_status);
        }
    }

    #[test]
    fn rules_match_scopes_groups_versions_and_operations() {
        let namespace = RuleAttributes { resource: "namespaces", namespace: "a", ..PODS };
        let node = RuleAttributes { resource: "nodes", namespace: "", ..PODS };
        for (scope, attributes, expected) in [
            ("Namespaced", PODS, true),
            ("Cluster", PODS, false),
            ("Namespaced", namespace, false),
            ("Cluster", namespace, true),
            ("Cluster", node, true),
            ("Namespaced", node, false),
            ("Odd", PODS, false),
        ] {
            check(&rule(r#""*""#, scope), attributes, expected);
        }
        check(&rule(r#""*""#, "*"), RuleAttributes { group: "apps", ..PODS }, false);
        check(&rule(r#""*""#, "*"), RuleAttributes { version: "v2", ..PODS }, false);
        check(&rule(r#""*""#, "*"), RuleAttributes { operation: Operation::Delete, ..PODS }, false);
        let all = r#"{"operations":["*"],"apiGroups":["*"],"apiVersions":["*"],"resources":["*"]}"#;
        check(
            all,
            RuleAttributes { operation: Operation::Delete, group: "apps", version: "v2", ..PODS },
            true,
        );
    }
}
