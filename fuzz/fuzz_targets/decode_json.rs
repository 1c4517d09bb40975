//! Any bytes as the JSON of a Pod.
#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;
use pintle_schema::decode;

fuzz_target!(|bytes: &[u8]| {
    let (api, pod) = &*common::API;
    if let Ok(decoded) = decode::json::decode(&api.schema, *pod, bytes) {
        common::comes_back(&decoded.value);
    }
});
