//! One block per message, one line per field.

use super::gofacts::{GoFacts, GoField};
use super::openapi::Schemas;
pub(crate) use crate::codegen::openapi::is_real_default;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Packages that no Kubernetes API server serves.
const SKIPPED: [&str; 3] = ["k8s.io.metrics.", "k8s.io.apiserver.", "testapigroup"];

/// Messages whose JSON is not that of a struct.
const SPECIAL: [(&str, &str); 13] = [
    ("k8s.io.apimachinery.pkg.apis.meta.v1.Time", "time"),
    ("k8s.io.apimachinery.pkg.apis.meta.v1.MicroTime", "microtime"),
    ("k8s.io.apimachinery.pkg.apis.meta.v1.Duration", "duration"),
    ("k8s.io.apimachinery.pkg.apis.meta.v1.FieldsV1", "fieldsv1"),
    ("k8s.io.apimachinery.pkg.api.resource.Quantity", "quantity"),
    ("k8s.io.apimachinery.pkg.util.intstr.IntOrString", "intorstring"),
    ("k8s.io.apimachinery.pkg.runtime.RawExtension", "rawextension"),
    ("apiextensions.v1.JSON", "json"),
    ("apiextensions.v1beta1.JSON", "json"),
    ("JSONSchemaPropsOrArray", "schemaorarray"),
    ("JSONSchemaPropsOrBool", "schemaorbool"),
    ("JSONSchemaPropsOrStringArray", "schemaorstrings"),
    ("QuantityValue", "quantity"),
];

/// Tables by file name (`core_v1`), each the text of its package's messages.
pub fn tables(messages: &Value, schemas: &Schemas, go: &GoFacts) -> Result<BTreeMap<String, String>, String> {
    let messages = messages.as_object().ok_or("the protobuf facts are no object")?;
    let mut tables: BTreeMap<String, String> = BTreeMap::new();
    for (name, fields) in messages {
        if SKIPPED.iter().any(|skipped| name.contains(skipped)) {
            continue;
        }
        let (package, _) = name.rsplit_once('.').ok_or_else(|| format!("{name} has no package"))?;
        let table = tables.entry(file_name(package)).or_insert_with(|| format!("package {package}\n"));
        let block = Block { name, package, schemas, go };
        block.write(table, fields, messages)?;
    }
    Ok(tables)
}

/// `k8s.io.api.core.v1` is kept in `core_v1.txt`.
fn file_name(package: &str) -> String {
    let parts: Vec<&str> = package.split('.').collect();
    let tail = parts.len().saturating_sub(2);
    parts.get(tail..).unwrap_or_default().join("_")
}

struct Block<'a> {
    name: &'a str,
    package: &'a str,
    schemas: &'a Schemas,
    go: &'a GoFacts,
}

/// The embedded structs around a field, outermost first: their protobuf numbers and Go names, joined by dots.
struct Inline {
    tags: String,
    names: String,
}

type Messages = serde_json::Map<String, Value>;

impl Block<'_> {
    fn write(&self, out: &mut String, fields: &Value, messages: &Messages) -> Result<(), String> {
        let short = self.name.rsplit('.').next().unwrap_or(self.name);
        let mut head = format!("\ntype {short}");
        if let Some((_, special)) = SPECIAL.iter().find(|(name, _)| self.name.ends_with(name)) {
            let _ = writeln!(out, "{head} as={special}");
            return Ok(());
        }
        let fields = fields.as_object().ok_or_else(|| format!("{} is no object", self.name))?;
        if let Some(item) = fields.get("items").filter(|item| fields.len() == 1 && item["t"] == "string") {
            let _ = writeln!(out, "{head} as=[]{}", self.reference(item["t"].as_str().unwrap_or("")));
            return Ok(());
        }
        let has_type_meta = match self.go.structs.get(self.name) {
            Some(found) => found.is_kind,
            // A type that newer Go no longer has: what has metadata is a kind.
            None => fields.contains_key("metadata") && !short.ends_with("TemplateSpec"),
        };
        if has_type_meta || self.has_gvk() {
            let _ = write!(head, " kind={}", self.group_version());
        }
        if self.schemas.get(self.name).is_some_and(|schema| schema["x-kubernetes-map-type"] == "atomic") {
            head.push_str(" atomic");
        }
        let _ = writeln!(out, "{head}");
        if has_type_meta && !fields.contains_key("kind") {
            // Go embeds TypeMeta first.
            out.push_str("  kind 0 string nonzero\n  apiVersion 0 string nonzero\n");
        }
        self.write_fields(out, self.name, fields, messages, None)
    }

    fn has_gvk(&self) -> bool {
        self.schemas
            .get(self.name)
            .is_some_and(|schema| schema.get("x-kubernetes-group-version-kind").is_some())
    }

    /// `apps/v1`, or `v1` in the core group and for the kinds of meta.
    fn group_version(&self) -> String {
        let version = self.package.rsplit('.').next().unwrap_or("");
        // A package that newer Go no longer has belongs to the group of its other versions.
        let parent = self.package.rsplit_once('.').map_or("", |(parent, _)| parent);
        let sibling = || {
            self.go
                .groups
                .iter()
                .find(|(package, _)| package.rsplit_once('.').is_some_and(|(p, _)| p == parent))
        };
        let group = self.go.groups.get(self.package).or_else(|| sibling().map(|(_, group)| group));
        match group.map(String::as_str) {
            None | Some("" | "meta.k8s.io") => String::from(version),
            Some(group) => format!("{group}/{version}"),
        }
    }

    fn write_fields(
        &self,
        out: &mut String,
        message: &str,
        fields: &Messages,
        messages: &Messages,
        inline: Option<&Inline>,
    ) -> Result<(), String> {
        for (proto, fact) in fields {
            let tag = fact["n"].as_u64().ok_or_else(|| format!("{message}.{proto} has no number"))?;
            let ty = fact["t"].as_str().unwrap_or("");
            let go = self.go.structs.get(message).and_then(|found| found.fields.get(proto));
            if go.is_some_and(|go| go.inline) {
                let inner = self.full(ty, message);
                let fields = messages.get(&inner).and_then(Value::as_object);
                let fields = fields.ok_or_else(|| format!("{message}.{proto}: no message {inner}"))?;
                let embedded = go.map_or("", |go| go.embedded.as_str());
                let inline = Inline {
                    tags: inline.map_or(tag.to_string(), |outer| format!("{}.{tag}", outer.tags)),
                    names: inline
                        .map_or(String::from(embedded), |outer| format!("{}.{embedded}", outer.names)),
                };
                self.write_fields(out, &inner, fields, messages, Some(&inline))?;
                continue;
            }
            let line = self.field(message, proto, tag, inline, fact, go);
            let _ = writeln!(out, "{line}");
        }
        Ok(())
    }

    fn field(
        &self,
        message: &str,
        proto: &str,
        tag: u64,
        inline: Option<&Inline>,
        fact: &Value,
        go: Option<&GoField>,
    ) -> String {
        let name = go.map_or(proto, |go| go.json.as_str());
        let schema = self.schemas.field(self.name, name).or_else(|| self.schemas.field(message, name));
        let required = self.schemas.is_required(self.name, name) || self.schemas.is_required(message, name);
        let repeated = fact["rep"].as_bool().unwrap_or(false);
        let ty = self.reference_from(fact["t"].as_str().unwrap_or(""), message);
        let ty = if repeated { format!("[]{ty}") } else { ty };
        let tag = inline.map_or(tag.to_string(), |outer| format!("{}.{tag}", outer.tags));
        let mut line = format!("  {name} {tag} {ty}");
        for word in presence(&ty, go, required) {
            let _ = write!(line, " {word}");
        }
        if required {
            line.push_str(" required");
        }
        if let Some(schema) = schema {
            write_schema_facts(&mut line, schema);
        }
        if let Some(go) = go.filter(|go| differ(&go.ty, &self.go_name(&ty))) {
            let _ = write!(line, " go={}", go.ty);
        }
        if let Some(inline) = inline {
            let _ = write!(line, " in={}", inline.names);
        }
        // A field of the documents has a strategy only if they say so, whatever newer Go has.
        let has_strategy = schema.is_none_or(|schema| schema.get("x-kubernetes-patch-strategy").is_some());
        if let Some(go) = go.filter(|go| has_strategy && !go.patch_strategy.is_empty()) {
            let _ = write!(line, " patch={}", go.patch_strategy);
            if !go.patch_key.is_empty() {
                let _ = write!(line, ":{}", go.patch_key);
            }
        }
        line
    }

    /// The Go type that a table's type stands for where the line does not say otherwise.
    fn go_name(&self, ty: &str) -> String {
        if let Some(item) = ty.strip_prefix("[]") {
            return format!("[]{}", self.go_name(item));
        }
        if let Some(value) = ty.strip_prefix("map[").and_then(|rest| rest.strip_suffix(']')) {
            return format!("map[string]{}", self.go_name(value));
        }
        match ty {
            "string" | "bool" | "int32" | "int64" => String::from(ty),
            "double" => String::from("float64"),
            "bytes" => String::from("[]uint8"),
            _ => {
                let full = self.full(ty, self.name);
                let mut parts = full.rsplit('.');
                let (name, package) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
                format!("{package}.{name}")
            }
        }
    }

    fn reference(&self, ty: &str) -> String {
        self.reference_from(ty, self.name)
    }

    /// A type as a table names it: scalars and messages of the same package by their short name.
    fn reference_from(&self, ty: &str, message: &str) -> String {
        if let Some(inner) = ty.strip_prefix("map<string,").and_then(|rest| rest.strip_suffix('>')) {
            return format!("map[{}]", self.reference_from(inner, message));
        }
        if matches!(ty, "string" | "bool" | "int32" | "int64" | "double" | "bytes") {
            return String::from(ty);
        }
        let full = self.full(ty, message);
        match full.strip_prefix(self.package).and_then(|rest| rest.strip_prefix('.')) {
            Some(short) if !short.contains('.') => String::from(short),
            _ => full,
        }
    }

    /// The full message name of a reference inside `message`.
    fn full(&self, ty: &str, message: &str) -> String {
        let ty = ty.trim_start_matches('.');
        if ty.contains('.') {
            return String::from(ty);
        }
        let package = message.rsplit_once('.').map_or("", |(package, _)| package);
        format!("{package}.{ty}")
    }
}

/// Whether two Go types differ in more than the package of the innermost: an alias prints as what it stands for.
fn differ(a: &str, b: &str) -> bool {
    let parts = |ty: &str| {
        let leaf = ty.rfind(']').map_or(0, |place| place + 1);
        let (outer, inner) = ty.split_at(leaf);
        (String::from(outer), String::from(inner.rsplit('.').next().unwrap_or(inner)))
    };
    parts(a) != parts(b)
}

/// The condition under which Go writes the field, and whether it is a pointer.
fn presence(ty: &str, go: Option<&GoField>, required: bool) -> Vec<&'static str> {
    let is_collection = ty.starts_with("[]") || ty.starts_with("map[") || ty == "bytes";
    let is_scalar = matches!(ty, "string" | "bool" | "int32" | "int64" | "double");
    let Some(go) = go else {
        return match (required, is_collection || is_scalar) {
            (true, _) => vec!["always"],
            (false, true) => vec!["nonzero"],
            (false, false) => vec!["set", "pointer"],
        };
    };
    let omit = go.omit_empty || go.omit_zero;
    let mut words = match (go.pointer, omit) {
        (true, true) => vec!["set"],
        (_, false) => vec!["always"],
        (false, true) if go.omit_zero || is_collection || is_scalar || go.collection => vec!["nonzero"],
        // Go never omits a plain struct.
        (false, true) => vec!["always"],
    };
    if go.pointer {
        words.push("pointer");
    }
    words
}

fn write_schema_facts(line: &mut String, schema: &Value) {
    if let Some(default) = schema.get("default").filter(|default| is_real_default(default)) {
        let _ = write!(line, " default={default}");
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
        let _ = write!(line, " enum={}", values.join("|"));
    }
    if let Some(kind) = schema["x-kubernetes-list-type"].as_str().filter(|kind| *kind != "atomic") {
        let _ = write!(line, " list={kind}");
        let keys: Vec<&str> = schema["x-kubernetes-list-map-keys"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if !keys.is_empty() {
            let _ = write!(line, ":{}", keys.join(","));
        }
    }
    if let Some(kind) = schema["x-kubernetes-map-type"].as_str() {
        let _ = write!(line, " {kind}");
    }
}
