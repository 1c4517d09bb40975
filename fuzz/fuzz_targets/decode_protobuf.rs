//! Any bytes as the protobuf message of a Pod.
#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;
use pintle_schema::{decode, encode};

fuzz_target!(|bytes: &[u8]| {
    let (api, pod) = &*common::API;
    let _ = decode::protobuf::envelope(bytes);
    let _ = encode::splice::with_resource_version(bytes, "1");
    let _ = encode::transcode::json(&api.schema, *pod, bytes, "1", &mut Vec::new());
    if let Ok(tree) = decode::protobuf::decode(&api.schema, *pod, bytes) {
        common::comes_back(&tree);
    }
});
