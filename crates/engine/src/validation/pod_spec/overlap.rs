//! Warnings about volumes that put two files at one path, or a file where a directory must be.

use crate::validation::check::present;
use pintle_object::Value;
use pintle_object::field::quote;

/// A path in a volume, and what puts it there.
struct Entry {
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

fn items(source: &Value, shown: &str) -> Vec<Entry> {
    let entry = |item: &Value| Entry { path: item.str_at(&["path"]).to_string(), source: shown.to_string() };
    source.list_at(&["items"]).iter().map(entry).collect()
}

fn projected(source: &Value) -> Vec<Entry> {
    let named =
        |kind: &str, source: &Value, field: &str| format!("{kind} {}", quote(source.str_at(&[field])));
    let one = |source: &Value, shown: String| {
        vec![Entry { path: source.str_at(&["path"]).to_string(), source: shown }]
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
        (!path.is_empty()).then(|| Entry { path: path.to_string(), source: format!("PodCertificate {what}") })
    };
    let fields = [
        ("certificateChainPath", "chain"),
        ("keyPath", "key"),
        ("credentialBundlePath", "credential bundle"),
    ];
    fields.into_iter().filter_map(entry).collect()
}

fn collide(entries: Vec<Entry>, what: &str, out: &mut Vec<String>) {
    let mut before: Vec<Entry> = Vec::new();
    for mut entry in entries {
        entry.path.truncate(entry.path.trim_end_matches('/').len());
        for other in before.iter().filter(|other| overlap(&other.path, &entry.path)) {
            out.push(format!("{what}: {} with {}", entry.shown(), other.shown()));
        }
        before.push(entry);
    }
}

/// Whether two paths are one, or one lies under the other.
fn overlap(one: &str, other: &str) -> bool {
    let under =
        |path: &str, parent: &str| path.strip_prefix(parent).is_some_and(|rest| rest.starts_with('/'));
    !one.is_empty() && !other.is_empty() && (one == other || under(one, other) || under(other, one))
}

impl Entry {
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
