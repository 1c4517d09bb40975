//! Descriptions of types, fields and parameters.

use super::*;
use crate::Documents;
use pintle_object::json;
use pintle_schema::builtin;
use std::collections::BTreeSet;

#[test]
fn types_and_fields_are_described() {
    let descriptions = PackedDescriptions::open();
    for ty in [
        "io.k8s.api.core.v1.Pod",
        "io.k8s.api.core.v1.Container",
        "io.k8s.api.autoscaling.v2.HPAScalingRules",
    ] {
        assert!(descriptions.of_type(ty).is_some(), "{ty}");
    }
    assert!(descriptions.of_field("io.k8s.api.core.v1.Pod", "spec").is_some());
    assert_eq!(descriptions.of_field("io.k8s.api.core.v1.Pod", "none"), None);
    assert_eq!(descriptions.of_type("none"), None);
}

#[test]
fn escapes_are_undone() {
    assert_eq!(unescape(r"a\nb\\n\tc"), "a\nb\\n\tc");
}

/// Set PINTLE_OPENAPI_OUT to a directory to keep the documents, for a comparison with a reference.
#[test]
fn documents_are_described() {
    let api = builtin();
    let descriptions = PackedDescriptions::open();
    let documents = Documents::new(&api, &descriptions);
    let mut undescribed = BTreeSet::new();
    let out = std::env::var("PINTLE_OPENAPI_OUT").ok();
    for path in documents.paths() {
        let document = documents.v3(&path).expect("a listed path is served");
        for (name, schema) in
            document.map_at(&["components", "schemas"]).into_iter().flat_map(|map| map.iter())
        {
            if schema.str_at(&["description"]).is_empty() {
                undescribed.insert(String::from(name));
            }
        }
        if let Some(out) = &out {
            let file = format!("{out}/{}.json", path.replace('/', "__"));
            std::fs::write(file, json::to_string(&document)).expect("the directory can be written");
        }
    }
    if let Some(out) = &out {
        std::fs::write(format!("{out}/v2.json"), json::to_string(&documents.v2()))
            .expect("it can be written");
    }
    assert_eq!(undescribed, BTreeSet::new());
}
