//! Facts that only Go struct tags hold: JSON name, pointer, omitempty, inlining, top-level kinds.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

#[derive(Clone, Debug, Default)]
pub struct GoField {
    pub json: String,
    pub pointer: bool,
    pub collection: bool,
    pub omit_empty: bool,
    pub omit_zero: bool,
    pub inline: bool,
    pub patch_strategy: String,
    pub patch_key: String,
    /// The Go type without its pointer, when it is a named one: `v1.SecretType`, `[]v1.FinalizerName`.
    pub named: String,
    /// The name of an embedded struct, as paths of decoding errors show it.
    pub embedded: String,
}

#[derive(Clone, Debug, Default)]
pub struct GoStruct {
    /// Fields by protobuf name.
    pub fields: HashMap<String, GoField>,
    /// Embeds TypeMeta: a kind of its own.
    pub is_kind: bool,
}

/// Structs by protobuf message name, group names by protobuf package.
#[derive(Debug, Default)]
pub struct GoFacts {
    pub structs: HashMap<String, GoStruct>,
    pub groups: HashMap<String, String>,
}

/// Repositories and the protobuf package prefix of their directories.
const ROOTS: [(&str, &str); 5] = [
    ("api", "k8s.io.api"),
    ("apimachinery/pkg", "k8s.io.apimachinery.pkg"),
    ("apiextensions-apiserver/pkg/apis", "k8s.io.apiextensions_apiserver.pkg.apis"),
    ("kube-aggregator/pkg/apis", "k8s.io.kube_aggregator.pkg.apis"),
    ("apiserver/pkg/apis", "k8s.io.apiserver.pkg.apis"),
];

impl GoFacts {
    pub fn read(dir: &Path) -> Result<GoFacts, String> {
        let mut facts = GoFacts::default();
        for (root, package) in ROOTS {
            facts.read_dir(&dir.join(root), package)?;
        }
        if facts.structs.is_empty() {
            return Err(format!("no Go types under {}", dir.display()));
        }
        Ok(facts)
    }

    fn read_dir(&mut self, dir: &Path, package: &str) -> Result<(), String> {
        let Ok(entries) = fs::read_dir(dir) else { return Ok(()) };
        for entry in entries.filter_map(Result::ok) {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                self.read_dir(&path, &format!("{package}.{name}"))?;
            } else if name.ends_with(".go") && !name.contains("generated") && !name.ends_with("_test.go") {
                let text =
                    fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                self.read_file(&text, package);
            }
        }
        Ok(())
    }

    fn read_file(&mut self, text: &str, package: &str) {
        let mut open: Option<(String, GoStruct)> = None;
        for line in text.lines() {
            let line = line.trim();
            if let Some(group) = group_name(line) {
                self.groups.insert(String::from(package), group);
            }
            if let Some(name) = line.strip_prefix("type ").and_then(|rest| rest.strip_suffix(" struct {")) {
                open = Some((format!("{package}.{name}"), GoStruct::default()));
            } else if line == "}" {
                if let Some((name, found)) = open.take() {
                    self.structs.insert(name, found);
                }
            } else if let Some((_, found)) = &mut open {
                read_field(line, package, found);
            }
        }
    }
}

/// `const GroupName = "apps"` or `GroupName = "apps"`.
fn group_name(line: &str) -> Option<String> {
    let rest = line.strip_prefix("const ").unwrap_or(line).strip_prefix("GroupName")?;
    let value = rest.trim_start().strip_prefix('=')?.trim();
    Some(value.trim_matches('"').to_string())
}

/// ``Name Type `json:"name,omitempty" protobuf:"bytes,1,opt,name=name"` ``
fn read_field(line: &str, package: &str, found: &mut GoStruct) {
    if line.starts_with("//") {
        return;
    }
    let Some((declaration, tags)) = line.split_once('`') else { return };
    let words: Vec<&str> = declaration.split_whitespace().collect();
    let Some(json) = tag(tags, "json") else { return };
    if declaration.trim().ends_with("TypeMeta") && (json.is_empty() || json.starts_with(",inline")) {
        found.is_kind = true;
        return;
    }
    let Some(protobuf) = tag(tags, "protobuf") else { return };
    let named = protobuf.split(',').find_map(|part| part.strip_prefix("name="));
    let proto = named.map_or_else(|| lower_first(words.first().copied().unwrap_or("")), String::from);
    let ty = words.get(1).or(words.first()).copied().unwrap_or("");
    let mut parts = json.split(',');
    let name = parts.next().unwrap_or("");
    let flags: Vec<&str> = parts.collect();
    let field = GoField {
        json: String::from(name),
        pointer: ty.starts_with('*'),
        collection: ty.starts_with("[]") || ty.starts_with("map["),
        omit_empty: flags.contains(&"omitempty"),
        omit_zero: flags.contains(&"omitzero"),
        inline: flags.contains(&"inline") || name.is_empty(),
        patch_strategy: tag(tags, "patchStrategy").unwrap_or_default(),
        patch_key: tag(tags, "patchMergeKey").unwrap_or_default(),
        named: named_type(ty.trim_start_matches('*'), package),
        embedded: words.first().and_then(|word| word.rsplit('.').next()).unwrap_or("").into(),
    };
    found.fields.insert(proto, field);
}

/// The type as Go's errors print it; empty when it has no named part.
fn named_type(ty: &str, package: &str) -> String {
    let start = ty.rfind([']', '*']).map_or(0, |place| place + 1);
    let (prefix, name) = ty.split_at(start);
    let is_local = name.starts_with(char::is_uppercase);
    if is_local {
        return format!("{prefix}{}.{name}", package.rsplit('.').next().unwrap_or(""));
    }
    let Some((alias, name)) = name.split_once('.') else { return String::new() };
    let package = match alias {
        "metav1" | "corev1" | "apiv1" => "v1",
        alias => alias,
    };
    format!("{prefix}{package}.{name}")
}

/// An embedded struct without a protobuf name goes by its type's: `EphemeralContainerCommon`.
fn lower_first(ty: &str) -> String {
    let name = ty.rsplit('.').next().unwrap_or(ty);
    let mut chars = name.chars();
    chars.next().map(|first| first.to_lowercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}

fn tag(tags: &str, name: &str) -> Option<String> {
    let start = tags.find(&format!("{name}:\""))? + name.len() + 2;
    let rest = tags.get(start..)?;
    rest.split('"').next().map(String::from)
}
