//! Any bytes as the YAML of a Pod.
#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;
use pintle_object::yaml;
use pintle_schema::decode;

fuzz_target!(|bytes: &[u8]| {
    let (api, pod) = &*common::API;
    let Ok(document) = yaml::parse(bytes) else { return };
    if let Ok(decoded) = decode::json::normalise(&api.schema, *pod, &document.value) {
        common::comes_back(&decoded.value);
    }
});
