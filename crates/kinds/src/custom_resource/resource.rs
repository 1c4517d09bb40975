//! A version of a definition as the tables hold resources: names, verbs, subresources, columns, selectable fields.

use super::path::Path;
use pintle_object::stability::by_stability;
use pintle_object::{GroupVersionKind, Value, Verb, Verbs};
use pintle_schema::custom::Custom as Schema;
use pintle_schema::resource::Selectable;
use pintle_schema::{Builtin, Column as Heading, Life, Resource, Str, Subresource};
use std::sync::Arc;

/// A version of a definition as the tables hold resources; objects are stored in the version of that name.
pub fn resource(api: &Builtin, definition: &Value, version: &Value, storage_version: &str) -> Resource {
    let spec = |path: &[&str]| text(definition.get("spec").map_or("", |spec| spec.str_at(path)));
    let name = |field: &str| text(definition.str_at(&["status", "acceptedNames", field]));
    let names = |field: &str| {
        let list = definition.list_at(&["status", "acceptedNames", field]);
        list.iter().filter_map(|name| name.as_str().map(text)).collect::<Vec<Str>>()
    };
    let plural = spec(&["names", "plural"]);
    let group = spec(&["group"]);
    Resource {
        key_prefix: Str::Owned(format!("{group}/{plural}")),
        version: text(version.str_at(&["name"])),
        singular: name("singular"),
        kind: name("kind"),
        list_kind: name("listKind"),
        namespaced: spec(&["scope"]) == "Namespaced",
        verbs: Verbs::all(),
        short_names: names("shortNames"),
        categories: names("categories"),
        ty: api.any,
        list_ty: None,
        storage_group: group.clone(),
        storage_version: text(storage_version),
        subresources: subresources(api, definition, version),
        columns: headings(version),
        selectable: selectable(std::slice::from_ref(version)),
        life: Life::default(),
        plural,
        group,
    }
}

/// The `openAPIV3Schema` of a version, if it has one.
pub fn document(version: &Value) -> Option<&Value> {
    version.at(&["schema", "openAPIV3Schema"])
}

/// The schema of a version; without one it takes everything.
pub fn schema(version: &Value) -> Arc<Schema> {
    let open = || {
        let mut props = Value::map();
        props.set(&["type"], "object");
        props.set(&["x-kubernetes-preserve-unknown-fields"], true);
        props
    };
    Arc::new(Schema::compile(&document(version).cloned().unwrap_or_else(open)))
}

/// The announcement of a deprecated version: its own words, or the stablest of the versions to use instead.
pub fn deprecation(definition: &Value, version: &Value) -> Option<String> {
    if !version.bool_at(&["deprecated"]) {
        return None;
    }
    if let Some(Value::Text(own)) = version.get("deprecationWarning") {
        return Some(own.to_string());
    }
    let (group, name) = (definition.str_at(&["spec", "group"]), version.str_at(&["name"]));
    let kind = definition.str_at(&["spec", "names", "kind"]);
    let others = definition.list_at(&["spec", "versions"]).iter();
    let others = others.filter(|other| other.bool_at(&["served"]) && !other.bool_at(&["deprecated"]));
    let others = others.map(|other| other.str_at(&["name"]));
    let best = others.filter(|other| by_stability(other, name).is_lt()).min_by(|a, b| by_stability(a, b));
    let instead = best.map(|best| format!("; use {group}/{best} {kind}")).unwrap_or_default();
    Some(format!("{group}/{name} {kind} is deprecated{instead}"))
}

fn subresources(api: &Builtin, definition: &Value, version: &Value) -> Vec<Subresource> {
    let verbs = [Verb::Get, Verb::Patch, Verb::Update].into_iter().collect();
    let mut subresources = Vec::new();
    if version.at(&["subresources", "status"]).is_some() {
        subresources.push(Subresource {
            name: "status".into(),
            group: text(definition.str_at(&["spec", "group"])),
            version: text(version.str_at(&["name"])),
            kind: text(definition.str_at(&["status", "acceptedNames", "kind"])),
            verbs,
            ty: Some(api.any),
            has_table: true,
        });
    }
    if version.at(&["subresources", "scale"]).is_some() {
        subresources.push(Subresource {
            name: "scale".into(),
            group: "autoscaling".into(),
            version: "v1".into(),
            kind: "Scale".into(),
            verbs,
            ty: api.kind(&GroupVersionKind::new("autoscaling", "v1", "Scale")),
            has_table: true,
        });
    }
    subresources
}

/// The selectable fields of versions, each once.
pub fn selectable(versions: &[Value]) -> Vec<Selectable> {
    let mut fields: Vec<Selectable> = Vec::new();
    for field in versions.iter().flat_map(|version| version.list_at(&["selectableFields"])) {
        let path = field.str_at(&["jsonPath"]);
        let label = path.trim_start_matches('.');
        let Some(steps) = Path::parse(path).and_then(|path| path.fields()) else { continue };
        if !fields.iter().any(|known| known.label == label) {
            let path = steps.iter().map(|step| text(step)).collect();
            fields.push(Selectable { label: text(label), path });
        }
    }
    fields
}

fn headings(version: &Value) -> Vec<Heading> {
    let heading = |name: &str, ty: &str, format: &str, priority: i64| Heading {
        name: text(name),
        ty: text(ty),
        format: text(format),
        priority: u8::try_from(priority).unwrap_or(u8::MAX),
        description: text(name),
    };
    let mut headings = vec![heading("Name", "string", "name", 0)];
    let own = version.list_at(&["additionalPrinterColumns"]);
    headings.extend(own.iter().map(|column| {
        let part = |name: &str| column.str_at(&[name]);
        let priority = column.int_at(&["priority"]).unwrap_or(0);
        let description = match part("description") {
            "" => {
                format!("Custom resource definition column (in JSONPath format): {}", part("jsonPath"))
            }
            own => own.into(),
        };
        let description = text(&description);
        Heading { description, ..heading(part("name"), part("type"), part("format"), priority) }
    }));
    if own.is_empty() {
        headings.push(heading("Age", "date", "", 0));
    }
    headings
}

fn text(text: &str) -> Str {
    Str::Owned(text.into())
}
