//! Reads the first document of a YAML stream into JSON's values.

use super::error::Error;
use super::scalar;
use crate::json;
use crate::map::Map;
use crate::value::{Text, Value};
use granit_parser::{Event, Parser, ScalarStyle, Span, Tag};
use std::borrow::Cow;
use std::collections::HashMap;

/// Collections nest this deep at most, as JSON documents do.
const DEPTH_MAX: usize = json::read::TREE_DEPTH_MAX;
/// Aliases may blow a document up to this many nodes, and no further.
const NODES_MAX: usize = 1_000_000;

/// A document, and what strict decoding says about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    pub value: Value,
    /// `line 7: key "a" already set in map`
    pub duplicates: Vec<String>,
}

pub fn parse(bytes: &[u8]) -> Result<Document, Error> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| Error(String::from("yaml: invalid leading UTF-8 octet")))?;
    if text.strip_prefix('\u{feff}').unwrap_or(text).contains(is_control) {
        return Err(Error(String::from("yaml: control characters are not allowed")));
    }
    let mut reader = Reader {
        text,
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        duplicates: Vec::new(),
        nodes: 0,
    };
    let value = reader.document()?;
    Ok(Document { value, duplicates: reader.duplicates })
}

/// What YAML 1.1 does not allow in a document.
fn is_control(c: char) -> bool {
    let is_allowed = matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}')
        || matches!(c, '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    !is_allowed || c == '\u{feff}'
}

struct Reader<'a> {
    text: &'a str,
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    anchors: HashMap<usize, Value>,
    duplicates: Vec<String>,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Value, Error> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                (Event::StreamEnd | Event::DocumentEnd, _) => return Ok(Value::Null),
                event => {
                    let value = self.node(event, 0)?;
                    // What stands behind the root node may still be at fault.
                    self.next()?;
                    return Ok(value);
                }
            }
        }
    }

    /// The next event that is no comment. Any dependency can switch events of comments on for the whole build: so
    /// they are on, always, and passed over.
    fn next(&mut self) -> Result<(Event<'a>, Span), Error> {
        loop {
            match self.parser.next_event() {
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok(event)) => return Ok(event),
                Some(Err(error)) => return Err(Error::of(&error, self.text)),
                None => return Ok((Event::StreamEnd, Span::default())),
            }
        }
    }

    fn node(&mut self, (event, span): (Event<'a>, Span), depth: usize) -> Result<Value, Error> {
        self.nodes += 1;
        if depth > DEPTH_MAX || self.nodes > NODES_MAX {
            return Err(Error(String::from("yaml: exceeded max depth")));
        }
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, tag) => (anchor, scalar_value(&text, style, tag.as_ref())?),
            Event::SequenceStart(_, anchor, _) => (anchor, self.list(depth)?),
            Event::MappingStart(_, anchor, _) => (anchor, self.map(depth)?),
            Event::Alias(id) => {
                let value = self.anchors.get(&id).cloned();
                let value = value
                    .ok_or_else(|| Error(format!("yaml: line {}: unknown anchor", span.start.line())))?;
                self.nodes += size(&value);
                (0, value)
            }
            _ => {
                return Err(Error(format!(
                    "yaml: line {}: did not find expected node content",
                    span.start.line()
                )));
            }
        };
        if anchor != 0 {
            self.anchors.insert(anchor, value.clone());
        }
        Ok(value)
    }

    fn list(&mut self, depth: usize) -> Result<Value, Error> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                event => items.push(self.node(event, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Error> {
        let mut map = Map::new();
        let mut merged = Vec::new();
        loop {
            let event = self.next()?;
            if matches!(event.0, Event::MappingEnd) {
                break;
            }
            let line = event.1.start.line();
            if is_multi_line_key(&event) {
                return Err(Error::multi_line_key(event.1.end.line()));
            }
            let is_merge = matches!(&event.0, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
            let key = self.node(event, depth + 1)?;
            let event = self.next()?;
            let value = self.node(event, depth + 1)?;
            if is_merge {
                merged.push(value);
                continue;
            }
            let key = key_text(&key)?;
            if map.contains(&key) {
                self.duplicates
                    .push(format!("line {line}: key {} already set in map", crate::field::quote(&key)));
            }
            map.insert(key, value);
        }
        merged.into_iter().for_each(|value| merge(&mut map, value));
        Ok(Value::Map(map))
    }
}

/// YAML 1.1 allows such a key only behind `?`, where nobody writes it plain or quoted.
fn is_multi_line_key((event, span): &(Event<'_>, Span)) -> bool {
    let is_line = |style: &ScalarStyle| {
        matches!(style, ScalarStyle::Plain | ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted)
    };
    matches!(event, Event::Scalar(_, style, ..) if is_line(style)) && span.start.line() != span.end.line()
}

/// `<<: *base` or `<<: [*a, *b]`: adds the keys that the map does not have itself.
fn merge(map: &mut Map, value: Value) {
    match value {
        Value::Map(base) => {
            for (key, value) in base {
                if !map.contains(&key) {
                    map.insert(key, value);
                }
            }
        }
        Value::List(bases) => bases.into_iter().for_each(|base| merge(map, base)),
        _ => {}
    }
}

fn scalar_value(text: &str, style: ScalarStyle, tag: Option<&Cow<'_, Tag>>) -> Result<Value, Error> {
    let tag = tag.map(|tag| tag.to_string());
    match tag.as_deref() {
        Some(tag) if tag.ends_with("str") || tag == "!" => Ok(Value::Text(Text::from(text))),
        Some(tag) if tag.ends_with("binary") => {
            let bytes = crate::bytes::decode(text).map_err(Error)?;
            Ok(Value::from(String::from_utf8_lossy(&bytes).into_owned()))
        }
        Some(tag) if tag.ends_with("float") => {
            let number = text
                .parse()
                .map_err(|_| Error(format!("yaml: cannot decode !!str `{text}` as a !!float")))?;
            Ok(Value::Float(number))
        }
        Some(_) => Ok(scalar::resolve(text)),
        None if matches!(style, ScalarStyle::Plain) => Ok(scalar::resolve(text)),
        None => Ok(Value::Text(Text::from(text))),
    }
}

/// JSON has text keys only: numbers and flags become their text.
fn key_text(key: &Value) -> Result<Text, Error> {
    match key {
        Value::Text(text) => Ok(text.clone()),
        Value::Int(_) | Value::Float(_) | Value::Bool(_) => Ok(Text::from(json::to_string(key))),
        Value::Null => Ok(Text::from("null")),
        Value::List(_) | Value::Map(_) | Value::Raw(_) => {
            Err(Error(String::from("yaml: unmarshal errors:\n  invalid map key")))
        }
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Map(map) => 1 + map.values().map(size).sum::<usize>(),
        _ => 1,
    }
}
