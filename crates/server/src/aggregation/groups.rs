//! The order of groups and versions where other servers serve some of them: that of their APIServices.

use pintle_engine::Engine;
use pintle_object::Value;
use std::cmp::Ordering;

/// The position of an API in discovery, from its APIService.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiOrder {
    pub name: String,
    pub group: String,
    pub version: String,
    pub group_priority: i64,
    pub version_priority: i64,
    pub is_remote: bool,
}

/// The groups of APIServices with their versions, in order.
pub type GroupOrder = Vec<(String, Vec<ApiOrder>)>;

/// All APIServices in the order of discovery: groups by the highest priority of their APIServices, then by the
/// APIService's name; versions by their priority, then in Kubernetes' order of versions.
pub fn api_order(engine: &Engine) -> GroupOrder {
    let Some(served) = engine.find_any("apiregistration.k8s.io", "apiservices") else { return Vec::new() };
    let Some(collection) = served.collection() else { return Vec::new() };
    let snapshot = engine.store.snapshot(collection);
    let trees = snapshot.range("", None).filter_map(|stored| engine.storage_tree(&served, stored).ok());
    ordered(trees.map(|tree| of(&tree)).collect())
}

fn of(api: &Value) -> ApiOrder {
    let spec = |field: &str| api.str_at(&["spec", field]).to_string();
    let number = |field: &str| api.int_at(&["spec", field]).unwrap_or(0);
    ApiOrder {
        name: api.str_at(&["metadata", "name"]).into(),
        group: spec("group"),
        version: spec("version"),
        group_priority: number("groupPriorityMinimum"),
        version_priority: number("versionPriority"),
        is_remote: api.at(&["spec", "service"]).is_some_and(|service| !service.is_null()),
    }
}

fn ordered(mut all: Vec<ApiOrder>) -> GroupOrder {
    all.sort_by(|one, other| {
        other.group_priority.cmp(&one.group_priority).then_with(|| one.name.cmp(&other.name))
    });
    let mut groups: GroupOrder = Vec::new();
    for api in all {
        match groups.iter_mut().find(|(group, _)| *group == api.group) {
            Some((_, versions)) => versions.push(api),
            None => groups.push((api.group.clone(), vec![api])),
        }
    }
    for (_, versions) in &mut groups {
        versions.sort_by(|one, other| {
            let by_priority = other.version_priority.cmp(&one.version_priority);
            by_priority.then_with(|| compare_versions(&other.version, &one.version))
        });
    }
    groups
}

/// Upstream's order of versions, the later the greater: `v10` over `v2` over `v2beta1` over `v2alpha1` over `foo`.
pub fn compare_versions(one: &str, other: &str) -> Ordering {
    match (rank(one), rank(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        // Names that are no versions are in alphabetical order.
        (None, None) => other.cmp(one),
    }
}

/// Stage, major and minor of a version.
fn rank(version: &str) -> Option<(u8, u64, u64)> {
    let rest = version.strip_prefix('v')?;
    let parts = [("alpha", 0), ("beta", 1)];
    let found = parts.iter().find_map(|(name, stage)| rest.split_once(name).map(|parts| (*stage, parts)));
    let (stage, (major, minor)) = found.unwrap_or((2, (rest, "0")));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(major) || !is_number(minor) || major.starts_with('0') {
        return None;
    }
    Some((stage, major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(name: &str, group_priority: i64, version_priority: i64) -> ApiOrder {
        let (version, group) = name.split_once('.').unwrap();
        ApiOrder {
            name: name.into(),
            group: group.into(),
            version: version.into(),
            group_priority,
            version_priority,
            is_remote: false,
        }
    }

    #[test]
    fn versions_are_ordered_as_kubernetes_orders_them() {
        let mut versions = ["foo1", "v1beta1", "v2", "v10", "v1", "v3alpha1", "foo10", "v11beta2"];
        versions.sort_by(|one, other| compare_versions(other, one));
        assert_eq!(versions, ["v10", "v2", "v1", "v11beta2", "v1beta1", "v3alpha1", "foo1", "foo10"]);
    }

    #[test]
    fn groups_stand_by_their_highest_priority() {
        let all = vec![
            api("v1.b.example.com", 1000, 15),
            api("v2beta1.a.example.com", 100, 10),
            api("v1.a.example.com", 1000, 15),
            api("v1.c.example.com", 2000, 15),
        ];
        let names: Vec<(String, Vec<String>)> = ordered(all)
            .into_iter()
            .map(|(group, versions)| (group, versions.into_iter().map(|one| one.version).collect()))
            .collect();
        let expected = [
            ("c.example.com", vec!["v1"]),
            ("a.example.com", vec!["v1", "v2beta1"]),
            ("b.example.com", vec!["v1"]),
        ];
        let expected = expected.map(|(group, versions)| {
            (group.to_string(), versions.into_iter().map(String::from).collect::<Vec<_>>())
        });
        assert_eq!(names, expected);
    }
}
