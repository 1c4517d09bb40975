//! Reads the first document of a YAML stream into JSON.

use super::decode;
use super::error::YamlError;
use super::input::{self, Input};
use super::nodes::Nodes;
use super::parse::YamlParser;
use crate::json;
use crate::value::Value;

/// Places in a document are counted with 32 bits. Requests are a thousand times shorter.
const BYTES_MAX: usize = 1 << 30;

/// A document, and the findings of strict decoding.
#[derive(Clone, Debug, PartialEq)]
pub struct YamlDocument {
    pub value: Value,
    /// `line 7: key "a" already set in map`
    pub duplicates: Vec<String>,
}

/// A document as JSON, with sorted keys.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonDocument {
    pub json: Vec<u8>,
    /// As in `Document`.
    pub duplicates: Vec<String>,
}

pub fn parse(bytes: &[u8]) -> Result<YamlDocument, YamlError> {
    let JsonDocument { json, duplicates } = to_json(bytes)?;
    let value = json::parse(&json).map_err(|error| YamlError(error.message))?;
    Ok(YamlDocument { value, duplicates })
}

pub fn to_json(bytes: &[u8]) -> Result<JsonDocument, YamlError> {
    if bytes.len() > BYTES_MAX {
        return Err(YamlError(format!("yaml: documents of more than {BYTES_MAX} bytes are not read")));
    }
    let nodes = nodes(&input::decode(bytes))?;
    if nodes.is_empty() {
        return Ok(JsonDocument { json: b"null".to_vec(), duplicates: Vec::new() });
    }
    let duplicates = decode::check(&nodes)?;
    let mut json = Vec::with_capacity(bytes.len());
    decode::write(&nodes, &mut json)?;
    Ok(JsonDocument { json, duplicates })
}

/// Bytes that are no text are found when they would be read, and not before.
fn nodes(input: &Input<'_>) -> Result<Nodes, YamlError> {
    let mut parser = YamlParser::new(&input.text);
    let nodes = Nodes::read(&mut parser);
    match &input.fault {
        Some(fault) if parser.scanner.cursor.is_near_end() => Err(fault.clone()),
        _ => nodes,
    }
}
