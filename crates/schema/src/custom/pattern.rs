//! Patterns of schemas: Go's regular expressions, run by ours.

use pintle_cel::translate_pattern as translate;
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
