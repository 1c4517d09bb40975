//! Schemas of versions that no reference document shows, since they are off by default: from the markers in the
//! comments of Go types, as openapi-gen reads them.

use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

/// The types of one package: structs by name, and texts that named string types may be.
#[derive(Default)]
struct Package {
    structs: BTreeMap<String, MarkedStruct>,
    enums: HashMap<String, Vec<String>>,
}

#[derive(Default)]
struct MarkedStruct {
    markers: Vec<String>,
    fields: Vec<MarkedField>,
}

struct MarkedField {
    json: String,
    ty: String,
    omits: bool,
    markers: Vec<String>,
}

/// Schemas of all types of a package's directory, by their names.
pub fn schemas(dir: &Path) -> Result<Vec<(String, Value)>, String> {
    let text = |name: &str| fs::read_to_string(dir.join(name)).unwrap_or_default();
    let mut package = Package::default();
    package.read(&text("types.go"));
    if package.structs.is_empty() {
        return Err(format!("{}: no types", dir.display()));
    }
    let of = |(name, found): (&String, &MarkedStruct)| (name.clone(), found.schema(&package.enums));
    Ok(package.structs.iter().map(of).collect())
}

impl Package {
    fn read(&mut self, text: &str) {
        let mut markers = Vec::new();
        let mut open: Option<(String, MarkedStruct)> = None;
        for line in text.lines().map(str::trim) {
            if let Some(comment) = line.strip_prefix("//") {
                markers.extend(comment.trim().strip_prefix('+').map(String::from));
                continue;
            }
            if let Some(name) = line.strip_prefix("type ").and_then(|rest| rest.strip_suffix(" struct {")) {
                open = Some((
                    name.into(),
                    MarkedStruct { markers: std::mem::take(&mut markers), fields: Vec::new() },
                ));
            } else if line == "}" {
                self.structs.extend(open.take());
            } else if let Some((_, found)) = &mut open {
                found.fields.extend(MarkedField::read(line, &markers));
            } else {
                self.read_enum(line, &markers);
            }
            // A blank line parts a type from comments that are not its own; fields keep theirs.
            markers.clear();
        }
    }

    /// `type Effect string` under `+enum`, and `EffectNone Effect = "None"` or `EffectNone = Effect("None")`.
    fn read_enum(&mut self, line: &str, markers: &[String]) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["type", name, "string"] if markers.iter().any(|marker| marker == "enum") => {
                self.enums.entry((*name).into()).or_default();
            }
            [_, ty, "=", value, ..] if value.starts_with('"') => {
                if let Some(values) = self.enums.get_mut(*ty) {
                    values.push(value.trim_matches('"').into());
                }
            }
            [_, "=", value] => {
                let Some((ty, value)) = value.strip_suffix("\")").and_then(|text| text.split_once("(\""))
                else {
                    return;
                };
                if let Some(values) = self.enums.get_mut(ty) {
                    values.push(value.into());
                }
            }
            _ => {}
        }
    }
}

impl MarkedField {
    fn read(line: &str, markers: &[String]) -> Option<MarkedField> {
        let (declaration, tags) = line.split_once('`')?;
        let json = tags.split_once("json:\"")?.1.split('"').next()?;
        let mut parts = json.split(',');
        let name = parts.next()?;
        let omits = parts.any(|part| matches!(part, "omitempty" | "omitzero"));
        let ty = declaration.split_whitespace().nth(1)?;
        (!name.is_empty()).then(|| MarkedField {
            json: name.into(),
            ty: ty.into(),
            omits,
            markers: markers.to_vec(),
        })
    }

    fn marker(&self, name: &str) -> Option<&str> {
        let value =
            |marker: &'_ String| marker.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')).is_some();
        let found = self.markers.iter().find(|marker| value(marker))?;
        found.get(name.len() + 1..)
    }

    fn is_required(&self) -> bool {
        let has = |name: &str| self.markers.iter().any(|marker| marker == name);
        has("required") || !(has("optional") || self.omits)
    }

    fn schema(&self, enums: &HashMap<String, Vec<String>>) -> Value {
        let mut schema = Map::new();
        if let Some(default) = self.marker("default").and_then(|text| serde_json::from_str(text).ok()) {
            schema.insert("default".into(), default);
        }
        if let Some(values) = enums.get(self.ty.trim_start_matches('*')) {
            let mut values = values.clone();
            values.sort();
            schema.insert("enum".into(), json!(values));
        }
        if let Some(kind) = self.marker("listType") {
            schema.insert("x-kubernetes-list-type".into(), json!(kind));
        }
        let keys: Vec<&str> =
            self.markers.iter().filter_map(|marker| marker.strip_prefix("listMapKey=")).collect();
        if !keys.is_empty() {
            schema.insert("x-kubernetes-list-map-keys".into(), json!(keys));
        }
        if let Some(kind) = self.marker("mapType").or(self.marker("structType")) {
            schema.insert("x-kubernetes-map-type".into(), json!(kind));
        }
        if self.markers.iter().any(|marker| marker.starts_with("patchStrategy")) {
            schema.insert("x-kubernetes-patch-strategy".into(), json!(self.marker("patchStrategy")));
        }
        Value::Object(schema)
    }
}

impl MarkedStruct {
    fn schema(&self, enums: &HashMap<String, Vec<String>>) -> Value {
        let properties: Map<String, Value> =
            self.fields.iter().map(|field| (field.json.clone(), field.schema(enums))).collect();
        let required: Vec<&str> =
            self.fields.iter().filter(|field| field.is_required()).map(|field| field.json.as_str()).collect();
        let mut schema = json!({"properties": properties, "required": required});
        if self.markers.iter().any(|marker| marker == "structType=atomic") {
            schema["x-kubernetes-map-type"] = json!("atomic");
        }
        schema
    }
}
