//! Discovery of other servers' APIs: read in either of its forms, and put among this server's own.

use super::documents::RemoteDocuments;
use super::groups::GroupOrder;
use pintle_object::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whether an answer is aggregated discovery, of which only the current version and the one before are read.
pub fn is_aggregated(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let is_json = parts.next() == Some("application/json");
    let parts: Vec<&str> = parts.collect();
    let has = |part: &str| parts.contains(&part);
    let is_list = has("g=apidiscovery.k8s.io") && has("as=APIGroupDiscoveryList");
    is_json && is_list && (has("v=v2") || has("v=v2beta1"))
}

/// The entry of a version in an aggregated discovery document.
pub fn entry(list: &Value, group: &str, version: &str) -> Option<Value> {
    let mut groups = list.list_at(&["items"]).iter();
    let found = groups.find(|item| item.str_at(&["metadata", "name"]) == group)?;
    let mut versions = found.list_at(&["versions"]).iter();
    let entry = versions.find(|entry| entry.str_at(&["version"]) == version)?;
    let resources: Vec<Value> = entry.list_at(&["resources"]).iter().map(with_kinds).collect();
    Some(version_entry(version, resources))
}

/// A resource with its kinds, empty if they are missing: clients rely on the fields.
fn with_kinds(resource: &Value) -> Value {
    let mut resource = told(resource);
    let subresources: Vec<Value> = resource.list_at(&["subresources"]).iter().map(told).collect();
    if !subresources.is_empty() {
        resource.set(&["subresources"], subresources);
    }
    resource
}

fn told(resource: &Value) -> Value {
    let mut resource = resource.clone();
    if resource.get("responseKind").is_none_or(Value::is_null) {
        resource.set(&["responseKind"], kind("", "", ""));
    }
    resource
}

fn kind(group: &str, version: &str, kind: &str) -> Value {
    Value::Map(Map::from_iter([("group", group), ("version", version), ("kind", kind)]))
}

fn version_entry(version: &str, resources: Vec<Value>) -> Value {
    let mut map = Map::from_iter([("version", Value::from(version))]);
    if !resources.is_empty() {
        map.insert("resources", resources);
    }
    Value::Map(map)
}

/// The entry of a version, made from the plain list of its resources.
pub fn of_list(list: &Value, version: &str) -> Result<Value, String> {
    if list.str_at(&["kind"]) != "APIResourceList" {
        return Err(format!("{:?} is not a list of resources", list.str_at(&["kind"])));
    }
    let mut resources: Vec<Value> = Vec::new();
    let mut subresources: Vec<(String, bool, Value)> = Vec::new();
    for one in list.list_at(&["resources"]) {
        match one.str_at(&["name"]).split_once('/') {
            None => resources.push(resource(one)),
            Some((parent, name)) => {
                let is_namespaced = one.bool_at(&["namespaced"]);
                subresources.push((parent.into(), is_namespaced, subresource(one, name)));
            }
        }
    }
    for (parent, is_namespaced, subresource) in subresources {
        let place = resources.iter().position(|one| one.str_at(&["resource"]) == parent);
        let place = place.unwrap_or_else(|| {
            let mut absent = Value::map();
            absent.set(&["resource"], parent.as_str());
            absent.set(&["responseKind"], kind("", "", ""));
            absent.set(&["scope"], scope(is_namespaced));
            resources.push(absent);
            resources.len() - 1
        });
        if let Some(resource) = resources.get_mut(place) {
            let mut all = resource.list_at(&["subresources"]).to_vec();
            all.push(subresource);
            resource.set(&["subresources"], all);
        }
    }
    Ok(version_entry(version, resources))
}

fn scope(is_namespaced: bool) -> &'static str {
    if is_namespaced { "Namespaced" } else { "Cluster" }
}

fn kind_of(one: &Value) -> Value {
    kind(one.str_at(&["group"]), one.str_at(&["version"]), one.str_at(&["kind"]))
}

fn resource(one: &Value) -> Value {
    let mut map = Map::new();
    map.insert("resource", one.str_at(&["name"]));
    map.insert("responseKind", kind_of(one));
    map.insert("scope", scope(one.bool_at(&["namespaced"])));
    map.insert("singularResource", one.str_at(&["singularName"]));
    map.insert("verbs", one.list_at(&["verbs"]).to_vec());
    for field in ["shortNames", "categories"] {
        let texts = one.list_at(&[field]);
        if !texts.is_empty() {
            map.insert(field, texts.to_vec());
        }
    }
    Value::Map(map)
}

fn subresource(one: &Value, name: &str) -> Value {
    let mut map = Map::new();
    map.insert("subresource", name);
    map.insert("responseKind", kind_of(one));
    map.insert("verbs", one.list_at(&["verbs"]).to_vec());
    Value::Map(map)
}

/// Groups with their versions, of this server and of others.
pub struct Merged {
    order: GroupOrder,
    documents: Arc<BTreeMap<String, Arc<RemoteDocuments>>>,
}

/// Groups and their versions, in order.
pub type Groups = Vec<(String, Vec<String>)>;

/// The order of groups with the same priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ties {
    /// By the name of an APIService, in plain discovery.
    Api,
    /// By their own name, in aggregated discovery.
    Group,
}

impl Merged {
    pub fn new(order: GroupOrder, documents: Arc<BTreeMap<String, Arc<RemoteDocuments>>>) -> Merged {
        Merged { order, documents }
    }

    /// This server's groups in their order, with those of others at their places.
    pub fn groups(&self, local: &[(&str, Vec<&str>)], ties: Ties) -> Groups {
        let owned = |(group, versions): &(&str, Vec<&str>)| {
            (group.to_string(), versions.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let mut groups: Groups = local.iter().map(owned).collect();
        let remote = self.order.iter().filter(|(_, apis)| apis.iter().any(|api| api.is_remote));
        for (group, apis) in remote.filter(|(group, _)| !group.is_empty()) {
            let known = groups.iter().find(|(known, _)| known == group);
            let local = known.map(|(_, versions)| versions.clone()).unwrap_or_default();
            let is_served = |version: &String| local.contains(version);
            let listed = apis.iter().filter(|api| api.is_remote || is_served(&api.version));
            let mut versions: Vec<String> = listed.map(|api| api.version.clone()).collect();
            let unlisted: Vec<String> = local.iter().filter(|one| !versions.contains(one)).cloned().collect();
            versions.extend(unlisted);
            match groups.iter_mut().find(|(known, _)| known == group) {
                Some(known) => known.1 = versions,
                None => {
                    let place = groups.iter().position(|(other, _)| self.is_before(group, other, ties));
                    groups.insert(place.unwrap_or(groups.len()), (group.clone(), versions));
                }
            }
        }
        groups
    }

    fn is_before(&self, group: &str, other: &str, ties: Ties) -> bool {
        let rank = |group: &str| {
            let apis = self.order.iter().find(|(known, _)| known == group).map(|(_, apis)| apis.as_slice());
            let apis = apis.unwrap_or_default();
            let priority = apis.iter().map(|api| api.group_priority).max().unwrap_or(0);
            let highest = apis.iter().filter(|api| api.group_priority == priority);
            let api = highest.map(|api| api.name.as_str()).min().unwrap_or("").to_string();
            (priority, api)
        };
        let ((own, own_api), (others, other_api)) = (rank(group), rank(other));
        match ties {
            _ if own != others => own > others,
            Ties::Api => own_api < other_api,
            Ties::Group => group < other,
        }
    }

    /// The entry of another server's API in aggregated discovery; none for this server's own.
    pub fn version_entry(&self, group: &str, version: &str) -> Option<Value> {
        let name = format!("{version}.{group}");
        let (_, apis) = self.order.iter().find(|(known, _)| known == group)?;
        apis.iter().find(|api| api.is_remote && api.version == version)?;
        let known = self.documents.get(&name);
        let read = known.and_then(|documents| documents.discovery.as_deref().cloned());
        let mut entry = read.unwrap_or_else(|| version_entry(version, Vec::new()));
        let is_current = known.is_some_and(|documents| documents.is_current);
        entry.set(&["freshness"], if is_current { "Current" } else { "Stale" });
        Some(entry)
    }

    /// Whether a version of a group is another server's.
    pub fn is_remote(&self, group: &str, version: &str) -> bool {
        let apis = self.order.iter().find(|(known, _)| known == group).map(|(_, apis)| apis);
        apis.is_some_and(|apis| apis.iter().any(|api| api.is_remote && api.version == version))
    }
}

#[cfg(test)]
mod tests {
    use super::super::groups::ApiOrder;
    use super::*;

    fn parse(text: &str) -> Value {
        pintle_object::json::parse(text.as_bytes()).unwrap()
    }

    fn api(name: &str, group_priority: i64, is_remote: bool) -> ApiOrder {
        let (version, group) = name.split_once('.').unwrap();
        let (version, group) = (version.into(), group.into());
        ApiOrder { name: name.into(), group, version, group_priority, version_priority: 15, is_remote }
    }

    #[test]
    fn types_of_answers_are_told_apart() {
        for (content_type, expected) in [
            ("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", true),
            ("application/json; g=apidiscovery.k8s.io; v=v2beta1; as=APIGroupDiscoveryList", true),
            ("application/json;g=apidiscovery.k8s.io;v=v3;as=APIGroupDiscoveryList", false),
            ("application/json", false),
            ("", false),
        ] {
            assert_eq!(is_aggregated(content_type), expected, "{content_type}");
        }
    }

    #[test]
    fn lists_of_resources_become_entries() {
        let list = parse(
            r#"{"kind":"APIResourceList","resources":[
                {"name":"things/status","namespaced":true,"kind":"Thing","verbs":["get"]},
                {"name":"things","singularName":"thing","namespaced":true,"kind":"Thing","verbs":["get"],"shortNames":["th"]},
                {"name":"lone/sub","kind":"Sub","verbs":["create"]}]}"#,
        );
        let expected = parse(
            r#"{"version":"v1","resources":[
                {"resource":"things","responseKind":{"group":"","version":"","kind":"Thing"},"scope":"Namespaced",
                 "singularResource":"thing","verbs":["get"],"shortNames":["th"],"subresources":[
                   {"subresource":"status","responseKind":{"group":"","version":"","kind":"Thing"},"verbs":["get"]}]},
                {"resource":"lone","responseKind":{"group":"","version":"","kind":""},"scope":"Cluster","subresources":[
                   {"subresource":"sub","responseKind":{"group":"","version":"","kind":"Sub"},"verbs":["create"]}]}]}"#,
        );
        assert_eq!(of_list(&list, "v1"), Ok(expected));
        assert!(of_list(&parse(r#"{"kind":"Status"}"#), "v1").is_err());
    }

    #[test]
    fn entries_are_found_and_their_kinds_told() {
        let list = parse(
            r#"{"items":[{"metadata":{"name":"g"},"versions":[{"version":"v1","resources":[{"resource":"things"}]}]}]}"#,
        );
        let expected = parse(
            r#"{"version":"v1","resources":[{"resource":"things","responseKind":{"group":"","version":"","kind":""}}]}"#,
        );
        assert_eq!(entry(&list, "g", "v1"), Some(expected));
        assert_eq!(entry(&list, "g", "v2"), None);
        assert_eq!(entry(&list, "h", "v1"), None);
    }

    #[test]
    fn groups_of_others_stand_at_their_places() {
        let order = vec![
            (String::from("apps"), vec![api("v1.apps", 17_800, false)]),
            (
                String::from("b.example.com"),
                vec![api("v2.b.example.com", 1000, true), api("v1.b.example.com", 1000, false)],
            ),
            (String::from("a.example.com"), vec![api("v9.a.example.com", 1000, true)]),
            (String::from("c.example.com"), vec![api("v1.c.example.com", 1000, false)]),
        ];
        let merged = Merged::new(order, Arc::default());
        let local = [("apps", vec!["v1"]), ("b.example.com", vec!["v1"]), ("c.example.com", vec!["v1"])];
        let names = |ties| {
            let groups = merged.groups(&local, ties);
            groups
                .into_iter()
                .map(|(group, versions)| format!("{group}: {}", versions.join(" ")))
                .collect::<Vec<_>>()
        };
        let (a, b) = ("a.example.com: v9", "b.example.com: v2 v1");
        assert_eq!(names(Ties::Group), ["apps: v1", a, b, "c.example.com: v1"]);
        assert_eq!(names(Ties::Api), ["apps: v1", b, "c.example.com: v1", a]);
        assert!(merged.is_remote("a.example.com", "v9") && !merged.is_remote("apps", "v1"));
        let stale = merged.version_entry("a.example.com", "v9");
        assert_eq!(stale, Some(parse(r#"{"version":"v9","freshness":"Stale"}"#)));
        assert_eq!(merged.version_entry("b.example.com", "v1"), None);
    }
}
