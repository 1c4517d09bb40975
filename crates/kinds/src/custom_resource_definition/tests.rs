//! Which definitions are refused, and in which words.

use super::*;
use pintle_object::json;

const GOOD: &str = r#"{
    "metadata":{"name":"things.example.org"},
    "spec":{"group":"example.org","scope":"Namespaced","conversion":{"strategy":"None"},
        "names":{"plural":"things","singular":"thing","kind":"Thing","listKind":"ThingList"},
        "versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]},
    "status":{"storedVersions":["v1"]}}"#;

fn good() -> Value {
    json::parse(GOOD.as_bytes()).unwrap()
}

fn texts(errors: FieldErrors) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

/// Errors of the good definition with one value in another place.
fn check(path: &[&str], value: &str, expected: &[&str]) {
    let mut object = good();
    object.set(path, json::parse(value.as_bytes()).unwrap());
    let mut errors = FieldErrors::new();
    CustomResourceDefinition.validate(&object, &mut errors);
    assert_eq!(texts(errors), expected, "{path:?} {value}");
}

/// The same inside the only version.
fn check_version(field: &str, value: &str, expected: &[&str]) {
    let mut version = good().list_at(&["spec", "versions"]).first().cloned().unwrap();
    version.set(&[field], json::parse(value.as_bytes()).unwrap());
    check(&["spec", "versions"], &format!("[{}]", json::to_string(&version)), expected);
}

#[test]
fn a_good_definition_is_accepted() {
    check(&["metadata", "name"], r#""things.example.org""#, &[]);
    check(&["spec", "group"], r#""example.org""#, &[]);
}

#[test]
fn names_and_group_are_checked() {
    let own =
        r#"metadata.name: Invalid value: "things.example.org": must be spec.names.plural+"."+spec.group"#;
    check(
        &["spec", "group"],
        r#""example""#,
        &[own, r#"spec.group: Invalid value: "example": should be a domain with at least one dot"#],
    );
    check(
        &["spec", "names", "listKind"],
        r#""Thing""#,
        &[r#"spec.names.listKind: Invalid value: "Thing": kind and listKind may not be the same"#],
    );
    check(
        &["spec", "scope"],
        r#""namespaced""#,
        &[r#"spec.scope: Unsupported value: "namespaced": supported values: "Cluster", "Namespaced""#],
    );
    check(&["spec", "names", "kind"], r#""""#, &["spec.names.kind: Required value"]);
}

#[test]
fn what_all_versions_share_is_named_outside_of_them() {
    check_version(
        "schema",
        r#"{"openAPIV3Schema":{"type":"string"}}"#,
        &[r#"spec.validation.openAPIV3Schema.type: Invalid value: "string": must be object at the root"#],
    );
    check_version(
        "additionalPrinterColumns",
        r#"[{"name":"A","type":"text","jsonPath":"spec"}]"#,
        &[
            r#"spec.additionalPrinterColumns[0].type: Invalid value: "text": must be one of boolean,date,integer,number,string"#,
            r#"spec.additionalPrinterColumns[0].JSONPath: Invalid value: "spec": must be a simple json path starting with ."#,
        ],
    );
    check_version(
        "selectableFields",
        r#"[{"jsonPath":".spec.a"}]"#,
        &[
            r#"spec.selectableFields[0].jsonPath: Invalid value: ".spec.a": is an invalid path: does not refer to a valid field"#,
        ],
    );
}

#[test]
fn one_version_is_stored() {
    check_version(
        "storage",
        "false",
        &[
            r#"spec.versions: Invalid value: [{"Name":"v1","Served":true,"Storage":false,"Deprecated":false,"DeprecationWarning":null,"Schema":null,"Subresources":null,"AdditionalPrinterColumns":null,"SelectableFields":null}]: must have exactly one version marked as storage version"#,
        ],
    );
}

#[test]
fn groups_of_the_community_need_an_approval() {
    let mut object = good();
    object.set(&["spec", "group"], "x.k8s.io");
    object.set(&["metadata", "name"], "things.x.k8s.io");
    let count = |object: &Value| {
        let mut errors = FieldErrors::new();
        CustomResourceDefinition.validate(object, &mut errors);
        errors.len()
    };
    assert_eq!(count(&object), 1);
    for (approval, expected) in [("unapproved, a test", 0), ("https://example.org/1", 0), ("yes", 1)] {
        object.set(&["metadata", "annotations"], Value::map());
        object.set(&["metadata", "annotations", "api-approved.kubernetes.io"], approval);
        assert_eq!(count(&object), expected, "{approval}");
    }
}

#[test]
fn versions_that_objects_are_stored_in_stay() {
    let (old, mut new) = (good(), good());
    let mut version = old.list_at(&["spec", "versions"]).first().cloned().unwrap();
    version.set(&["name"], "v2");
    new.set(&["spec", "versions"], vec![version]);
    new.set(&["status", "storedVersions"], vec![Value::from("v1"), Value::from("v2")]);
    new.set(&["metadata", "resourceVersion"], "1");
    let mut errors = FieldErrors::new();
    CustomResourceDefinition.validate_update(&new, &old, &mut errors);
    let texts = texts(errors);
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(
        texts.iter().all(|text| text.starts_with("status.storedVersions[0]: Invalid value: \"v1\": missing"))
    );
}

#[test]
fn what_is_not_evaluated_is_said() {
    let mut object = good();
    let mut version = object.list_at(&["spec", "versions"]).first().cloned().unwrap();
    let schema = r#"{"type":"object","properties":{"a":{"type":"string","format":"int64","x-kubernetes-validations":[{"rule":"self != ''"}]}}}"#;
    version.set(&["schema", "openAPIV3Schema"], json::parse(schema.as_bytes()).unwrap());
    object.set(&["spec", "versions"], vec![version]);
    let mut warnings = Vec::new();
    CustomResourceDefinition.warnings(&object, None, &mut warnings);
    assert_eq!(warnings, [r#"unrecognized format "int64""#]);
    warnings.clear();
    CustomResourceDefinition.warnings(&good(), None, &mut warnings);
    assert!(warnings.is_empty());
}
