//! Checks of every schema inside a definition, structural or not.

use super::expressions::{Expressions, Site};
use super::{Strictness, lists, rules};
use pintle_object::{FieldErrors, Path, Value};

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
const META_FIELDS: [(&str, &str); 3] = [
    ("metadata", "must not be set in top-level metadata"),
    ("kind", "must not be set in top-level kind"),
    ("apiVersion", "must not be set in top-level apiVersion"),
];

/// The place of a check in a schema.
#[derive(Clone, Copy)]
struct SchemaPlace<'a> {
    is_root: bool,
    /// Inside the metadata (or kind, or apiVersion) of a resource.
    in_meta: bool,
    /// The error of a default in this place, if none is allowed.
    no_default: Option<&'static str>,
    /// The place of expressions; None where there are none to be compiled.
    site: Option<Site<'a>>,
}

impl SchemaPlace<'_> {
    fn below(self) -> Self {
        SchemaPlace { is_root: false, ..self }
    }
}

/// Findings on the way.
struct SchemaCheck<'a> {
    strictness: Strictness,
    errors: &'a mut FieldErrors,
    expressions: Expressions,
}

/// Expressions are compiled if the schema is structural.
pub(super) fn check(
    props: &Value,
    strictness: Strictness,
    is_structural: bool,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let site = is_structural.then_some(Site::ROOT);
    let place = SchemaPlace { is_root: true, in_meta: false, no_default: None, site };
    let expressions = Expressions::new(strictness.expression_costs);
    let mut found = SchemaCheck { strictness, errors, expressions };
    visit(props, place, path, &mut found);
    let SchemaCheck { errors, mut expressions, .. } = found;
    errors.extend(std::mem::take(&mut expressions.errors));
    expressions.report(path, errors);
}

/// Whether a type is unknown to schemas.
pub(super) fn has_unknown_type(props: &Value) -> bool {
    let ty = props.str_at(&["type"]);
    !ty.is_empty() && !TYPES.contains(&ty)
}

fn visit(props: &Value, place: SchemaPlace<'_>, path: &Path<'_>, found: &mut SchemaCheck<'_>) {
    let before = found.errors.len();
    unsupported(props, place, found.strictness, path, found.errors);
    if props.bool_at(&["uniqueItems"]) {
        let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        found.errors.forbidden(&path.child("uniqueItems"), why);
    }
    let site = place.site.map(|site| Site { cardinality: site.cardinality_below(props), ..site });
    let inside = SchemaPlace { site, ..place };
    additional(props, inside, path, found);
    properties(props, inside, path, found);
    branches(props, SchemaPlace { site: None, ..place.below() }, path, found);
    items(props, inside.below(), path, found);
    entries(props, "dependencies", SchemaPlace { site: None, ..place.below() }, path, found);
    if props.get("x-kubernetes-preserve-unknown-fields").and_then(Value::as_bool) == Some(false) {
        let path = path.child("x-kubernetes-preserve-unknown-fields");
        found.errors.invalid(&path, &Value::Bool(false), "must be true or undefined");
    }
    lists::check(props, found.strictness, path, found.errors);
    rules::check(props, path, found.errors);
    if let Some(site) = place.site.filter(|_| found.errors.len() == before) {
        found.expressions.check(props, place.is_root, site, path);
    }
}

fn branches(props: &Value, next: SchemaPlace<'_>, path: &Path<'_>, found: &mut SchemaCheck<'_>) {
    if let Some(not) = map_below(props, "not") {
        visit(not, next, &path.child("not"), found);
    }
    for name in ["allOf", "oneOf", "anyOf"] {
        let path = path.child(name);
        for (index, branch) in props.list_at(&[name]).iter().enumerate() {
            visit(branch, next, &path.index(index), found);
        }
    }
    entries(props, "definitions", next, path, found);
}

fn items(props: &Value, next: SchemaPlace<'_>, path: &Path<'_>, found: &mut SchemaCheck<'_>) {
    let is_told = props.str_at(&["x-kubernetes-list-type"]) == "map";
    let site = next.site.map(|site| match is_told {
        true => site,
        false => Site { uncorrelated: site.uncorrelated.or(Some(path)), ..site },
    });
    let next = SchemaPlace { site, ..next };
    let path = path.child("items");
    if let Some(below) = map_below(props, "items") {
        visit(below, next, &path, found);
    }
    for (index, below) in props.list_at(&["items"]).iter().enumerate() {
        visit(below, next, &path.index(index), found);
    }
}

/// Refuses keywords of other dialects.
fn unsupported(
    props: &Value,
    place: SchemaPlace<'_>,
    strictness: Strictness,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let ty = props.str_at(&["type"]);
    if strictness.types && has_unknown_type(props) {
        errors.not_supported(&path.child("type"), ty, &TYPES);
    }
    if let Some(why) = place.no_default.filter(|_| is_set(props, "default")) {
        errors.forbidden(&path.child("default"), why);
    }
    for name in ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"] {
        if is_set(props, name) && props.get(name).and_then(Value::as_str) != Some("") {
            errors.forbidden(&path.child(name), &format!("{name} is not supported"));
        }
    }
    if ty == "null" {
        let why = "type cannot be set to null, use nullable as an alternative";
        errors.forbidden(&path.child("type"), why);
    }
    if !props.list_at(&["items"]).is_empty() {
        errors.forbidden(&path.child("items"), "items must be a schema object and not an array");
    }
    if place.in_meta && props.bool_at(&["x-kubernetes-embedded-resource"]) {
        errors.forbidden(
            &path.child("x-kubernetes-embedded-resource"),
            "must not be used inside of resource meta",
        );
    }
}

fn additional(props: &Value, place: SchemaPlace<'_>, path: &Path<'_>, found: &mut SchemaCheck<'_>) {
    let Some(additional) = props.get("additionalProperties").filter(|value| !value.is_null()) else { return };
    let path = path.child("additionalProperties");
    let has_properties = props.map_at(&["properties"]).is_some_and(|map| !map.is_empty());
    if has_properties && *additional != Value::Bool(true) {
        found.errors.forbidden(&path, "additionalProperties and properties are mutual exclusive");
    }
    if additional.as_map().is_some() {
        let mut next = place.below();
        if place.in_meta {
            next.no_default = Some("must not be set inside additionalProperties applying to object metadata");
        }
        visit(additional, next, &path, found);
    }
}

fn properties(props: &Value, place: SchemaPlace<'_>, path: &Path<'_>, found: &mut SchemaCheck<'_>) {
    let is_resource = place.is_root || props.bool_at(&["x-kubernetes-embedded-resource"]);
    let path = path.child("properties");
    for (name, below) in props.map_at(&["properties"]).into_iter().flat_map(|map| map.iter()) {
        let mut next = place.below();
        if let Some((_, why)) = META_FIELDS.iter().find(|(meta, _)| is_resource && *meta == name) {
            next.in_meta = true;
            next.no_default = if place.is_root { Some(why) } else { next.no_default };
        }
        visit(below, next, &path.key(name), found);
    }
}

fn entries(props: &Value, name: &str, place: SchemaPlace<'_>, path: &Path<'_>, found: &mut SchemaCheck<'_>) {
    let path = path.child(name);
    for (key, below) in props.map_at(&[name]).into_iter().flat_map(|map| map.iter()) {
        if below.as_map().is_some() {
            visit(below, place, &path.key(key), found);
        }
    }
}

fn is_set(props: &Value, name: &str) -> bool {
    props.get(name).is_some_and(|value| !value.is_null())
}

fn map_below<'a>(props: &'a Value, name: &str) -> Option<&'a Value> {
    props.get(name).filter(|below| below.as_map().is_some())
}
