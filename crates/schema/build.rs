//! Packs the tables of `api/` into one binary blob that the library opens at start.
//!
//! The blob's layout is told by `src/builtin.rs`, which reads it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../../api");
    println!("cargo:rerun-if-changed={}", root.display());
    let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets it")).join("api.bin");
    let mut types = Types::default();
    let mut files: Vec<PathBuf> = read_dir(&root.join("types"));
    files.sort();
    for file in files {
        types.read(&read(&file));
    }
    types.read_defaults(&read(&root.join("defaults.txt")));
    let mut blob = types.pack();
    blob.extend(pack_resources(&root));
    blob.extend(pack_documents(&root, &types));
    fs::write(out, blob).expect("the build directory can be written");
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read_dir(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    entries.filter_map(Result::ok).map(|entry| entry.path()).collect()
}

#[derive(Default)]
struct Types {
    /// Named types in the order of the tables.
    named: Vec<NamedType>,
    defaults: HashMap<String, String>,
}

struct NamedType {
    name: String,
    package: String,
    /// `apps/v1` for top-level kinds.
    kind: String,
    special: String,
    atomic: bool,
    fields: Vec<FieldRow>,
}

struct FieldRow {
    name: String,
    tag: String,
    ty: String,
    words: Vec<String>,
}

impl Types {
    fn read(&mut self, text: &str) {
        let mut package = "";
        for line in text.lines() {
            let is_field = line.starts_with(' ');
            let mut words = line.split_whitespace();
            match words.next() {
                None => {}
                Some("package") if !is_field => package = words.next().expect("a package has a name"),
                Some("type") if !is_field => self.named.push(named(package, &words.collect::<Vec<_>>())),
                Some(name) => {
                    let mut next =
                        || String::from(words.next().unwrap_or_else(|| panic!("short line: {line}")));
                    let (tag, ty) = (next(), next());
                    let words = words.map(String::from).collect();
                    let field = FieldRow { name: name.into(), tag, ty, words };
                    self.named.last_mut().expect("a field follows its type").fields.push(field);
                }
            }
        }
    }

    /// `type.field = JSON`
    fn read_defaults(&mut self, text: &str) {
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (field, value) = line.split_once(" = ").unwrap_or_else(|| panic!("no default: {line}"));
            self.defaults.insert(field.into(), value.into());
        }
        for field in self.defaults.keys() {
            let (ty, name) = field.rsplit_once('.').expect("type.field");
            let known = self.named.iter().any(|t| t.name == ty && t.fields.iter().any(|f| f.name == name));
            assert!(known, "defaults.txt names an unknown field: {field}");
        }
    }

    /// The default in the field's own line, or `-`.
    fn documented_default(&self, ty: &str, field: &str) -> &str {
        let named = self.named.iter().find(|named| named.name == ty);
        let field = named.and_then(|named| named.fields.iter().find(|have| have.name == field));
        let words = field.into_iter().flat_map(|field| &field.words);
        words.filter_map(|word| word.strip_prefix("default=")).next().unwrap_or("-")
    }

    fn pack(&self) -> Vec<u8> {
        let ids: HashMap<&str, usize> =
            self.named.iter().enumerate().map(|(id, ty)| (ty.name.as_str(), id)).collect();
        let mut pool = TextPool { ids, inner: Vec::new(), by_text: HashMap::new(), base: self.named.len() };
        let mut out = Out::default();
        for ty in &self.named {
            self.pack_type(ty, &mut pool, &mut out);
        }
        let mut head = Out::default();
        head.number(self.named.len() as u64);
        head.number(pool.inner.len() as u64);
        head.0.extend(out.0);
        for inner in &pool.inner {
            head.0.extend(inner);
        }
        head.0
    }

    fn pack_type(&self, ty: &NamedType, pool: &mut TextPool<'_>, out: &mut Out) {
        out.text(&ty.name);
        out.text(&ty.kind);
        if let Some(item) = ty.special.strip_prefix("[]") {
            out.text("items");
            out.number(pool.id(item, &ty.package, &[]) as u64);
            return;
        }
        if !ty.special.is_empty() {
            out.text(&ty.special);
            if ty.special.starts_with("schemaor") {
                out.number(pool.id("JSONSchemaProps", &ty.package, &[]) as u64);
            }
            return;
        }
        out.text(if ty.atomic { "atomic" } else { "struct" });
        out.number(ty.fields.len() as u64);
        for field in &ty.fields {
            self.pack_field(ty, field, pool, out);
        }
    }

    fn pack_field(&self, ty: &NamedType, field: &FieldRow, pool: &mut TextPool<'_>, out: &mut Out) {
        let has = |word: &str| field.words.iter().any(|have| have == word);
        let value = |key: &str| {
            field.words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('=')).unwrap_or("")
        };
        let tags: Vec<u64> =
            field.tag.split('.').map(|tag| tag.parse().expect("a tag is a number")).collect();
        let presence = ["always", "nonzero", "set"].iter().position(|word| has(word));
        out.text(&field.name);
        out.number(tags.len() as u64);
        tags.iter().for_each(|tag| out.number(*tag));
        out.number(presence.unwrap_or_else(|| panic!("{}.{}: no presence", ty.name, field.name)) as u64);
        out.number(u64::from(has("pointer")));
        out.number(u64::from(has("required")));
        let flags: Vec<&str> = field.words.iter().map(String::as_str).collect();
        out.number(pool.id(&field.ty, &ty.package, &flags) as u64);
        let own = self.defaults.get(&format!("{}.{}", ty.name, field.name)).map(String::as_str);
        out.text(own.unwrap_or(value("default")));
        out.text(value("enum"));
        out.text(value("patch"));
        out.text(value("go"));
        out.text(value("in"));
        out.number(u64::from(has("granular")));
    }
}

fn named(package: &str, words: &[&str]) -> NamedType {
    let value = |key: &str| words.iter().find_map(|word| word.strip_prefix(key)).unwrap_or("");
    NamedType {
        name: format!("{package}.{}", words.first().expect("a type has a name")),
        package: package.into(),
        kind: value("kind=").into(),
        special: value("as=").into(),
        atomic: words.contains(&"atomic"),
        fields: Vec::new(),
    }
}

/// Unnamed types: scalars, lists and maps, each packed once.
struct TextPool<'a> {
    ids: HashMap<&'a str, usize>,
    inner: Vec<Vec<u8>>,
    by_text: HashMap<String, usize>,
    base: usize,
}

impl TextPool<'_> {
    fn id(&mut self, ty: &str, package: &str, flags: &[&str]) -> usize {
        let list = flags.iter().find_map(|word| word.strip_prefix("list=")).unwrap_or("");
        let (kind, inner) = match (ty.strip_prefix("[]"), ty.strip_prefix("map[")) {
            (Some(item), _) => ("list", item),
            (_, Some(value)) => ("map", value.strip_suffix(']').expect("a map closes")),
            _ if matches!(ty, "string" | "bool" | "int32" | "int64" | "double" | "bytes") => (ty, ""),
            _ => return self.named(ty, package),
        };
        let atomic = kind == "map" && flags.contains(&"atomic");
        let inner_id = if inner.is_empty() { 0 } else { self.id(inner, package, &[]) };
        let text = format!("{kind} {inner_id} {list} {atomic}");
        if let Some(id) = self.by_text.get(&text) {
            return *id;
        }
        let mut out = Out::default();
        out.text(kind);
        if !inner.is_empty() {
            out.number(inner_id as u64);
            out.text(if kind == "list" {
                list
            } else if atomic {
                "atomic"
            } else {
                ""
            });
        }
        let id = self.base + self.inner.len();
        self.inner.push(out.0);
        self.by_text.insert(text, id);
        id
    }

    fn named(&self, ty: &str, package: &str) -> usize {
        let full = if ty.contains('.') { String::from(ty) } else { format!("{package}.{ty}") };
        *self.ids.get(full.as_str()).unwrap_or_else(|| panic!("no type {full}"))
    }
}

/// Resources as lines of words: the library splits them when it opens the blob.
fn pack_resources(root: &Path) -> Vec<u8> {
    let mut out = Out::default();
    for file in
        ["resources.txt", "optional.txt", "lifecycle.txt", "columns.txt", "selectable.txt", "storage.txt"]
    {
        out.text(&table_lines(&read(&root.join(file))).join("\n"));
    }
    out.0
}

/// The facts of openapi.txt, and for every default that upstream's code sets what the documents show instead.
fn pack_documents(root: &Path, types: &Types) -> Vec<u8> {
    let mut lines: Vec<String> = table_lines(&read(&root.join("openapi.txt")));
    let mut coded: Vec<&String> = types.defaults.keys().collect();
    coded.sort();
    for name in coded {
        let (ty, field) = name.rsplit_once('.').expect("type.field");
        lines.push(format!("{ty} {field} default {}", types.documented_default(ty, field)));
    }
    let mut out = Out::default();
    out.text(&lines.join("\n"));
    out.0
}

fn table_lines(text: &str) -> Vec<String> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(String::from).collect()
}

#[derive(Default)]
struct Out(Vec<u8>);

impl Out {
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push((number as u8) | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend(text.as_bytes());
    }
}
