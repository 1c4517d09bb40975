//! Descriptions of the built-in types and their fields, for OpenAPI documents and `kubectl explain`.
//!
//! Kept compressed in the binary; opening costs the inflated text until it is dropped.

use flate2::read::ZlibDecoder;
use std::collections::HashMap;
use std::io::Read;

static BLOB: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptions.bin"));

/// The packed descriptions, for hashes of documents made from them.
pub fn blob() -> &'static [u8] {
    BLOB
}

/// Descriptions by type and field, by OpenAPI names: `io.k8s.api.core.v1.Pod`, `spec`.
pub struct PackedDescriptions {
    types: HashMap<String, Described>,
}

#[derive(Default)]
struct Described {
    text: String,
    fields: HashMap<String, String>,
}

impl PackedDescriptions {
    /// Inflates the blob.
    pub fn open() -> PackedDescriptions {
        let mut text = String::new();
        ZlibDecoder::new(BLOB).read_to_string(&mut text).expect("build.rs wrote the blob");
        let mut types: HashMap<String, Described> = HashMap::new();
        let mut current = String::new();
        for line in text.lines() {
            match line.strip_prefix('\t') {
                None => {
                    let (name, text) = line.split_once('\t').unwrap_or((line, ""));
                    current = name.into();
                    types.insert(name.into(), Described { text: unescape(text), fields: HashMap::new() });
                }
                Some(field) => {
                    let (name, text) = field.split_once('\t').unwrap_or((field, ""));
                    if let Some(described) = types.get_mut(&current) {
                        described.fields.insert(name.into(), unescape(text));
                    }
                }
            }
        }
        PackedDescriptions { types }
    }
}

impl Descriptions for PackedDescriptions {
    fn of_type(&self, name: &str) -> Option<&str> {
        self.types.get(name).map(|described| described.text.as_str()).filter(|text| !text.is_empty())
    }

    fn of_field(&self, ty: &str, field: &str) -> Option<&str> {
        self.types.get(ty)?.fields.get(field).map(String::as_str).filter(|text| !text.is_empty())
    }
}

/// Resolves `\n`, `\t` and `\\`.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, letter == '\\') {
            (_, true) => match letters.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                other => out.extend(other),
            },
            (letter, false) => out.push(letter),
        }
    }
    out
}

/// The source of prose: descriptions of types and fields by their OpenAPI names.
pub trait Descriptions {
    /// `io.k8s.api.core.v1.Pod`
    fn of_type(&self, name: &str) -> Option<&str>;
    fn of_field(&self, ty: &str, field: &str) -> Option<&str>;
}

/// Documents without prose.
pub struct NoDescriptions;

impl Descriptions for NoDescriptions {
    fn of_type(&self, _name: &str) -> Option<&str> {
        None
    }

    fn of_field(&self, _ty: &str, _field: &str) -> Option<&str> {
        None
    }
}

#[cfg(test)]
mod tests;
