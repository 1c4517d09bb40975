//! The errors of YAML, in go-yaml's words: its scanner and parser are those of libyaml.

use std::fmt;

/// A syntax error of a YAML document: `yaml: line 2: did not find expected key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlError(pub String);

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl YamlError {
    /// A fault that the scanner finds; `line` counts from zero. go-yaml counts a scanner's lines from one and a
    /// parser's from zero, and names neither's first line.
    pub(super) fn of_scanner(line: usize, problem: &str) -> YamlError {
        match line {
            0 => YamlError(format!("yaml: {problem}")),
            line => YamlError(format!("yaml: line {}: {problem}", line + 1)),
        }
    }

    pub(super) fn of_parser(line: usize, problem: &str) -> YamlError {
        match line {
            0 => YamlError(format!("yaml: {problem}")),
            line => YamlError(format!("yaml: line {line}: {problem}")),
        }
    }
}
