//! Shared parts of all targets: the Pod type, and the check that a decoded tree comes back.

use pintle_object::{GroupVersionKind, Value};
use pintle_schema::{Builtin, TypeId, builtin, decode, encode};
use std::sync::LazyLock;

pub static API: LazyLock<(Builtin, TypeId)> = LazyLock::new(|| {
    let api = builtin();
    let pod = api.kind(&GroupVersionKind::new("", "v1", "Pod")).expect("Pod is built in");
    (api, pod)
});

/// A canonical tree is what its JSON and its protobuf decode to.
pub fn comes_back(tree: &Value) {
    let (api, pod) = &*API;
    let mut json = Vec::new();
    encode::json::encode(&api.schema, *pod, tree, &mut json);
    let again = decode::json::decode(&api.schema, *pod, &json).expect("the encoder writes JSON");
    assert_eq!(&again.value, tree);
    assert!(again.strict.is_empty());

    let mut message = Vec::new();
    encode::protobuf::encode(&api.schema, *pod, tree, &mut message);
    let from_message = decode::protobuf::decode(&api.schema, *pod, &message).expect("the encoder writes messages");
    let mut transcoded = Vec::new();
    encode::transcode::json(&api.schema, *pod, &message, "", &mut transcoded).expect("the encoder writes messages");
    let mut encoded = Vec::new();
    let mut unversioned = from_message;
    unversioned.remove(&["metadata", "resourceVersion"]);
    encode::json::encode(&api.schema, *pod, &unversioned, &mut encoded);
    assert_eq!(String::from_utf8_lossy(&transcoded), String::from_utf8_lossy(&encoded));
}
