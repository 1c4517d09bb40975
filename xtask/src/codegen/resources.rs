//! One block per served resource, from the aggregated discovery documents.

use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// The table's text: resources in the order of discovery, core first.
pub fn table(reference: &Path) -> Result<String, String> {
    let mut out = String::new();
    for file in ["aggregated-api.json", "aggregated-apis.json"] {
        let document = crate::codegen::files::read_json(&reference.join(file))?;
        for group in document["items"].as_array().into_iter().flatten() {
            write_group(&mut out, group);
        }
    }
    Ok(out)
}

fn write_group(out: &mut String, group: &Value) {
    let name = group["metadata"]["name"].as_str().unwrap_or("");
    for version in group["versions"].as_array().into_iter().flatten() {
        let version_name = version["version"].as_str().unwrap_or("");
        let group_version = join(name, version_name);
        for resource in version["resources"].as_array().into_iter().flatten() {
            write_resource(out, &group_version, resource);
        }
    }
}

fn write_resource(out: &mut String, group_version: &str, resource: &Value) {
    let text = |key: &str| resource[key].as_str().unwrap_or("");
    let _ = writeln!(out, "\nresource {group_version} {}", text("resource"));
    let _ = writeln!(out, "  kind {}", kind(&resource["responseKind"], group_version));
    let _ = writeln!(out, "  singular {}", text("singularResource"));
    if text("scope") == "Namespaced" {
        let _ = writeln!(out, "  namespaced");
    }
    for (key, word) in [("verbs", "verbs"), ("shortNames", "short"), ("categories", "categories")] {
        let names = names(&resource[key]);
        if !names.is_empty() {
            let _ = writeln!(out, "  {word} {names}");
        }
    }
    for sub in resource["subresources"].as_array().into_iter().flatten() {
        let name = sub["subresource"].as_str().unwrap_or("");
        let kind = kind(&sub["responseKind"], group_version);
        let _ = writeln!(out, "  sub {name} {kind} {}", names(&sub["verbs"]));
    }
}

/// `apps/v1/Deployment`; a discovery document leaves out the group and version of the resource itself.
fn kind(kind: &Value, group_version: &str) -> String {
    let text = |key: &str| kind[key].as_str().unwrap_or("");
    let own = if text("version").is_empty() {
        String::from(group_version)
    } else {
        join(text("group"), text("version"))
    };
    format!("{own}/{}", text("kind"))
}

fn join(group: &str, version: &str) -> String {
    if group.is_empty() { String::from(version) } else { format!("{group}/{version}") }
}

fn names(list: &Value) -> String {
    let names: Vec<&str> = list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    names.join(" ")
}
