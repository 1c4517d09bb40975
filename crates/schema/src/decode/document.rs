//! Documents that clients send: JSON, YAML or protobuf, of which kind and version are seen first.

use super::{DecodeError, Decoded, json, protobuf};
use crate::model::{Schema, TypeId};
use pintle_object::json::{CheckedJson, JsonKind};
use pintle_object::{Format, GroupVersion, GroupVersionKind, yaml};
use std::borrow::Cow;

/// A document whose kind and version can be seen.
pub enum Document<'a> {
    Json { json: CheckedJson<'a>, api_version: String, kind: String, strict: Vec<String> },
    Protobuf(protobuf::Envelope<'a>),
}

impl<'a> Document<'a> {
    /// Reads the part of a document with its kind and version.
    ///
    /// # Errors
    /// The reason for which these cannot be seen, in upstream's words.
    pub fn read(bytes: &'a [u8], format: Format) -> Result<Document<'a>, DecodeError> {
        match format {
            Format::Json => Document::json(bytes.into(), Vec::new()),
            Format::Yaml => {
                let (bytes, strict) = yaml_to_json(bytes)?;
                Document::json(bytes.into(), strict)
            }
            Format::Protobuf => protobuf::envelope(bytes).map(Document::Protobuf),
        }
    }

    fn json(bytes: Cow<'a, [u8]>, strict: Vec<String>) -> Result<Document<'a>, DecodeError> {
        let json = CheckedJson::new(bytes).map_err(|error| unreadable(&error.message))?;
        let (api_version, kind) = sniff(&json)?;
        Ok(Document::Json { json, api_version, kind, strict })
    }

    /// The kind in the document; missing parts are as expected.
    pub fn kind(&self, expected: &GroupVersionKind) -> Result<GroupVersionKind, DecodeError> {
        let (api_version, kind) = match self {
            Document::Json { api_version, kind, .. } => (api_version.as_str(), kind.as_str()),
            Document::Protobuf(envelope) => (envelope.api_version, envelope.kind),
        };
        let kind = if kind.is_empty() { expected.kind.as_str() } else { kind };
        if api_version.is_empty() {
            return Ok(expected.group_version().with_kind(kind));
        }
        let unexpected = || DecodeError(format!("unexpected GroupVersion string: {api_version}"));
        Ok(GroupVersion::parse(api_version).ok_or_else(unexpected)?.with_kind(kind))
    }

    /// The object that the document is, of a type.
    pub fn decode(self, schema: &Schema, ty: TypeId) -> Result<Decoded, DecodeError> {
        match self {
            Document::Json { json, mut strict, .. } => {
                let mut decoded = json::decode_checked(schema, ty, &json)?;
                strict.append(&mut decoded.strict);
                Ok(Decoded { strict, ..decoded })
            }
            Document::Protobuf(envelope) => {
                let value = protobuf::decode(schema, ty, envelope.raw)?;
                Ok(Decoded { value, strict: Vec::new(), empties: Vec::new() })
            }
        }
    }
}

/// `apiVersion` and `kind` of a JSON document; like Go's decoder, names are matched in any case.
fn sniff(document: &CheckedJson<'_>) -> Result<(String, String), DecodeError> {
    let mut reader = document.reader();
    let (mut api_version, mut kind) = (String::new(), String::new());
    match reader.kind() {
        JsonKind::Map => reader.begin_map(),
        JsonKind::Null => return Ok((api_version, kind)),
        other => {
            return Err(unreadable(&format!(
                "json: cannot unmarshal {} into Go value of type struct {{ APIVersion string \
                 \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}",
                other.word()
            )));
        }
    }
    let mut wrong = None;
    while let Some(key) = reader.next_name() {
        let target = if key.eq_ignore_ascii_case("apiVersion") {
            &mut api_version
        } else if key.eq_ignore_ascii_case("kind") {
            &mut kind
        } else {
            reader.skip();
            continue;
        };
        match reader.kind() {
            JsonKind::Text => *target = reader.text().into_string(),
            JsonKind::Null => reader.null(),
            other => {
                let field = if key.eq_ignore_ascii_case("kind") { "kind" } else { "apiVersion" };
                wrong.get_or_insert_with(|| {
                    format!(
                        "json: cannot unmarshal {} into Go struct field .{field} of type string",
                        other.word()
                    )
                });
                reader.skip();
            }
        }
    }
    match wrong {
        Some(why) => Err(unreadable(&why)),
        None => Ok((api_version, kind)),
    }
}

/// The error of a document whose kind and version cannot be seen.
fn unreadable(why: &str) -> DecodeError {
    DecodeError(format!("couldn't get version/kind; json parse error: {why}"))
}

fn yaml_to_json(bytes: &[u8]) -> Result<(Vec<u8>, Vec<String>), DecodeError> {
    let document = yaml::to_json(bytes).map_err(|error| DecodeError(error.to_string()))?;
    let mut strict = Vec::new();
    if !document.duplicates.is_empty() {
        strict.push(format!("{YAML_PREFIX}{}", document.duplicates.join("\n  ")));
    }
    Ok((document.json, strict))
}

/// The beginning of go-yaml's errors; warnings leave it out.
pub const YAML_PREFIX: &str = "yaml: unmarshal errors:\n  ";
