//! Warnings about volumes that put two files at one path, or a file where a directory must be.

use crate::validation::check::present;
use pintle_object::Value;
use pintle_object::field::quote;
use std::collections::BTreeSet;

/// A path in a volume, and its source.
struct PathEntry {
    path: String,
    source: String,
}

pub fn warnings(volumes: &[Value], out: &mut Vec<String>) {
    for volume in volumes {
        let name = quote(volume.str_at(&["name"]));
        for (field, name_field, kind) in [
            ("configMap", "name", "ConfigMap"),
            ("secret", "secretName", "Secret"),
            ("downwardAPI", "", "DownwardAPI"),
        ] {
            let Some(source) = present(volume, &[field]) else { continue };
            let source_name = source.str_at(&[name_field]);
            let shown = if name_field.is_empty() {
                String::from(kind)
            } else {
                format!("{kind} {}", quote(source_name))
            };
            collide(items(source, ""), &format!("volume {name} ({shown}): overlapping paths"), out);
        }
        let mut entries = Vec::new();
        for source in volume.list_at(&["projected", "sources"]) {
            let is_empty = source.as_map().is_none_or(|map| map.values().all(Value::is_null));
            if is_empty {
                out.push(format!("volume {name} (Projected) has no sources provided"));
            }
            entries.extend(projected(source));
        }
        collide(entries, &format!("volume {name} (Projected): overlapping paths"), out);
    }
}

fn items(source: &Value, shown: &str) -> Vec<PathEntry> {
    let entry =
        |item: &Value| PathEntry { path: item.str_at(&["path"]).to_string(), source: shown.to_string() };
    source.list_at(&["items"]).iter().map(entry).collect()
}

fn projected(source: &Value) -> Vec<PathEntry> {
    let named =
        |kind: &str, source: &Value, field: &str| format!("{kind} {}", quote(source.str_at(&[field])));
    let one = |source: &Value, shown: String| {
        vec![PathEntry { path: source.str_at(&["path"]).to_string(), source: shown }]
    };
    if let Some(source) = present(source, &["configMap"]) {
        return items(source, &named("ConfigMap", source, "name"));
    }
    if let Some(source) = present(source, &["secret"]) {
        return items(source, &named("Secret", source, "name"));
    }
    if let Some(source) = present(source, &["downwardAPI"]) {
        return items(source, "DownwardAPI");
    }
    if let Some(source) = present(source, &["serviceAccountToken"]) {
        return one(source, String::from("ServiceAccountToken"));
    }
    if let Some(source) = present(source, &["clusterTrustBundle"]) {
        let field = if present(source, &["name"]).is_some() { "name" } else { "signerName" };
        return one(source, named("ClusterTrustBundle", source, field));
    }
    let certificate = present(source, &["podCertificate"]);
    let entry = |(field, what): (&str, &str)| {
        let path = certificate.map_or("", |source| source.str_at(&[field]));
        (!path.is_empty())
            .then(|| PathEntry { path: path.to_string(), source: format!("PodCertificate {what}") })
    };
    let fields = [
        ("certificateChainPath", "chain"),
        ("keyPath", "key"),
        ("credentialBundlePath", "credential bundle"),
    ];
    fields.into_iter().filter_map(entry).collect()
}

fn collide(entries: Vec<PathEntry>, what: &str, out: &mut Vec<String>) {
    let path = |entry: &'_ PathEntry| entry.path.trim_end_matches('/').len();
    let entries: Vec<PathEntry> = entries
        .into_iter()
        .map(|mut entry| {
            entry.path.truncate(path(&entry));
            entry
        })
        .collect();
    for (entry, other) in pairs(&entries) {
        out.push(format!("{what}: {} with {}", entry.shown(), other.shown()));
    }
}

/// The number of pairs of overlapping paths of one volume that are reported.
const PAIRS_MAX: usize = 100;

/// Each entry with those before it that overlap it, in order.
///
/// In sorted order, a path is followed by the paths under it, so the open paths are those that contain the next one.
fn pairs(entries: &[PathEntry]) -> Vec<(&PathEntry, &PathEntry)> {
    let mut sorted: Vec<(usize, &PathEntry)> =
        entries.iter().enumerate().filter(|(_, entry)| !entry.path.is_empty()).collect();
    sorted.sort_by(|a, b| key(a.1).cmp(key(b.1)));
    let mut open: Vec<(usize, &PathEntry)> = Vec::new();
    let mut found: BTreeSet<(usize, usize)> = BTreeSet::new();
    for (place, entry) in sorted {
        while open.last().is_some_and(|(_, holder)| !holds(&holder.path, &entry.path)) {
            open.pop();
        }
        for (holder, _) in &open {
            found.insert((place.max(*holder), place.min(*holder)));
            if found.len() > PAIRS_MAX {
                found.pop_last();
            }
        }
        // Of many equal ones, the first are enough.
        if open.len() < PAIRS_MAX {
            open.push((place, entry));
        }
    }
    found
        .into_iter()
        .filter_map(|(later, earlier)| Some((entries.get(later)?, entries.get(earlier)?)))
        .collect()
}

/// Orders paths so that the line between names comes before everything else.
fn key(entry: &PathEntry) -> impl Iterator<Item = u16> {
    entry.path.bytes().map(|byte| if byte == b'/' { 0 } else { u16::from(byte) + 1 })
}

/// Whether a path is this one, or lies under it.
fn holds(holder: &str, path: &str) -> bool {
    path.strip_prefix(holder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl PathEntry {
    fn shown(&self) -> String {
        if self.source.is_empty() {
            return quote(&self.path);
        }
        format!("{} ({})", quote(&self.path), self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(volume: &str, expected: &[&str]) {
        let volume = pintle_object::json::parse(volume.as_bytes()).expect("test data is JSON");
        let mut out = Vec::new();
        warnings(&[volume], &mut out);
        assert_eq!(out, expected);
    }

    #[test]
    fn overlapping_paths_are_warned_about() {
        check(
            r#"{"name":"v","configMap":{"name":"m","items":[{"path":"a"},{"path":"ab"},{"path":"a/b"}]}}"#,
            &["volume \"v\" (ConfigMap \"m\"): overlapping paths: \"a/b\" with \"a\""],
        );
        check(
            r#"{"name":"v","projected":{"sources":[{},{"secret":{"name":"s","items":[{"path":"t"}]}},{"serviceAccountToken":{"path":"t"}}]}}"#,
            &[
                "volume \"v\" (Projected) has no sources provided",
                "volume \"v\" (Projected): overlapping paths: \"t\" (ServiceAccountToken) with \"t\" (Secret \"s\")",
            ],
        );
    }
}
