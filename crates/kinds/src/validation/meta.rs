//! Object metadata: names, labels, annotations, owners, finalizers, and immutable fields.

use super::{NameRule, net};
use pintle_object::content::{self, Messages};
use pintle_object::field::{Shown, quote};
use pintle_object::{FieldErrors, GroupVersion, Path, Value, json};

/// The bytes of all annotations of an object: these fit beside the object in one etcd request.
const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;
const SUBRESOURCE_LEN_MAX: usize = 256;
const MANAGER_LEN_MAX: usize = 128;

const IMMUTABLE: &str = "field is immutable";
const NOT_NEGATIVE: &str = "must be greater than or equal to 0";

const METADATA: Path<'static> = Path::root("metadata");

/// All errors of a new object's metadata. What was found sound before, by another check of the same object, is not looked
/// at again, but for names: each check has its own rule.
pub fn validate(object: &Value, rule: NameRule, errors: &mut FieldErrors) {
    names(object, rule, &METADATA, errors);
    if !errors.sound.metadata {
        let before = errors.len();
        all_but_names(object, &METADATA, errors);
        errors.sound.metadata = errors.len() == before;
    }
}

/// All errors of the metadata at a path; `object` contains it.
pub fn validate_at(object: &Value, rule: NameRule, path: &Path<'_>, errors: &mut FieldErrors) {
    names(object, rule, path, errors);
    all_but_names(object, path, errors);
}

fn names(object: &Value, rule: NameRule, path: &Path<'_>, errors: &mut FieldErrors) {
    let metadata = metadata(object);
    let generate_name = metadata.str_at(&["generateName"]);
    if !generate_name.is_empty() {
        let base = match rule {
            NameRule::Ip => generate_name.to_string(),
            _ => mask_trailing_dash(generate_name),
        };
        for message in name_messages(rule, &base) {
            errors.invalid(&path.child("generateName"), generate_name, &message);
        }
    }
    let name = metadata.str_at(&["name"]);
    if name.is_empty() {
        errors.required(&path.child("name"), "name or generateName is required");
    } else {
        for message in name_messages(rule, name) {
            errors.invalid(&path.child("name"), name, &message);
        }
    }
}

fn all_but_names(object: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let metadata = metadata(object);
    let namespace = metadata.str_at(&["namespace"]);
    if !namespace.is_empty() {
        for message in content::dns1123_label(namespace) {
            errors.invalid(&path.child("namespace"), namespace, &message);
        }
    }
    generation(metadata.int_at(&["generation"]).unwrap_or(0), path, errors);
    labels_and_owners(metadata, path, errors);
    finalizers(metadata, path, errors);
    managed_fields(metadata, path, errors);
}

/// Checks of every update of every kind, before the kind's own rules, which repeat most of them.
pub fn validate_common_update(new: &Value, old: &Value, errors: &mut FieldErrors) {
    validate(new, NameRule::PathSegment, errors);
    validate_update(new, old, errors);
}

/// Refuses changes of immutable metadata, and checks other changes. As in `validate`, unchanged parts are not checked
/// again.
pub fn validate_update(new: &Value, old: &Value, errors: &mut FieldErrors) {
    if errors.sound.metadata_update {
        return;
    }
    let (path, before) = (&METADATA, errors.len());
    let [new_meta, old_meta] = [new, old].map(metadata);
    if old_meta.get("deletionTimestamp").is_some_and(|time| !time.is_null()) {
        no_new_finalizers(new_meta, old_meta, path, errors);
    }
    if new_meta.str_at(&["resourceVersion"]).is_empty() {
        errors.invalid(&path.child("resourceVersion"), "", "must be specified for an update");
    }
    let [raised, previous] = [new_meta, old_meta].map(|meta| meta.int_at(&["generation"]).unwrap_or(0));
    generation(raised, path, errors);
    if raised < previous {
        errors.invalid(&path.child("generation"), raised, "must not be decremented");
    }
    for field in ["name", "namespace", "uid"] {
        let value = new_meta.str_at(&[field]);
        if value != old_meta.str_at(&[field]) {
            errors.invalid(&path.child(field), value, IMMUTABLE);
        }
    }
    for field in ["creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        let value = new_meta.get(field).unwrap_or(&Value::Null);
        if value != old_meta.get(field).unwrap_or(&Value::Null) {
            errors.invalid(&path.child(field), value, IMMUTABLE);
        }
    }
    if !errors.sound.metadata {
        labels_and_owners(new_meta, path, errors);
        managed_fields(new_meta, path, errors);
    }
    errors.sound.metadata_update = errors.len() == before;
}

/// The metadata of an object, or null.
fn metadata(object: &Value) -> &Value {
    object.get("metadata").unwrap_or(&Value::Null)
}

/// All errors of a new object's metadata in the kinds that know Kubernetes' own finalizers: all but Lease, the
/// kinds of admissionregistration, and those of extensions.
pub fn validate_strict(object: &Value, rule: NameRule, errors: &mut FieldErrors) {
    validate(object, rule, errors);
    known_finalizers(object, errors);
}

/// `validate_update` for the kinds of `validate_strict`.
pub fn validate_update_strict(new: &Value, old: &Value, errors: &mut FieldErrors) {
    validate_update(new, old, errors);
    known_finalizers(new, errors);
}

/// A finalizer is a qualified name, and without a domain one of Kubernetes' own.
pub fn finalizer(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    for message in content::label_key(name) {
        errors.invalid(path, name, &message);
    }
    known_finalizer(name, path, errors);
}

/// A finalizer without a domain is one of Kubernetes' own.
fn known_finalizers(object: &Value, errors: &mut FieldErrors) {
    let path = METADATA.child("finalizers");
    for (index, finalizer) in object.list_at(&["metadata", "finalizers"]).iter().enumerate() {
        known_finalizer(finalizer.as_str().unwrap_or(""), &path.index(index), errors);
    }
}

fn known_finalizer(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if !name.contains('/') && !matches!(name, "kubernetes" | "orphan" | "foregroundDeletion") {
        let why = "name is neither a standard finalizer name nor is it fully qualified";
        errors.invalid(path, name, why);
    }
}

/// JSON of owners with their fields in Go's order.
fn shown_owners(owners: &[Value]) -> String {
    const FIELDS: [&str; 6] = ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"];
    let owner = |owner: &Value| {
        let fields = FIELDS.iter().filter_map(|name| Some((name, owner.get(name)?)));
        let fields: Vec<String> =
            fields.map(|(name, value)| format!("\"{name}\":{}", json::to_string(value))).collect();
        format!("{{{}}}", fields.join(","))
    };
    format!("[{}]", owners.iter().map(owner).collect::<Vec<_>>().join(","))
}

/// Errors of a name by a kind's rule.
pub fn name_messages(rule: NameRule, name: &str) -> Messages {
    match rule {
        NameRule::Subdomain => content::dns1123_subdomain(name),
        NameRule::LongName => content::long_name(name),
        NameRule::Label => content::dns1123_label(name),
        NameRule::Dns1035 => content::dns1035_label(name),
        NameRule::PathSegment => content::path_segment_name(name),
        NameRule::Any => Messages::new(),
        NameRule::Ip => net::ip_messages(name),
    }
}

/// Labels and annotations of a template's metadata at a path, and nothing else that a template may say.
pub fn template_fields(template: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    annotations(template, path, errors);
    labels(template, path, errors);
}

/// Metadata of a template at a path, which says labels and annotations and nothing else.
pub fn template(template: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    const OTHERS: [&str; 5] = ["name", "generateName", "namespace", "ownerReferences", "finalizers"];
    template_fields(template, path, errors);
    for field in OTHERS {
        if template.at(&["metadata", field]).is_some_and(|value| !value.is_null()) {
            errors.forbidden(&path.child(field), "cannot be set");
        }
    }
}

/// Errors of labels and annotations at a path, for templates as for objects.
pub fn labels(object: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    labels_of(metadata(object), path, errors);
}

pub fn annotations(object: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    annotations_of(metadata(object), path, errors);
}

fn labels_of(metadata: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(labels) = metadata.map_at(&["labels"]) {
        content::labels(labels, &path.child("labels"), errors);
    }
}

fn annotations_of(metadata: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(annotations) = metadata.map_at(&["annotations"]) else { return };
    let path = path.child("annotations");
    let mut bytes = 0;
    for (key, value) in annotations.iter() {
        for message in content::label_key(&key.to_lowercase()) {
            errors.invalid(&path, key, &message);
        }
        bytes += key.len() + value.as_str().map_or(0, str::len);
    }
    if bytes > ANNOTATIONS_BYTES_MAX {
        errors.too_long(&path, ANNOTATIONS_BYTES_MAX);
    }
}

/// The part of a generated name before the random letters may end in a dash.
fn mask_trailing_dash(name: &str) -> String {
    match name.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => {
            let mut chars = rest.chars();
            chars.next_back();
            format!("{}a", chars.as_str())
        }
        _ => name.to_string(),
    }
}

fn generation(generation: i64, path: &Path<'_>, errors: &mut FieldErrors) {
    if generation < 0 {
        errors.invalid(&path.child("generation"), generation, NOT_NEGATIVE);
    }
}

fn labels_and_owners(metadata: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    labels_of(metadata, path, errors);
    annotations_of(metadata, path, errors);
    owners(metadata, path, errors);
}

fn owners(metadata: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let owners = metadata.list_at(&["ownerReferences"]);
    let path = path.child("ownerReferences");
    let mut controller: Option<String> = None;
    for owner in owners {
        owner_reference(owner, &path, errors);
        if !owner.bool_at(&["controller"]) {
            continue;
        }
        let name = format!("{}/{}", owner.str_at(&["kind"]), owner.str_at(&["name"]));
        match &controller {
            None => controller = Some(name),
            Some(first) => {
                let why = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {name}"
                );
                errors.invalid(&path, Shown(shown_owners(owners)), &why);
            }
        }
    }
}

/// Upstream names the list's path here, not the item's.
fn owner_reference(owner: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let api_version = owner.str_at(&["apiVersion"]);
    if GroupVersion::parse(api_version).is_none_or(|parsed| parsed.version.is_empty()) {
        errors.invalid(&path.child("apiVersion"), api_version, "version must not be empty");
    }
    for field in ["kind", "name", "uid"] {
        if owner.str_at(&[field]).is_empty() {
            errors.invalid(&path.child(field), "", "must not be empty");
        }
    }
    if api_version == "v1" && owner.str_at(&["kind"]) == "Event" {
        errors.invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner");
    }
}

fn finalizers(metadata: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let finalizers = metadata.list_at(&["finalizers"]);
    let path = path.child("finalizers");
    for finalizer in finalizers.iter().map(|finalizer| finalizer.as_str().unwrap_or("")) {
        for message in content::label_key(finalizer) {
            errors.invalid(&path, finalizer, &message);
        }
    }
    let has = |name: &str| finalizers.iter().any(|finalizer| finalizer.as_str() == Some(name));
    if has("orphan") && has("foregroundDeletion") {
        let why = "finalizer orphan and foregroundDeletion cannot be both set";
        errors.invalid(&path, &Value::List(finalizers.to_vec()), why);
    }
}

fn no_new_finalizers(new: &Value, old: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let before = old.list_at(&["finalizers"]);
    let mut extra: Vec<&str> = new
        .list_at(&["finalizers"])
        .iter()
        .filter(|finalizer| !before.contains(finalizer))
        .filter_map(Value::as_str)
        .collect();
    extra.sort_unstable();
    extra.dedup();
    if !extra.is_empty() {
        let shown: Vec<String> = extra.iter().map(|name| quote(name)).collect();
        let why = format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            shown.join(", ")
        );
        errors.forbidden(&path.child("finalizers"), &why);
    }
}

fn managed_fields(metadata: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let list = path.child("managedFields");
    for (index, entry) in metadata.list_at(&["managedFields"]).iter().enumerate() {
        let path = list.index(index);
        match entry.str_at(&["operation"]) {
            "" => errors.required(&path.child("operation"), "must not be empty"),
            "Apply" | "Update" => {}
            other => errors.not_supported(&path.child("operation"), other, &["Apply", "Update"]),
        }
        let fields_type = entry.str_at(&["fieldsType"]);
        if !fields_type.is_empty() && fields_type != "FieldsV1" {
            errors.invalid(&path.child("fieldsType"), fields_type, "must be `FieldsV1`");
        }
        if entry.str_at(&["manager"]).len() > MANAGER_LEN_MAX {
            errors.too_long(&path.child("manager"), MANAGER_LEN_MAX);
        }
        if entry.str_at(&["subresource"]).len() > SUBRESOURCE_LEN_MAX {
            errors.too_long(&path.child("subresource"), SUBRESOURCE_LEN_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(json: &str, rule: NameRule) -> Vec<String> {
        let object = pintle_object::json::parse(json.as_bytes()).expect("test data is JSON");
        let mut errors = FieldErrors::new();
        validate(&object, rule, &mut errors);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn metadata_is_checked_in_order() {
        let cases: [(&str, &[&str]); 5] = [
            (r#"{"metadata":{"name":"a"}}"#, &[]),
            (r#"{"metadata":{}}"#, &["metadata.name: Required value: name or generateName is required"]),
            (r#"{"metadata":{"generateName":"a--","name":"a--x"}}"#, &[]),
            (
                r#"{"metadata":{"name":"a","generation":-1,"ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"p"}]}}"#,
                &[
                    "metadata.generation: Invalid value: -1: must be greater than or equal to 0",
                    "metadata.ownerReferences.uid: Invalid value: \"\": must not be empty",
                ],
            ),
            (
                r#"{"metadata":{"name":"a","finalizers":["orphan","foregroundDeletion"]}}"#,
                &[
                    "metadata.finalizers: Invalid value: [\"orphan\",\"foregroundDeletion\"]: finalizer orphan and foregroundDeletion cannot be both set",
                ],
            ),
        ];
        for (json, expected) in cases {
            assert_eq!(messages(json, NameRule::Subdomain), expected, "{json}");
        }
    }

    #[test]
    fn a_second_check_tells_what_is_wrong_again_and_names_by_its_own_rule() {
        let parse = |json: &str| pintle_object::json::parse(json.as_bytes()).expect("test data is JSON");
        let name = |name: &str| format!(r#"{{"metadata":{{"name":"{name}","resourceVersion":"1"}}}}"#);
        let label = |value: &str| {
            format!(r#"{{"metadata":{{"name":"a","resourceVersion":"1","labels":{{"k":"{value}"}}}}}}"#)
        };
        let cases: [(String, String, &[&str]); 4] = [
            (label("a"), label("b"), &[]),
            (name("a"), name("b"), &["name", "name"]),
            (name("A"), name("A"), &["name"]),
            (label("-"), label("a"), &["labels", "labels", "labels", "labels"]),
        ];
        for (new, old, expected) in cases {
            let (new, old) = (parse(&new), parse(&old));
            let mut errors = FieldErrors::new();
            validate_common_update(&new, &old, &mut errors);
            validate_update_strict(&new, &old, &mut errors);
            validate_strict(&new, NameRule::Label, &mut errors);
            let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
            let expected: Vec<String> = expected.iter().map(|field| format!("metadata.{field}")).collect();
            assert_eq!(fields, expected, "{new:?}");
        }
    }

    #[test]
    fn a_deleted_object_takes_no_new_finalizers() {
        let parse = |json: &str| pintle_object::json::parse(json.as_bytes()).expect("test data is JSON");
        let old = parse(r#"{"metadata":{"name":"a","resourceVersion":"1","deletionTimestamp":"x"}}"#);
        let new = parse(
            r#"{"metadata":{"name":"a","resourceVersion":"1","deletionTimestamp":"x","finalizers":["b/c"]}}"#,
        );
        let mut errors = FieldErrors::new();
        validate_update(&new, &old, &mut errors);
        let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let why = "no new finalizers can be added if the object is being deleted, found new finalizers";
        assert_eq!(shown, [format!("metadata.finalizers: Forbidden: {why} []string{{\"b/c\"}}")]);
    }
}
