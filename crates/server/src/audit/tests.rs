//! Answers in every encoding, as events record them.

use super::response::{ResponseFormat, recorded, status_of};
use bytes::Bytes;
use pintle_object::{GroupVersionKind, json, yaml};
use pintle_schema::encode;

const MAP: &str = r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","managedFields":[{"manager":"m"}]},"data":{"k":"v"}}"#;

#[test]
fn objects_are_told_in_json_whatever_was_sent() {
    let api = pintle_schema::builtin();
    let tree = json::parse(MAP.as_bytes()).unwrap();
    let ty = api.kind(&GroupVersionKind::new("", "v1", "ConfigMap")).unwrap();
    let sent = [
        (ResponseFormat::Json, Bytes::from(MAP)),
        (ResponseFormat::Json, Bytes::from(json::pretty(MAP.as_bytes()))),
        (ResponseFormat::Yaml, Bytes::from(yaml::to_string(&tree))),
        (
            ResponseFormat::Protobuf,
            encode::protobuf::document(&api.schema, ty, "v1", "ConfigMap", &tree).into(),
        ),
    ];
    for (format, body) in sent {
        let told = |omits| {
            recorded(&api, format, body.clone(), omits).map(|json| String::from_utf8(json.to_vec()).unwrap())
        };
        let whole = told(false).unwrap();
        assert!(whole.contains("managedFields"), "{whole}");
        let bare = r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"},"data":{"k":"v"}}"#;
        assert_eq!(told(true).as_deref(), Some(bare), "{format:?}");
    }
}

#[test]
fn an_empty_list_is_one_in_every_encoding() {
    let api = pintle_schema::builtin();
    let text = r#"{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}"#;
    let tree = json::parse(text.as_bytes()).unwrap();
    let ty = api.kind(&GroupVersionKind::new("", "v1", "ConfigMapList")).unwrap();
    let sent = encode::protobuf::document(&api.schema, ty, "v1", "ConfigMapList", &tree);
    assert_eq!(
        recorded(&api, ResponseFormat::Protobuf, sent.into(), false).as_deref(),
        Some(text.as_bytes())
    );
}

#[test]
fn lists_and_tables_lose_managed_fields_too() {
    let api = pintle_schema::builtin();
    let check = |document: &str, expected: &str| {
        let told = recorded(&api, ResponseFormat::Json, Bytes::from(document.to_string()), true).unwrap();
        assert_eq!(std::str::from_utf8(&told).unwrap(), expected);
    };
    check(
        r#"{"kind":"ConfigMapList","items":[{"metadata":{"managedFields":[],"name":"a"}},{"data":{"metadata":"x"}}]}"#,
        r#"{"kind":"ConfigMapList","items":[{"metadata":{"name":"a"}},{"data":{"metadata":"x"}}]}"#,
    );
    check(
        r#"{"kind":"Table","rows":[{"cells":[1],"object":{"metadata":{"managedFields":[1]}}}]}"#,
        r#"{"kind":"Table","rows":[{"cells":[1],"object":{"metadata":{}}}]}"#,
    );
    check(r#"{"items":"no list","metadata":null}"#, r#"{"items":"no list","metadata":null}"#);
}

#[test]
fn a_status_is_seen_in_every_encoding_and_nothing_else_is_one() {
    let api = pintle_schema::builtin();
    let text = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"m","reason":"NotFound","details":{"name":"n","causes":[{"reason":"r"}],"retryAfterSeconds":1},"code":404}"#;
    let tree = json::parse(text.as_bytes()).unwrap();
    let ty = api.kind(&GroupVersionKind::new("", "v1", "Status")).unwrap();
    let sent = [
        (ResponseFormat::Json, text.as_bytes().to_vec()),
        (ResponseFormat::Yaml, yaml::to_string(&tree).into_bytes()),
        (ResponseFormat::Protobuf, encode::protobuf::document(&api.schema, ty, "v1", "Status", &tree)),
    ];
    for (format, body) in sent {
        let status = status_of(&api, format, &body).unwrap();
        assert_eq!(
            (status.status, status.reason.as_str(), status.code),
            ("Failure", "NotFound", 404),
            "{format:?}"
        );
        let details = status.details.unwrap();
        assert_eq!((details.name.as_str(), details.causes.len(), details.retry_after_seconds), ("n", 1, 1));
    }
    assert!(status_of(&api, ResponseFormat::Json, MAP.as_bytes()).is_none());
    let named = r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"Status"}}"#;
    assert!(status_of(&api, ResponseFormat::Json, named.as_bytes()).is_none());
}
