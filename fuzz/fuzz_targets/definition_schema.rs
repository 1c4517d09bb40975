//! Any schema of a definition: validated, and if it is valid, applied to an object; pruning and defaulting once is the
//! same as twice.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pintle_object::{FieldErrors, GroupVersionKind, Path, Value, json};
use pintle_schema::custom::definition::{self, Strictness};
use pintle_schema::custom::{Custom, DefaultsTooLarge};
use pintle_schema::{Builtin, TypeId, builtin, decode};
use std::sync::LazyLock;

static API: LazyLock<(Builtin, TypeId)> = LazyLock::new(|| {
    let api = builtin();
    let kind = GroupVersionKind::new("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let definition = api.kind(&kind).expect("definitions are built in");
    (api, definition)
});

fuzz_target!(|bytes: &[u8]| {
    // A schema and an object in it, each a line.
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let Some(schema) = lines.next().and_then(canonical) else { return };
    let mut errors = FieldErrors::new();
    definition::validate(&schema, true, Strictness::FULL, &Path::root("spec"), &mut errors);
    let object = lines.next().and_then(|line| json::parse(line).ok());
    let (true, Some(mut object)) = (errors.is_empty(), object) else { return };
    let custom = Custom::compile(&schema);
    // An object that defaults would make too large is refused.
    if complete(&custom, &mut object).is_err() {
        return;
    }
    let mut again = object.clone();
    assert!(complete(&custom, &mut again).is_ok());
    assert_eq!(object, again);
    custom.check(&object, &mut FieldErrors::new());
    custom.check_rules(&object, None, &mut FieldErrors::new());
});

/// The schema as the decoder of definitions has it.
fn canonical(schema: &[u8]) -> Option<Value> {
    let (api, definition) = &*API;
    let schema = std::str::from_utf8(schema).ok()?;
    let document = format!(r#"{{"spec":{{"versions":[{{"schema":{{"openAPIV3Schema":{schema}}}}}]}}}}"#);
    let decoded = decode::json::decode(&api.schema, *definition, document.as_bytes()).ok()?.value;
    let version = decoded.list_at(&["spec", "versions"]).first()?.clone();
    version.at(&["schema", "openAPIV3Schema"]).cloned()
}

fn complete(custom: &Custom, object: &mut Value) -> Result<(), DefaultsTooLarge> {
    custom.prune(object);
    custom.drop_nulls(object);
    custom.default(object)
}
