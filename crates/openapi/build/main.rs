//! Takes the descriptions of types and fields from the `k8s-openapi` crate and compresses them.
//!
//! The blob before compression is lines: `TYPE` TAB text, then for each field TAB `FIELD` TAB text. Line breaks in
//! texts are escaped as in JSON.

mod kinds;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value};
use std::io::Write;
use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-changed=build/main.rs");
    println!("cargo:rerun-if-changed=build/kinds.rs");
    let mut generator = SchemaGenerator::default();
    kinds::add_all(&mut generator);
    let text = lines(generator.definitions());
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).expect("memory takes every write");
    let blob = encoder.finish().expect("memory takes every write");
    let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets it")).join("descriptions.bin");
    std::fs::write(out, blob).expect("the build directory can be written");
}

fn add<T: JsonSchema>(generator: &mut SchemaGenerator) {
    generator.subschema_for::<T>();
}

fn lines(definitions: &Map<String, Value>) -> String {
    let mut names: Vec<&String> = definitions.keys().collect();
    names.sort();
    let mut out = String::new();
    for name in names {
        let schema = &definitions[name.as_str()];
        line(&mut out, name, schema);
        for (field, property) in schema["properties"].as_object().into_iter().flatten() {
            out.push('\t');
            line(&mut out, field, property);
        }
    }
    out
}

fn line(out: &mut String, name: &str, schema: &Value) {
    let text = schema["description"].as_str().unwrap_or("");
    out.push_str(name);
    out.push('\t');
    out.push_str(&text.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t"));
    out.push('\n');
}
