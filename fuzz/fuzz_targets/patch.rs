//! A pod and a patch to it, one a line, by the ways of patching that the first byte chooses; nothing may panic, and
//! what was applied once is there when it is applied again.
#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;
use pintle_object::time::Time;
use pintle_object::{Value, json};
use pintle_patch::strategic::strategic_merge;
use pintle_patch::{ApplyError, Filter, Tracking, apply, json_patch, merge_patch, untyped};
use pintle_schema::decode;

fuzz_target!(|bytes: &[u8]| {
    let (api, pod) = &*common::API;
    let Some((way, rest)) = bytes.split_first() else { return };
    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { return };
    let (document, patch) = (&rest[..end], &rest[end + 1..]);
    let Ok(live) = decode::json::decode(&api.schema, *pod, document) else { return };
    let Ok(patch) = json::parse(patch) else { return };
    let mut tree = untyped(&live.value);
    match (way % 4, patch) {
        (0, Value::List(operations)) => drop(json_patch::json_patch(&mut tree, &operations)),
        (1, patch) => merge_patch::merge_patch(&mut tree, patch),
        (2, Value::Map(patch)) => drop(strategic_merge(&api.schema, *pod, tree, patch)),
        (3, config) => applied_stays(&live.value, &config),
        _ => {}
    }
});

fn applied_stays(live: &Value, config: &Value) {
    let (api, pod) = &*common::API;
    let tracking = Tracking {
        schema: &api.schema,
        ty: *pod,
        api_version: "v1",
        subresource: "",
        manager: "fuzz",
        filter: &Filter::All,
        versions: &(),
        now: Time { seconds: 0, nanos: 0 },
    };
    let Ok(once) = apply(&tracking, Some(live), config, true) else { return };
    let Ok(once) = decode::json::normalise(&api.schema, *pod, &once) else { return };
    common::comes_back(&once.value);
    let twice = apply(&tracking, Some(&once.value), config, false);
    assert!(!matches!(twice, Err(ApplyError::Conflict(_))), "nobody else owns it");
}
