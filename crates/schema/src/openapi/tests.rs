//! What documents hold.

use super::*;
use crate::builtin;

fn documents(check: impl FnOnce(&Documents<'_>)) {
    let api = builtin();
    check(&Documents::new(&api, &NoDescriptions));
}

#[test]
fn every_path_has_a_document() {
    documents(|documents| {
        let paths = documents.paths();
        assert!(paths.iter().any(|path| path == "apis/apps/v1"));
        for path in paths {
            let document = documents.v3(&path).unwrap_or_else(|| panic!("{path} is not served"));
            assert!(!document.map_at(&["paths"]).unwrap().is_empty(), "{path}");
        }
        for path in ["apis/apps/v9", "apis/none", "apis/none/v1", "api/v2", "", "apis/", "logs"] {
            assert!(documents.v3(path).is_none(), "{path}");
        }
    });
}

/// Set PINTLE_OPENAPI_OUT to a directory to keep the documents.
#[test]
fn references_stay_inside_the_document() {
    documents(|documents| {
        let out = std::env::var("PINTLE_OPENAPI_OUT").ok();
        for path in documents.paths() {
            let document = documents.v3(&path).unwrap();
            let text = pintle_object::json::to_string(&document);
            for part in text.split("\"#/components/schemas/").skip(1) {
                let name = part.split('"').next().unwrap();
                assert!(
                    document.get("components").unwrap().get("schemas").unwrap().get(name).is_some(),
                    "{path}: {name}"
                );
            }
            if let Some(out) = &out {
                std::fs::write(format!("{out}/{}.json", path.replace('/', "__")), &text).unwrap();
            }
        }
        if let Some(out) = &out {
            std::fs::write(format!("{out}/v2.json"), pintle_object::json::to_string(&documents.v2()))
                .unwrap();
        }
    });
}
