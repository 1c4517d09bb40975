//! Contents of documents.

use super::*;
use pintle_schema::builtin;

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

#[test]
fn custom_resources_have_documents() {
    let api = builtin();
    let documents = Documents::new(&api, &NoDescriptions);
    let mut resource = api.resources.get("apps", "v1", "deployments").unwrap().clone();
    resource.group = "stable.example.com".into();
    resource.kind = "Widget".into();
    resource.list_kind = "WidgetList".into();
    resource.plural = "widgets".into();
    let schema = pintle_object::json::parse(
        br#"{"type":"object","description":"A widget.","properties":{
            "port":{"x-kubernetes-int-or-string":true},
            "child":{"type":"object","x-kubernetes-embedded-resource":true}}}"#,
    )
    .unwrap();
    let document = documents.custom(&[CustomKind { resource: &resource, schema: Some(&schema) }]);
    let widget = document.at(&["components", "schemas", "com.example.stable.v1.Widget"]).unwrap();
    assert_eq!(widget.list_at(&["properties", "port", "anyOf"]).len(), 2);
    assert_eq!(widget.list_at(&["properties", "child", "required"]).len(), 2);
    assert_eq!(widget.str_at(&["properties", "kind", "type"]), "string");
    let paths = document.map_at(&["paths"]).unwrap();
    let names: Vec<&str> = paths.keys().collect();
    let prefix = "/apis/stable.example.com/v1";
    let expected = [
        format!("{prefix}/namespaces/{{namespace}}/widgets"),
        format!("{prefix}/namespaces/{{namespace}}/widgets/{{name}}"),
        format!("{prefix}/namespaces/{{namespace}}/widgets/{{name}}/scale"),
        format!("{prefix}/namespaces/{{namespace}}/widgets/{{name}}/status"),
        format!("{prefix}/widgets"),
    ];
    assert_eq!(names, expected);
    if let Ok(out) = std::env::var("PINTLE_OPENAPI_OUT") {
        std::fs::write(format!("{out}/custom.json"), pintle_object::json::to_string(&document)).unwrap();
    }
}

#[test]
fn protobuf_holds_what_json_holds() {
    documents(|documents| {
        let bytes = wire::v3(&documents.v3("apis/apps").unwrap());
        let mut reader = pintle_object::wire::WireReader::new(&bytes);
        let (number, payload) = reader.next_field().unwrap().unwrap();
        assert_eq!((number, payload.bytes(1).unwrap()), (1, &b"3.0.0"[..]));
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for part in ["/apis/apps/", "getAppsAPIGroup", "io.k8s.apimachinery.pkg.apis.meta.v1.APIGroup"] {
            assert!(text.contains(part), "{part}");
        }
        assert!(!wire::v2(&documents.v2()).is_empty());
    });
}
