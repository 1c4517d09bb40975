//! Kinds that are served in two versions: the other version as the stored one, and back, without loss.

use super::device_v1beta1;
use pintle_object::{GroupVersionKind, Value};

/// Whether an older version of a kind differs from the stored one, and can be brought to it.
pub fn is_convertible(kind: &GroupVersionKind) -> bool {
    matches!(
        (kind.group.as_str(), kind.version.as_str(), kind.kind.as_str()),
        ("autoscaling", "v1", "HorizontalPodAutoscaler") | ("resource.k8s.io", "v1beta1", _)
    )
}

/// A tree of a served version as one of the version that its kind is stored in. The caller makes it canonical.
pub fn to_storage(served: &GroupVersionKind, mut tree: Value) -> Value {
    match (served.group.as_str(), served.kind.as_str()) {
        ("events.k8s.io", "Event") => {
            rename(&mut tree, EVENT_FIELDS.iter().map(|(theirs, ours)| (*theirs, *ours)));
            tree
        }
        ("autoscaling", "HorizontalPodAutoscaler") if served.version == "v1" => {
            super::autoscaler_v1::to_v2(tree)
        }
        ("resource.k8s.io", kind) if served.version == "v1beta1" => device_v1beta1::to_v1(kind, tree),
        _ => tree,
    }
}

/// A tree of the version that a kind is stored in as one of a served version. The caller makes it canonical.
pub fn from_storage(served: &GroupVersionKind, mut tree: Value) -> Value {
    match (served.group.as_str(), served.kind.as_str()) {
        ("events.k8s.io", "Event") => {
            rename(&mut tree, EVENT_FIELDS.iter().map(|(theirs, ours)| (*ours, *theirs)));
            tree
        }
        ("autoscaling", "HorizontalPodAutoscaler") if served.version == "v1" => {
            super::autoscaler_v1::from_v2(tree)
        }
        ("resource.k8s.io", kind) if served.version == "v1beta1" => device_v1beta1::from_v1(kind, tree),
        _ => tree,
    }
}

/// Fields of `events.k8s.io/v1` and of the core group's Event that mean the same.
const EVENT_FIELDS: [(&str, &str); 7] = [
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
    ("reportingController", "reportingComponent"),
];

fn rename<'a>(tree: &mut Value, pairs: impl Iterator<Item = (&'a str, &'a str)>) {
    let Some(map) = tree.as_map_mut() else { return };
    for (from, to) in pairs {
        if let Some(value) = map.remove(from) {
            map.insert(to, value);
        }
    }
}
