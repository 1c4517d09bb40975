//! FieldsV1: the JSON form of a field set.
//!
//! Each element is a key; `{}` below it means that its path is in the set, and `"."` that it is so in addition to the
//! paths below it: `{"f:metadata":{"f:labels":{".":{},"f:a":{}}}}`.

use super::element::{Element, ElementError};
use super::quick;
use super::set::FieldSet;
use pintle_object::json::{self, JsonKind, JsonReader};
use std::fmt;

/// The error of a document that is no field set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldsError(pub String);

impl fmt::Display for FieldsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FieldSet {
    /// Reads FieldsV1; an empty document is the empty set.
    pub fn parse(document: &str) -> Result<FieldSet, FieldsError> {
        if document.is_empty() {
            return Ok(FieldSet::new());
        }
        if let Some(set) = quick::parse(document) {
            return Ok(set);
        }
        let mut reader =
            JsonReader::new(document.as_bytes()).map_err(|error| FieldsError(error.to_string()))?;
        Ok(read(&mut reader)?.0)
    }

    /// Writes FieldsV1: compact, in upstream's order, with Go's escapes.
    pub fn to_json(&self) -> String {
        let mut out = Vec::with_capacity(256);
        write(self, false, &mut out, &mut Vec::new());
        String::from_utf8(out).expect("keys are texts, and the rest is ASCII")
    }
}

/// The set below a key, and whether the key's own path is in the set.
fn read(reader: &mut JsonReader<'_>) -> Result<(FieldSet, bool), FieldsError> {
    match reader.kind() {
        JsonKind::Map => {}
        JsonKind::Null => {
            reader.null();
            return Ok((FieldSet::new(), true));
        }
        other => return Err(FieldsError(format!("ReadMapCB: expect {{ or n, but found {}", other.word()))),
    }
    let mut set = FieldSet::new();
    let mut is_member = false;
    reader.begin_map();
    while let Some(key) = reader.next_key() {
        if key == "." {
            is_member = true;
            reader.skip();
            continue;
        }
        match Element::parse(&key) {
            Ok(element) => {
                let (children, is_member) = read(reader)?;
                set.push(element, is_member, children);
            }
            Err(ElementError::Unknown) => {
                reader.skip();
            }
            Err(ElementError::Malformed(why)) => {
                return Err(FieldsError(format!("parsing key as path element: {why}")));
            }
        }
    }
    let is_leaf = set.is_empty();
    Ok((set, is_member || is_leaf))
}

fn write(set: &FieldSet, is_member: bool, out: &mut Vec<u8>, scratch: &mut Vec<u8>) {
    out.push(b'{');
    if is_member && !set.is_empty() {
        out.extend_from_slice(b"\".\":{}");
    }
    for (place, node) in set.nodes().iter().enumerate() {
        if place > 0 || is_member {
            out.push(b',');
        }
        scratch.clear();
        node.element.write(scratch);
        json::write_string(out, std::str::from_utf8(scratch).expect("elements are written as UTF-8"));
        out.push(b':');
        write(&node.children, node.is_member, out, scratch);
    }
    out.push(b'}');
}
