//! Paths from a schema to one of its fields, as rules and selectable fields name them.
//!
//! ```text
//! .spec.replicas   .spec.labels['a.b']
//! ```

use pintle_object::Value;
use std::fmt;

/// The schema that a path leads to.
#[derive(Debug, PartialEq)]
pub struct Found<'a> {
    /// Names from the root on.
    pub steps: Vec<String>,
    pub schema: &'a Value,
}

/// The fault of a path that leads nowhere; prints upstream's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathError {
    End,
    /// There are brackets where they are forbidden.
    Brackets,
    Unquoted(String),
    OpenBracket(String),
    NoStep(String),
    Escape,
    /// The schema has no such field.
    NoField,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathError::End => f.write_str("unexpected end of JSON path"),
            PathError::Brackets => f.write_str("array notation is not allowed"),
            PathError::Unquoted(token) => write!(f, "expected single quoted string but got {token}"),
            PathError::OpenBracket(token) => write!(f, "expected ] but got {token}"),
            PathError::NoStep(token) => write!(f, "expected [ or . but got: {token}"),
            PathError::Escape => f.write_str("invalid string literal: unexpected escape sequence"),
            PathError::NoField => f.write_str("does not refer to a valid field"),
        }
    }
}

/// Follows a path. Brackets may be forbidden.
pub fn find<'a>(path: &str, schema: &'a Value, brackets: bool) -> Result<Found<'a>, PathError> {
    let mut found = Found { steps: Vec::new(), schema };
    let mut rest = path;
    while let Some(token) = next(&mut rest) {
        match token {
            "[" if !brackets => return Err(PathError::Brackets),
            "[" => {
                let quoted = next(&mut rest).ok_or(PathError::End)?;
                let inner = quoted.strip_prefix('\'').and_then(|inner| inner.strip_suffix('\''));
                let inner = inner.ok_or_else(|| PathError::Unquoted(quoted.into()))?;
                found.step(unescape(inner)?)?;
                match next(&mut rest).ok_or(PathError::End)? {
                    "]" => {}
                    other => return Err(PathError::OpenBracket(other.into())),
                }
            }
            "." => found.step(next(&mut rest).ok_or(PathError::End)?.to_string())?,
            other => return Err(PathError::NoStep(other.into())),
        }
    }
    Ok(found)
}

impl Found<'_> {
    fn step(&mut self, name: String) -> Result<(), PathError> {
        let properties = self.schema.map_at(&["properties"]).filter(|map| !map.is_empty());
        self.schema = match properties {
            Some(properties) => properties.get(&name).ok_or(PathError::NoField)?,
            None => self.schema.get("additionalProperties").ok_or(PathError::NoField)?,
        };
        self.steps.push(name);
        Ok(())
    }
}

/// A delimiter, a quoted text, or the text up to the next delimiter.
fn next<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let text = *rest;
    let first = text.chars().next()?;
    let len = match first {
        '.' | '[' | ']' => 1,
        '\'' => quoted_len(text),
        _ => text.find(['.', '[', ']']).unwrap_or(text.len()),
    };
    let (token, after) = text.split_at_checked(len)?;
    *rest = after;
    Some(token)
}

fn quoted_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_end = |place: &usize| bytes.get(*place) == Some(&b'\'') && bytes.get(place - 1) != Some(&b'\\');
    (1..bytes.len()).find(is_end).map_or(text.len(), |place| place + 1)
}

fn unescape(text: &str) -> Result<String, PathError> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | '\'')) => out.push(c),
                _ => return Err(PathError::Escape),
            },
            c => out.push(c),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::json;

    #[test]
    fn paths_lead_through_properties_and_maps() {
        let schema = json::parse(
            br#"{"properties":{"spec":{"properties":{"n":{"type":"integer"},"m":{"additionalProperties":{"type":"string"}}}}}}"#,
        )
        .unwrap();
        let cases = [
            (".spec.n", Ok("integer")),
            (".spec['n']", Ok("integer")),
            (".spec.m['a.b']", Ok("string")),
            (".spec.none", Err("does not refer to a valid field")),
            (".spec.n.deep", Err("does not refer to a valid field")),
            ("spec.n", Err("expected [ or . but got: spec")),
            (".spec.", Err("unexpected end of JSON path")),
            (".spec[0]", Err("expected single quoted string but got 0")),
            (".spec['n'x", Err("expected ] but got x")),
        ];
        for (path, expected) in cases {
            let got = find(path, &schema, true).map(|found| found.schema.str_at(&["type"]).to_string());
            let got = got.map_err(|error| error.to_string());
            assert_eq!(got, expected.map(String::from).map_err(String::from), "{path}");
        }
        assert_eq!(find(".spec['n']", &schema, false), Err(PathError::Brackets));
    }
}
