//! Discovery of all servers on one store as one document
//! (`apiserver/pkg/endpoints/discovery/aggregated/peer_aggregated_handler.go` upstream).

use super::order::merged_order;
use pintle_object::Value;
use pintle_proxy::peers::Found;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The groups of this server with those of others; none where others add nothing, in contents or order.
pub fn merged(own: &str, local: &[Value], others: &Found) -> Option<Vec<Value>> {
    let mut servers: BTreeMap<&str, &[Value]> = BTreeMap::from([(own, local)]);
    let others = others.iter().filter(|(identity, _)| identity.as_str() != own);
    servers.extend(others.map(|(identity, apis)| (identity.as_str(), apis.groups.as_slice())));
    if servers.len() == 1 {
        return None;
    }
    let mut all: HashMap<&str, Value> = HashMap::new();
    let mut is_changed = false;
    for group in servers.values().flat_map(|groups| groups.iter()) {
        let known = all.get(group_name(group));
        let merged = known.map(|known| merged_group(known, group));
        is_changed |= merged.as_ref().is_some_and(Option::is_some);
        match merged {
            Some(Some(merged)) => drop(all.insert(group_name(group), merged)),
            Some(None) => {}
            None => drop(all.insert(group_name(group), group.clone())),
        }
    }
    let lists: Vec<Vec<&str>> = servers.values().map(|groups| names(groups, group_name)).collect();
    let own_names = names(local, group_name);
    let is_same_order = lists.iter().all(|list| *list == own_names);
    if is_same_order && !is_changed {
        return None;
    }
    let order = if is_same_order { own_names } else { merged_order(&lists) };
    Some(order.iter().filter_map(|name| all.remove(name)).collect())
}

type Name = fn(&Value) -> &str;

fn group_name(group: &Value) -> &str {
    group.str_at(&["metadata", "name"])
}

fn version_name(version: &Value) -> &str {
    version.str_at(&["version"])
}

fn resource_name(resource: &Value) -> &str {
    resource.str_at(&["resource"])
}

fn names(all: &[Value], name: Name) -> Vec<&str> {
    all.iter().map(name).collect()
}

/// A group with the additions of another; none when there are none.
fn merged_group(one: &Value, other: &Value) -> Option<Value> {
    let versions = merged_list(one, other, "versions", version_name, merged_version)?;
    let mut group = one.clone();
    group.set(&["versions"], versions);
    Some(group)
}

fn merged_version(one: &Value, other: &Value) -> Option<Value> {
    let resources = merged_list(one, other, "resources", resource_name, merged_resource)?;
    let mut version = one.clone();
    version.set(&["resources"], resources);
    Some(version)
}

/// A resource with the verbs and names of both.
fn merged_resource(one: &Value, other: &Value) -> Option<Value> {
    if one == other {
        return None;
    }
    let mut resource = one.clone();
    let verbs: BTreeSet<&str> =
        [one, other].iter().flat_map(|of| of.list_at(&["verbs"])).filter_map(Value::as_str).collect();
    resource.set(&["verbs"], verbs.into_iter().map(Value::from).collect::<Vec<_>>());
    let subresources = [one, other].into_iter().flat_map(|of| of.list_at(&["subresources"]));
    let subresources: BTreeMap<&str, &Value> =
        subresources.map(|sub| (sub.str_at(&["subresource"]), sub)).collect();
    if !subresources.is_empty() {
        resource.set(&["subresources"], subresources.into_values().cloned().collect::<Vec<_>>());
    }
    Some(resource)
}

/// The union of two objects' lists, with common items merged. None when the second adds nothing.
fn merged_list(
    one: &Value,
    other: &Value,
    field: &str,
    name: Name,
    merge: fn(&Value, &Value) -> Option<Value>,
) -> Option<Vec<Value>> {
    let (first, second) = (one.list_at(&[field]), other.list_at(&[field]));
    let mut all: HashMap<&str, Value> = first.iter().map(|item| (name(item), item.clone())).collect();
    let mut is_changed = false;
    for item in second {
        match all.get(name(item)).map(|known| merge(known, item)) {
            Some(None) => {}
            Some(Some(merged)) => {
                is_changed = true;
                all.insert(name(item), merged);
            }
            None => drop(all.insert(name(item), item.clone())),
        }
    }
    let lists = [names(first, name), names(second, name)];
    let [own, others] = &lists;
    if own == others && !is_changed {
        return None;
    }
    let order = if own == others { own.clone() } else { merged_order(&lists) };
    Some(order.iter().filter_map(|name| all.remove(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_proxy::peers::PeerApis;
    use std::sync::Arc;

    fn parse(text: &str) -> Value {
        pintle_object::json::parse(text.as_bytes()).unwrap()
    }

    /// `group/version/resource:verbs` of each, in the order of the document.
    fn shown(groups: &[Value]) -> Vec<String> {
        let mut shown = Vec::new();
        for group in groups {
            for version in group.list_at(&["versions"]) {
                for resource in version.list_at(&["resources"]) {
                    let verbs: Vec<&str> =
                        resource.list_at(&["verbs"]).iter().filter_map(Value::as_str).collect();
                    let (group, version) = (group_name(group), version_name(version));
                    shown.push(format!("{group}/{version}/{}:{}", resource_name(resource), verbs.join(",")));
                }
            }
        }
        shown
    }

    fn check(local: &str, other: &str, expected: Option<&[&str]>) {
        let (local, other) = (parse(local), parse(&format!(r#"{{"items":{other}}}"#)));
        let mut apis = PeerApis::default();
        apis.add(&other);
        let found = Found::from([(String::from("b"), Arc::new(apis))]);
        let merged = merged("a", local.as_list().unwrap(), &found);
        let expected = expected.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(merged.as_deref().map(shown), expected);
    }

    const APPS: &str = r#"{"metadata":{"name":"apps"},"versions":[
        {"version":"v1","resources":[{"resource":"deployments","verbs":["get"]}]}]}"#;
    const BATCH: &str = r#"{"metadata":{"name":"batch"},"versions":[
        {"version":"v1","resources":[{"resource":"jobs","verbs":["get","list"]}]}]}"#;
    const LATER: &str = r#"{"metadata":{"name":"apps"},"versions":[
        {"version":"v2","resources":[{"resource":"deployments","verbs":["get"]}]},
        {"version":"v1","resources":[{"resource":"deployments","verbs":["create"]},{"resource":"x","verbs":[]}]}]}"#;

    #[test]
    fn what_others_serve_is_added() {
        let both = format!("[{APPS},{BATCH}]");
        check(&both, &both, None);
        check(&both, "[]", Some(&["apps/v1/deployments:get", "batch/v1/jobs:get,list"]));
        check(
            &format!("[{APPS}]"),
            &format!("[{BATCH}]"),
            Some(&["apps/v1/deployments:get", "batch/v1/jobs:get,list"]),
        );
        check(
            &format!("[{APPS}]"),
            &format!("[{LATER}]"),
            Some(&["apps/v2/deployments:get", "apps/v1/deployments:create,get", "apps/v1/x:"]),
        );
        assert_eq!(merged("a", &[], &Found::default()), None);
    }
}
