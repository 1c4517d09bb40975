//! OpenAPI: the index, documents at their hashes, and the forms that clients ask for.

use bytes::Bytes;
use pintle_testkit::{Answer, Server};

const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
const V3_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf";

fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> Answer {
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
