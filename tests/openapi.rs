//! OpenAPI: the index, documents at their hashes, and the forms that clients ask for.

use crate::custom::{definition, install};
use bytes::Bytes;
use pintle_testkit::{ClientAnswer, Server};
use serde_json::json;

const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
const V3_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf";

fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> ClientAnswer {
    server.admin().send("GET", path, headers, Bytes::new())
}

#[test]
fn the_index_leads_to_every_document() {
    let server = Server::start();
    let index = server.admin().get("/openapi/v3").json();
    let paths = index["paths"].as_object().expect("paths");
    assert!(paths.contains_key("api/v1") && paths.contains_key("apis/apps/v1"));
    for (path, entry) in paths {
        let url = entry["serverRelativeURL"].as_str().expect("a URL");
        let answer = server.admin().get(url);
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("cache-control"), Some("public, immutable"), "{path}");
        assert_eq!(answer.json()["openapi"], "3.0.0", "{path}");
    }
}

#[test]
fn a_document_has_a_tag_and_an_address() {
    let server = Server::start();
    let plain = get(&server, "/openapi/v3/apis/apps/v1", &[]);
    let tag = plain.header("etag").expect("an etag").to_string();
    let again = get(&server, "/openapi/v3/apis/apps/v1", &[("if-none-match", &tag)]);
    assert_eq!((again.status, again.text().as_str()), (304, ""));
    let moved = get(&server, "/openapi/v3/apis/apps/v1?hash=OLD", &[]);
    assert_eq!(moved.status, 301);
    let expected = format!("/openapi/v3/apis/apps/v1?hash={}", tag.trim_matches('"'));
    assert_eq!(moved.header("location"), Some(expected.as_str()));
}

#[test]
fn documents_come_in_the_form_that_is_asked_for() {
    let server = Server::start();
    let old_v2 = V2_PROTOBUF.replace("spec.v2.v1", "spec.v2@v1");
    for (path, accept, status, content_type) in [
        ("/openapi/v2", "application/json", 200, Some("application/json")),
        ("/openapi/v2", old_v2.as_str(), 200, Some(V2_PROTOBUF)),
        ("/openapi/v2", "text/plain", 406, None),
        ("/openapi/v3", "text/plain", 200, Some("text/plain; charset=utf-8")),
        ("/openapi/v3/apis/apps/v1", V3_PROTOBUF, 200, Some(V3_PROTOBUF)),
        ("/openapi/v3/apis/apps/v1", "*/*", 200, Some("application/json")),
        ("/openapi/v3/apis/apps/v9", "*/*", 404, None),
        ("/openapi/v3/", "*/*", 404, None),
    ] {
        let answer = get(&server, path, &[("accept", accept)]);
        assert_eq!((answer.status, answer.header("content-type")), (status, content_type), "{path} {accept}");
    }
}

#[test]
fn custom_resources_are_in_the_document_of_version_2() {
    let server = Server::start();
    let admin = server.admin();
    assert!(!admin.get("/openapi/v2").text().contains("my-group"));
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "required": ["a", "n"], "properties": {
        "a": {"type": "string", "default": "x"},
        "n": {"type": "object", "nullable": true, "properties": {"b": {"type": "string"}}},
        "port": {"x-kubernetes-int-or-string": true},
        "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                "properties": {"b": {"type": "string"}}}}}}});
    let mut gadgets = definition("gadgets", "Gadget", "my-group.example.com", &schema);
    gadgets["spec"]["versions"][0]["subresources"] = json!({"status": {}});
    gadgets["spec"]["versions"][0]["selectableFields"] = json!([{"jsonPath": ".spec.a"}]);
    install(&admin, &gadgets);
    let document = admin.get("/openapi/v2").json();
    let own = &document["definitions"]["com.example.my-group.v1.Gadget"];
    let spec = &own["properties"]["spec"];
    assert_eq!(spec["properties"]["a"], json!({"type": "string"}));
    assert_eq!(spec["properties"]["n"], json!({}));
    assert_eq!(spec["properties"]["port"], json!({"x-kubernetes-int-or-string": true}));
    assert_eq!(spec["properties"]["any"], json!({"x-kubernetes-preserve-unknown-fields": true}));
    assert_eq!(spec["required"], json!(["a"]));
    let meta = "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
    assert_eq!(own["properties"]["metadata"]["$ref"], meta);
    assert_eq!(own["x-kubernetes-selectable-fields"], json!([{"fieldPath": "spec.a"}]));
    assert!(document["definitions"]["com.example.my-group.v1.GadgetList"].is_object());
    let prefix = "/apis/my-group.example.com/v1/namespaces/{namespace}/gadgets/{name}";
    let patch = &document["paths"][prefix]["patch"];
    assert_eq!(patch["operationId"], "patchMyGroupExampleComV1NamespacedGadget");
    assert_eq!(patch["consumes"].as_array().map(Vec::len), Some(3));
    assert!(document["paths"][format!("{prefix}/status")].is_object());
    let protobuf = get(&server, "/openapi/v2", &[("accept", V2_PROTOBUF)]);
    assert!(protobuf.text().contains("com.example.my-group.v1.Gadget"));
    let tag = protobuf.header("etag").expect("a tag").to_string();
    assert_eq!(get(&server, "/openapi/v2", &[("if-none-match", &tag)]).status, 304);
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gadgets.my-group.example.com";
    admin.delete(path);
    let is_gone = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        !admin.get("/openapi/v2").text().contains("my-group")
    });
    assert!(is_gone);
}
