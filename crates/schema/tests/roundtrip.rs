//! Every kind of the reference, with every field set, in every form: each decodes and encodes to every other
//! form byte for byte. The documents are found in `PINTLE_FIXTURES`; without them there is nothing to test.

use pintle_object::{GroupVersion, Value, json, yaml};
use pintle_schema::{Builtin, TypeId, builtin, decode, encode};
use std::path::{Path, PathBuf};

/// One kind in its three forms.
struct Fixture {
    name: String,
    json: Vec<u8>,
    yaml: String,
    protobuf: Vec<u8>,
}

#[test]
fn every_form_becomes_every_other() {
    let Some(dir) = fixtures() else {
        eprintln!("PINTLE_FIXTURES names no directory: nothing tested");
        return;
    };
    let api = builtin();
    let all = read_all(&dir);
    assert!(all.len() > 100, "only {} kinds in {}", all.len(), dir.display());
    let failures: Vec<String> = all.iter().flat_map(|fixture| check(&api, fixture)).collect();
    assert!(failures.is_empty(), "{} of {} failed:\n{}", failures.len(), all.len() * 9, failures.join("\n"));
}

fn check(api: &Builtin, fixture: &Fixture) -> Vec<String> {
    let mut failures = Vec::new();
    let tree = json::parse(&fixture.json).expect("fixtures are JSON");
    let (api_version, kind) = match tree.str_at(&["kind"]) {
        // A watch event does not say what it is.
        "" => ("v1", fixture.name.rsplit('.').next().expect("a kind")),
        kind => (tree.str_at(&["apiVersion"]), kind),
    };
    let gvk = GroupVersion::parse(api_version).expect("a group and version").with_kind(kind);
    let Some(ty) = api.kind(&gvk) else { return vec![format!("{}: no type", fixture.name)] };
    let from_yaml = yaml::parse(fixture.yaml.as_bytes()).expect("fixtures are YAML").value;
    let decoded = [
        ("json", decode::json::decode(&api.schema, ty, &fixture.json).map(|decoded| decoded.value)),
        ("yaml", decode::json::normalise(&api.schema, ty, &from_yaml).map(|decoded| decoded.value)),
        ("protobuf", from_protobuf(api, ty, &fixture.protobuf)),
    ];
    for (form, value) in decoded {
        match value {
            Ok(value) => compare(api, ty, fixture, form, &value, &mut failures),
            Err(error) => failures.push(format!("{} from {form}: {error}", fixture.name)),
        }
    }
    failures
}

fn from_protobuf(api: &Builtin, ty: TypeId, document: &[u8]) -> Result<Value, decode::DecodeError> {
    let envelope = decode::protobuf::envelope(document)?;
    let mut value = decode::protobuf::decode(&api.schema, ty, envelope.raw)?;
    if !envelope.kind.is_empty() {
        value.set(&["kind"], envelope.kind);
        value.set(&["apiVersion"], envelope.api_version);
    }
    Ok(value)
}

fn compare(
    api: &Builtin,
    ty: TypeId,
    fixture: &Fixture,
    form: &str,
    value: &Value,
    failures: &mut Vec<String>,
) {
    let mut bytes = Vec::new();
    encode::json::encode(&api.schema, ty, value, &mut bytes);
    let name = &fixture.name;
    if json::pretty(&bytes) != fixture.json.trim_ascii_end() {
        failures.push(format!(
            "{name} from {form} to json: {}",
            first_difference(&json::pretty(&bytes), &fixture.json)
        ));
    }
    let tree = json::parse(&bytes).expect("the encoder writes JSON");
    let text = yaml::to_string(&tree);
    if text != fixture.yaml {
        failures.push(format!(
            "{name} from {form} to yaml: {}",
            first_difference(text.as_bytes(), fixture.yaml.as_bytes())
        ));
    }
    let (api_version, kind) = (value.str_at(&["apiVersion"]), value.str_at(&["kind"]));
    let document = encode::protobuf::document(&api.schema, ty, api_version, kind, value);
    if document != fixture.protobuf {
        failures.push(format!(
            "{name} from {form} to protobuf: {}",
            first_difference(&document, &fixture.protobuf)
        ));
    }
}

fn first_difference(got: &[u8], expected: &[u8]) -> String {
    let at = got.iter().zip(expected).take_while(|(a, b)| a == b).count();
    let around = |bytes: &[u8]| {
        let slice = &bytes[at.saturating_sub(40).min(bytes.len())..(at + 40).min(bytes.len())];
        String::from_utf8_lossy(slice).into_owned()
    };
    format!("at {at}: got {:?}, expected {:?}", around(got), around(expected))
}

fn fixtures() -> Option<PathBuf> {
    std::env::var_os("PINTLE_FIXTURES").map(PathBuf::from).filter(|dir| dir.is_dir())
}

fn read_all(dir: &Path) -> Vec<Fixture> {
    let mut names: Vec<PathBuf> = std::fs::read_dir(dir)
        .expect("the fixtures can be read")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    names.sort();
    let read = |path: PathBuf| std::fs::read(path).expect("the fixtures can be read");
    names
        .into_iter()
        .map(|path| Fixture {
            name: path.file_stem().expect("a name").to_string_lossy().into_owned(),
            yaml: String::from_utf8(read(path.with_extension("yaml"))).expect("UTF-8"),
            protobuf: read(path.with_extension("pb")),
            json: read(path),
        })
        .collect()
}
