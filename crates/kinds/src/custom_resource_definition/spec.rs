//! Validation of a definition's spec, in upstream's order.

use super::approval::{ANNOTATION, Approval, is_protected};
use super::parts::{self, CostLimits};
use super::view::{COLUMNS, DefinitionView, FIELDS, SCHEMA, SUBRESOURCES, document, set};
use crate::custom_resource_definition::parts::one_of;
use pintle_object::field::Shown;
use pintle_object::{FieldErrors, Path, Value, content, repeats};
use pintle_schema::custom::definition::{self, Strictness, internal};

const SPEC: Path<'static> = Path::root("spec");
const DEPRECATION_BYTES_MAX: usize = 256;

/// The rules for a definition: as strict as the stored one allows, if there is one.
#[derive(Clone)]
pub(super) struct Rigor<'a> {
    pub schemas: Strictness,
    /// Whether every version must have a schema.
    pub needs_schemas: bool,
    pub limits: CostLimits<'a>,
    /// The definition as it was.
    old: Option<DefinitionView<'a>>,
}

impl<'a> Rigor<'a> {
    pub fn new() -> Rigor<'a> {
        Rigor { schemas: Strictness::FULL, needs_schemas: true, limits: CostLimits::default(), old: None }
    }

    pub fn since(old: &'a Value) -> Rigor<'a> {
        let view = DefinitionView::of(old);
        let schemas = view.schemas();
        let needs_schemas = schemas.len() == view.versions.len();
        Rigor {
            schemas: Strictness::since(&schemas),
            needs_schemas,
            limits: CostLimits::since(view.clone()),
            old: Some(view),
        }
    }
}

impl Rigor<'_> {
    /// Whether a version has had this schema before.
    fn has_had(&self, version: &str, schema: &Value) -> bool {
        let Some(view) = &self.old else { return false };
        let old = view.named(version);
        old.and_then(|old| view.effective(old, SCHEMA)).and_then(document) == Some(schema)
    }
}

/// All errors of `spec`.
pub(super) fn check(object: &Value, rigor: &Rigor<'_>, errors: &mut FieldErrors) {
    let view = DefinitionView::of(object);
    group_and_scope(&view, errors);
    let keeps_unknown = view.spec.bool_at(&["preserveUnknownFields"]);
    let mut rigor = rigor.clone();
    // Pruning needs structure.
    rigor.schemas.structural |= !keeps_unknown;
    schemas_are_there(&view, rigor.needs_schemas, keeps_unknown, errors);
    if view.schemas().into_iter().any(definition::has_defaults) {
        rigor.schemas.structural = true;
        if keeps_unknown {
            let why = "must be false in order to use defaults in the schema";
            errors.invalid(&SPEC.child("preserveUnknownFields"), &Value::Bool(true), why);
        }
    }
    let path = SPEC.child("versions");
    for (index, one) in view.versions.iter().enumerate() {
        version(&view, one, &rigor, &path.index(index), errors);
    }
    storage(&view, &path, errors);
    names(view.spec.get("names").unwrap_or(&Value::Null), &SPEC.child("names"), true, errors);
    shared(&view, &rigor, errors);
    let conversion = view.spec.get("conversion");
    if let Some(conversion) = conversion.filter(|it| keeps_unknown && it.str_at(&["strategy"]) != "None") {
        let why = "must be None if spec.preserveUnknownFields is true";
        errors.invalid(&SPEC.child("conversion").child("strategy"), conversion.str_at(&["strategy"]), why);
    }
    if let Some(conversion) = conversion.filter(|it| !it.is_null()) {
        parts::conversion(conversion, &SPEC.child("conversion"), errors);
    }
}

/// Errors of the changes of an update, besides those of the new object itself.
pub(super) fn check_changes(new: &Value, old: &Value, is_established: bool, errors: &mut FieldErrors) {
    let mut keep = |steps: &[&str], path: &Path<'_>| {
        let value = new.str_at(steps);
        if value != old.str_at(steps) {
            errors.invalid(path, value, "field is immutable");
        }
    };
    let names = SPEC.child("names");
    if is_established {
        keep(&["spec", "scope"], &SPEC.child("scope"));
        keep(&["spec", "names", "kind"], &names.child("kind"));
    }
    keep(&["spec", "group"], &SPEC.child("group"));
    keep(&["spec", "names", "plural"], &names.child("plural"));
}

fn group_and_scope(view: &DefinitionView<'_>, errors: &mut FieldErrors) {
    let group = view.spec.str_at(&["group"]);
    let path = SPEC.child("group");
    let messages = content::dns1123_subdomain(group);
    if group.is_empty() {
        errors.required(&path, "");
    } else if !messages.is_empty() {
        errors.invalid(&path, group, &messages.join(","));
    } else if !group.contains('.') {
        errors.invalid(&path, group, "should be a domain with at least one dot");
    }
    one_of(view.spec.str_at(&["scope"]), &["Cluster", "Namespaced"], &SPEC.child("scope"), errors);
}

fn schemas_are_there(
    view: &DefinitionView<'_>,
    needs_schemas: bool,
    keeps_unknown: bool,
    errors: &mut FieldErrors,
) {
    let path = SPEC.child("versions");
    for (index, version) in view.versions.iter().enumerate() {
        if set(version, SCHEMA).and_then(document).is_some() {
            continue;
        }
        let path = path.index(index);
        let path = path.child("schema");
        let path = path.child("openAPIV3Schema");
        if needs_schemas {
            errors.required(&path, "");
        } else if !keeps_unknown && version.bool_at(&["served"]) {
            errors.required(&path, "because otherwise all fields are pruned");
        }
    }
}

fn version(
    view: &DefinitionView<'_>,
    version: &Value,
    rigor: &Rigor<'_>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let name = version.str_at(&["name"]);
    let messages = content::dns1035_label(name);
    if !messages.is_empty() {
        errors.invalid(&path.child("name"), name, &messages.join(","));
    }
    deprecation(version, &path.child("deprecationWarning"), errors);
    let schema = view.own(version, SCHEMA);
    if let Some(schema) = schema.and_then(document) {
        let has_status = view.effective(version, SUBRESOURCES).is_some_and(has_status);
        let mut schemas = rigor.schemas;
        schemas.expression_costs = !rigor.has_had(name, schema);
        definition::validate(schema, has_status, schemas, &path.child("schema"), errors);
    }
    if let Some(subresources) = view.own(version, SUBRESOURCES) {
        parts::subresources(subresources, &path.child(SUBRESOURCES), errors);
    }
    if let Some(columns) = view.own(version, COLUMNS) {
        parts::columns(columns, &path.child(COLUMNS), errors);
    }
    let Some(fields) = view.own(version, FIELDS).filter(|fields| !fields.as_list().unwrap_or(&[]).is_empty())
    else {
        return;
    };
    let path = path.child(FIELDS);
    match schema.and_then(document) {
        Some(schema) => rigor.limits.fields(fields, schema, name, &path, errors),
        None => {
            let why = "may only be set when `version.schema.openAPIV3Schema` is not included";
            errors.invalid(&path, "", why);
        }
    }
}

fn has_status(subresources: &Value) -> bool {
    set(subresources, "status").is_some()
}

fn deprecation(version: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(warning) = set(version, "deprecationWarning").and_then(Value::as_str) else { return };
    let mut invalid = |why: &str| errors.invalid(path, warning, why);
    if !version.bool_at(&["deprecated"]) {
        return invalid("can only be set for deprecated versions");
    }
    if warning.len() > DEPRECATION_BYTES_MAX {
        invalid("must be <= 256 characters long");
    }
    if warning.is_empty() {
        invalid("must not be an empty string");
    }
    if let Some((place, _)) = warning.char_indices().find(|(_, c)| !is_printable(*c)) {
        invalid(&format!(
            "must only contain printable UTF-8 characters; non-printable character found at index {place}"
        ));
    }
}

/// Letters, marks, numbers, punctuation, symbols, and of spaces the plain one.
fn is_printable(c: char) -> bool {
    let is_format = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}');
    c == ' ' || !(c.is_control() || c.is_whitespace() || is_format)
}

fn storage(view: &DefinitionView<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    let names: Vec<&str> = view.versions.iter().map(|version| version.str_at(&["name"])).collect();
    let shown = || Shown(internal::versions(view.bare_versions().as_ref()));
    if repeats(&names).contains(&true) {
        errors.invalid(path, shown(), "must contain unique version names");
    }
    if view.versions.iter().filter(|version| version.bool_at(&["storage"])).count() != 1 {
        errors.invalid(path, shown(), "must have exactly one version marked as storage version");
    }
    let first = names.first().copied().unwrap_or("");
    let messages = content::dns1035_label(first);
    if !first.is_empty() && !messages.is_empty() {
        errors.invalid(&SPEC.child("version"), first, &messages.join(","));
    }
}

/// Errors of names; those of a specification must be there.
pub(super) fn names(names: &Value, path: &Path<'_>, needs_all: bool, errors: &mut FieldErrors) {
    let single = ["plural", "singular", "kind", "listKind"];
    for field in single.into_iter().filter(|field| needs_all && names.str_at(&[field]).is_empty()) {
        errors.required(&path.child(field), "");
    }
    for field in single {
        let name = names.str_at(&[field]);
        let is_kind = field.ends_with("ind");
        let folded = if is_kind { name.to_lowercase() } else { name.into() };
        let messages = content::dns1035_label(&folded);
        if !name.is_empty() && !messages.is_empty() {
            let lead = if is_kind { "may have mixed case, but should otherwise match: " } else { "" };
            errors.invalid(&path.child(field), name, &format!("{lead}{}", messages.join(",")));
        }
    }
    labels(names, "shortNames", path, errors);
    let kind = names.str_at(&["kind"]);
    if !kind.is_empty() && kind == names.str_at(&["listKind"]) {
        errors.invalid(&path.child("listKind"), kind, "kind and listKind may not be the same");
    }
    labels(names, "categories", path, errors);
}

fn labels(names: &Value, field: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.child(field);
    for (index, name) in names.list_at(&[field]).iter().enumerate() {
        let name = name.as_str().unwrap_or("");
        let messages = content::dns1035_label(name);
        if !messages.is_empty() {
            errors.invalid(&path.index(index), name, &messages.join(","));
        }
    }
}

/// Errors of the parts that all versions share.
fn shared(view: &DefinitionView<'_>, rigor: &Rigor<'_>, errors: &mut FieldErrors) {
    let schema = view.shared(SCHEMA).and_then(document);
    if let Some(schema) = schema {
        let has_status =
            view.versions.iter().any(|version| set(version, SUBRESOURCES).is_some_and(has_status));
        definition::validate(schema, has_status, rigor.schemas, &SPEC.child("validation"), errors);
    }
    if let Some(subresources) = view.shared(SUBRESOURCES) {
        parts::subresources(subresources, &SPEC.child(SUBRESOURCES), errors);
    }
    if let Some(columns) = view.shared(COLUMNS) {
        parts::columns(columns, &SPEC.child(COLUMNS), errors);
    }
    let fields = view.shared(FIELDS).filter(|fields| !fields.as_list().unwrap_or(&[]).is_empty());
    let path = SPEC.child(FIELDS);
    match (fields, schema) {
        (Some(fields), Some(schema)) => rigor.limits.fields(fields, schema, "", &path, errors),
        (Some(_), None) => errors.invalid(&path, "", "may only be set when validations.schema is included"),
        (None, _) => {}
    }
}

/// Errors of `status`: its names, and that no version goes in which objects may still be stored.
pub(super) fn check_status(object: &Value, errors: &mut FieldErrors) {
    let path = Path::root("status");
    let accepted = object.at(&["status", "acceptedNames"]).unwrap_or(&Value::Null);
    names(accepted, &path.child("acceptedNames"), false, errors);
}

pub(super) fn check_stored_versions(object: &Value, errors: &mut FieldErrors) {
    let path = Path::root("status.storedVersions");
    let stored = object.list_at(&["status", "storedVersions"]);
    let shown = object.at(&["status", "storedVersions"]).unwrap_or(&Value::Null);
    if stored.is_empty() {
        errors.invalid(&path, shown, "must have at least one stored version");
        return;
    }
    let versions = object.list_at(&["spec", "versions"]);
    let name = |version: &Value| version.get("name").cloned().unwrap_or_default();
    for version in versions.iter().filter(|version| version.bool_at(&["storage"])) {
        if !stored.contains(&name(version)) {
            let why = format!("must have the storage version {}", version.str_at(&["name"]));
            errors.invalid(&path, shown, &why);
        }
    }
    for (index, gone) in stored.iter().enumerate() {
        if !versions.iter().any(|version| name(version) == *gone) {
            let gone = gone.as_str().unwrap_or("");
            let why = format!(
                "missing from spec.versions; {gone} was previously a storage version, and must remain in \
                 spec.versions until a storage migration ensures no data remains persisted in {gone} and removes \
                 {gone} from status.storedVersions"
            );
            errors.invalid(&path.index(index), gone, &why);
        }
    }
}

/// Groups of the Kubernetes community need an approval; one that an update leaves as it was is not judged again.
pub(super) fn check_approval(new: &Value, old: Option<&Value>, errors: &mut FieldErrors) {
    let annotation = |object: &Value| object.str_at(&["metadata", "annotations", ANNOTATION]).to_string();
    let own = annotation(new);
    let approval = Approval::of(&own);
    let is_kept = old.is_some_and(|old| Approval::of(&annotation(old)) == approval);
    if !is_protected(new.str_at(&["spec", "group"])) || is_kept {
        return;
    }
    let annotations = Path::root("metadata.annotations");
    let path = annotations.key(ANNOTATION);
    match approval {
        Approval::Given | Approval::Bypassed => {}
        Approval::Missing => errors.required(&path, &approval.message(&own)),
        Approval::Invalid => errors.invalid(&path, &own, &approval.message(&own)),
    }
}

pub(super) fn check_unknown_fields(new: &Value, old: Option<&Value>, errors: &mut FieldErrors) {
    let keeps = |object: &Value| object.bool_at(&["spec", "preserveUnknownFields"]);
    if keeps(new) && !old.is_some_and(keeps) {
        let why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema \
                   instead";
        errors.invalid(&SPEC.child("preserveUnknownFields"), &Value::Bool(true), why);
    }
}
