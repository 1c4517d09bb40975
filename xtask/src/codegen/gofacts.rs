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
    /// The type as Go's errors print it, without the field's own pointer: `[]v1.Container`, `types.UID`.
    pub ty: String,
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
        let own = package.rsplit('.').next().unwrap_or(package);
        let mut packages = Packages { own, aliases: HashMap::new() };
        for line in text.lines() {
            let line = line.trim();
            packages.read_import(line);
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
                read_field(line, &packages, found);
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

/// The names by which a file refers to packages.
struct Packages<'a> {
    /// The name of the file's own package.
    own: &'a str,
    /// Package names by alias.
    aliases: HashMap<String, String>,
}

impl Packages<'_> {
    /// `metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"`
    fn read_import(&mut self, line: &str) {
        let Some((alias, path)) = line.strip_prefix("import ").unwrap_or(line).split_once('"') else {
            return;
        };
        let Some((path, "")) = path.split_once('"') else { return };
        let name = path.rsplit('/').next().unwrap_or(path);
        let alias = Some(alias.trim()).filter(|alias| !alias.is_empty()).unwrap_or(name);
        self.aliases.insert(String::from(alias), String::from(name));
    }

    /// `map[ResourceName]*metav1.Time` as `map[v1.ResourceName]*v1.Time`
    fn reflected(&self, ty: &str) -> String {
        if let Some(item) = ty.strip_prefix("[]") {
            return format!("[]{}", self.reflected(item));
        }
        if let Some(item) = ty.strip_prefix('*') {
            return format!("*{}", self.reflected(item));
        }
        if let Some((key, value)) = ty.strip_prefix("map[").and_then(|rest| rest.split_once(']')) {
            return format!("map[{}]{}", self.reflected(key), self.reflected(value));
        }
        match (ty, ty.split_once('.')) {
            ("string" | "bool" | "int32" | "int64" | "float64" | "uint8", _) => String::from(ty),
            ("byte", _) => String::from("uint8"),
            (_, None) => format!("{}.{ty}", self.own),
            (_, Some((alias, name))) => {
                format!("{}.{name}", self.aliases.get(alias).map_or(alias, String::as_str))
            }
        }
    }
}

/// ``Name Type `json:"name,omitempty" protobuf:"bytes,1,opt,name=name"` ``
fn read_field(line: &str, packages: &Packages<'_>, found: &mut GoStruct) {
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
        ty: packages.reflected(ty.trim_start_matches('*')),
        embedded: words.first().and_then(|word| word.rsplit('.').next()).unwrap_or("").into(),
    };
    found.fields.insert(proto, field);
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
