//! `FieldSelector`: terms on field labels, all of which must hold: `spec.nodeName=n1,status.phase!=Failed`.

use super::SelectorError;
use crate::value::Text;
use std::fmt;

/// Terms in the order of their texts, all of which must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    terms: Vec<FieldTerm>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldTerm {
    pub field: Text,
    pub value: Text,
    /// Whether the field must equal the value, or must not.
    pub equals: bool,
}

impl FieldSelector {
    pub const fn everything() -> FieldSelector {
        FieldSelector { terms: Vec::new() }
    }

    /// Reads `field=value`, `field==value` and `field!=value`, joined by commas.
    ///
    /// In values, `\\`, `\,` and `\=` escape the character after the backslash.
    pub fn parse(text: &str) -> Result<FieldSelector, SelectorError> {
        let mut parts = split_terms(text);
        parts.sort_unstable();
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        let terms: Result<Vec<FieldTerm>, SelectorError> = parts.map(|part| term(text, part)).collect();
        Ok(FieldSelector { terms: terms? })
    }

    /// Rewrites each term's field and value, or refuses it; a term that becomes empty is dropped.
    pub fn transform<E>(
        self,
        mut rewrite: impl FnMut(&str, &str) -> Result<(Text, Text), E>,
    ) -> Result<FieldSelector, E> {
        let mut terms = Vec::with_capacity(self.terms.len());
        for term in self.terms {
            let (field, value) = rewrite(&term.field, &term.value)?;
            if !(field.is_empty() && value.is_empty()) {
                terms.push(FieldTerm { field, value, equals: term.equals });
            }
        }
        Ok(FieldSelector { terms })
    }

    /// Whether all terms hold; a field that the object lacks reads as empty text.
    pub fn matches<'a>(&self, value_of: impl Fn(&str) -> Option<&'a str>) -> bool {
        let holds = |term: &FieldTerm| (value_of(&term.field).unwrap_or("") == term.value) == term.equals;
        self.terms.iter().all(holds)
    }

    /// The value that a field must have, when a term says so.
    pub fn exact(&self, field: &str) -> Option<&str> {
        let demands = |term: &&FieldTerm| term.equals && term.field == field;
        self.terms.iter().find(demands).map(|term| term.value.as_str())
    }

    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }

    pub fn terms(&self) -> &[FieldTerm] {
        &self.terms
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.terms.iter().enumerate() {
            let separator = if index > 0 { "," } else { "" };
            let operator = if term.equals { "=" } else { "!=" };
            write!(f, "{separator}{}{operator}{}", term.field, escape(&term.value))?;
        }
        Ok(())
    }
}

/// Splits at commas that no backslash precedes.
fn split_terms(text: &str) -> Vec<&str> {
    let mut is_escaped = false;
    text.split(|c| {
        let splits = c == ',' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        splits
    })
    .collect()
}

fn term(selector: &str, part: &str) -> Result<FieldTerm, SelectorError> {
    let Some((field, operator, value)) = split_term(part) else {
        return Err(SelectorError(format!("invalid selector: '{selector}'; can't understand '{part}'")));
    };
    let value = Text::from(unescape(value)?);
    Ok(FieldTerm { field: Text::from(field), value, equals: operator != "!=" })
}

/// Splits at the first operator; a field's name cannot hold one.
fn split_term(part: &str) -> Option<(&str, &str, &str)> {
    part.char_indices().find_map(|(index, _)| {
        let (field, rest) = part.split_at(index);
        let operator = ["!=", "==", "="].into_iter().find(|operator| rest.starts_with(operator))?;
        Some((field, operator, rest.strip_prefix(operator)?))
    })
}

fn unescape(value: &str) -> Result<String, SelectorError> {
    let invalid = |why: String| SelectorError(format!("invalid field selector: {why}"));
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => out.push(c),
                Some(other) => return Err(invalid(format!("invalid escape sequence: \\{other}"))),
                None => return Err(invalid(String::from("invalid escape sequence: \\"))),
            },
            // Upstream prints the character's number.
            ',' | '=' => return Err(invalid(format!("unescaped character in value: {}", u32::from(c)))),
            other => out.push(other),
        }
    }
    Ok(out)
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace(',', "\\,").replace('=', "\\=")
}
