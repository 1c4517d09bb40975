//! Patterns of schemas: Go's regular expressions, run by ours.

use regex::Regex;
use std::sync::OnceLock;

/// A regular expression, compiled when first needed: most patterns of an installed CRD never are.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    source: String,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    pub(super) fn new(source: &str) -> Pattern {
        Pattern { source: source.into(), compiled: OnceLock::new() }
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let compiled = self.compiled.get_or_init(|| Regex::new(&translate(&self.source)).ok());
        compiled.as_ref().is_some_and(|regex| regex.is_match(text))
    }
}

/// Go's classes are of ASCII, and a bracket or a doubled sign inside a class stands for itself.
///
/// ```text
/// ^\d+$      ^[0-9]+$
/// [\w[&&]   [[0-9A-Za-z_]\[\&\&]
/// ```
pub(super) fn translate(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 16);
    let mut chars = source.chars().peekable();
    // Counts the characters of the open class, to tell `]` as its first member from its end.
    let mut class: Option<usize> = None;
    while let Some(c) = chars.next() {
        let members = class;
        class = class.map(|count| count + 1);
        match (c, members) {
            ('\\', _) => match chars.next() {
                Some('d') => out.push_str("[0-9]"),
                Some('D') => out.push_str("[^0-9]"),
                Some('w') => out.push_str("[0-9A-Za-z_]"),
                Some('W') => out.push_str("[^0-9A-Za-z_]"),
                Some('s') => out.push_str("[\\t\\n\\f\\r ]"),
                Some('S') => out.push_str("[^\\t\\n\\f\\r ]"),
                Some('b') if members.is_none() => out.push_str("(?-u:\\b)"),
                Some(letter) => out.extend(['\\', letter]),
                None => out.push('\\'),
            },
            ('[', None) => {
                out.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                class = Some(0);
            }
            ('[', Some(_)) if chars.peek() == Some(&':') => {
                // A POSIX class: `[:alpha:]`.
                out.push('[');
                for c in chars.by_ref() {
                    out.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            (']', Some(1..)) => {
                out.push(']');
                class = None;
            }
            ('[' | ']' | '&' | '~', Some(_)) => out.extend(['\\', c]),
            (c, _) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_gos() {
        let cases = [
            (r"^\d+$", "12", true),
            (r"^\d+$", "١٢", false),
            (r"^[\w-]+$", "a_b-1", true),
            (r"^[[&&]+$", "[&", true),
            (r"^[]a]+$", "]a", true),
            (r"^[^]]$", "]", false),
            (r"^[[:alpha:]]+$", "abc", true),
            (r"^[a-z]+\.[a-z]+$", "a.b", true),
            (r"\bfoo\b", "a foo b", true),
            (r"(?i)^ABC$", "abc", true),
            ("^[a-zé]+$", "é", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(Pattern::new(pattern).matches(text), expected, "{pattern} {text}");
        }
    }
}
