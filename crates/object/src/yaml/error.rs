//! Why a text is not YAML, in go-yaml's words: its scanner and parser are those of libyaml.

use granit_parser::{ErrorKind, ScanError};
use std::fmt;

/// Why a text is not YAML: `yaml: line 2: did not find expected key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(pub String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who finds the fault. go-yaml counts a scanner's lines from one and a parser's from zero, and names neither's
/// first line.
#[derive(Clone, Copy)]
enum Finder {
    Scanner,
    Parser,
}

/// Where go-yaml notices the fault, which may be behind the place where it lies.
#[derive(Clone, Copy)]
enum Place {
    Here,
    NextLine,
    /// At the end of the text; the scanner completes the last line before its parser sees the end.
    End,
}

const NODE_CONTENT: &str = "did not find expected node content";
const SEQUENCE_SEPARATOR: &str = "did not find expected ',' or ']'";
const MAPPING_SEPARATOR: &str = "did not find expected ',' or '}'";
const KEY: &str = "did not find expected key";
const NO_TOKEN: &str = "found character that cannot start any token";

impl Error {
    pub(super) fn of(error: &ScanError, text: &str) -> Error {
        if matches!(error.kind(), ErrorKind::UnknownAnchor) {
            let after = text.chars().skip(error.marker().index()).skip_while(|c| *c == '*');
            let name: String = after.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-')).collect();
            return Error(format!("yaml: unknown anchor '{name}' referenced"));
        }
        let (problem, finder, place) = describe(error, text);
        let here = error.marker().line().saturating_sub(1);
        let line = match place {
            Place::Here => here,
            Place::NextLine => here + 1,
            Place::End => last_line(text, finder),
        };
        Error::at(line, finder, &problem)
    }

    /// A key that spans lines without having been announced by `?`; `line` counts from one.
    pub(super) fn multi_line_key(line: usize) -> Error {
        Error::at(line.saturating_sub(1), Finder::Scanner, "mapping values are not allowed in this context")
    }

    fn at(line: usize, finder: Finder, problem: &str) -> Error {
        match (line, finder) {
            (0, _) => Error(format!("yaml: {problem}")),
            (line, Finder::Scanner) => Error(format!("yaml: line {}: {problem}", line + 1)),
            (line, Finder::Parser) => Error(format!("yaml: line {line}: {problem}")),
        }
    }
}

fn describe(error: &ScanError, text: &str) -> (String, Finder, Place) {
    use Finder::{Parser, Scanner};
    use Place::{End, Here, NextLine};
    let before = || {
        let end = text.char_indices().nth(error.marker().index()).map_or(text.len(), |(at, _)| at);
        text.get(..end).unwrap_or(text)
    };
    let (problem, finder, place) = match error.kind() {
        ErrorKind::UnclosedFlowCollection { .. } => (in_flow(text), Parser, End),
        ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofImplicitFlowMapping => match innermost_open(text) {
            Some(_) => (in_flow(text), Parser, End),
            None => (NODE_CONTENT, Parser, Here),
        },
        ErrorKind::MismatchedFlowCollectionEnd { open, .. } => (separator(*open), Parser, Here),
        ErrorKind::InvalidColonPlacement => (in_flow(before()), Parser, Here),
        ErrorKind::ExpectedFlowSequenceSeparator => (SEQUENCE_SEPARATOR, Parser, Here),
        ErrorKind::ExpectedFlowMappingSeparator => (MAPPING_SEPARATOR, Parser, Here),
        ErrorKind::MisplacedFlowCollectionEnd => {
            let before = before().trim_end();
            let is_value = before.is_empty() || before.ends_with([':', '-']);
            (if is_value { NODE_CONTENT } else { KEY }, Parser, Here)
        }
        ErrorKind::ExpectedNodeContent => (NODE_CONTENT, Parser, Here),
        ErrorKind::ExpectedBlockMappingKey => (KEY, Parser, Here),
        ErrorKind::InvalidTrailingSingleQuotedScalar | ErrorKind::InvalidTrailingDoubleQuotedScalar => {
            (trailing(before()), Parser, Here)
        }
        ErrorKind::ExpectedBlockSequenceEntry => ("did not find expected '-' indicator", Parser, Here),
        ErrorKind::ExpectedDocumentStart => ("did not find expected <document start>", Parser, Here),
        ErrorKind::UnclosedQuotedScalar => ("found unexpected end of stream", Scanner, End),
        ErrorKind::InvalidQuotedScalarIndent => ("found unexpected end of stream", Scanner, End),
        ErrorKind::SimpleKeyExpected => ("could not find expected ':'", Scanner, NextLine),
        ErrorKind::TabInPlainScalar => ("found a tab character that violates indentation", Scanner, NextLine),
        ErrorKind::TabAtBlockScalarStart => {
            ("found a tab character where an indentation space is expected", Scanner, NextLine)
        }
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::UnexpectedCharacter { .. } => (NO_TOKEN, Scanner, Here),
        ErrorKind::InvalidQuotedScalarHexEscape => ("did not find expected hexdecimal number", Scanner, Here),
        // libyaml's messages leave out what was being scanned, which stands before the comma.
        other => {
            let told = other.to_string();
            let problem = told.split_once(", ").map_or(told.as_str(), |(_, problem)| problem);
            return (String::from(problem), Scanner, Here);
        }
    };
    (String::from(problem), finder, place)
}

/// What is missing inside brackets that are open at the end of `text`.
fn in_flow(text: &str) -> &'static str {
    if text.trim_end().ends_with([',', '[', '{', ':']) {
        return NODE_CONTENT;
    }
    separator(innermost_open(text).unwrap_or('['))
}

fn separator(open: char) -> &'static str {
    if open == '{' { MAPPING_SEPARATOR } else { SEQUENCE_SEPARATOR }
}

/// What should stand after a quoted scalar: the end of brackets, or the next key.
fn trailing(before: &str) -> &'static str {
    innermost_open(before).map_or(KEY, separator)
}

/// The bracket that is open at the end of a text; those inside quotes are few enough to ignore in a message.
fn innermost_open(text: &str) -> Option<char> {
    let mut open = Vec::new();
    for c in text.chars() {
        match c {
            '[' | '{' => open.push(c),
            ']' | '}' => {
                open.pop();
            }
            _ => {}
        }
    }
    open.pop()
}

fn last_line(text: &str, finder: Finder) -> usize {
    let breaks = text.matches('\n').count();
    match finder {
        Finder::Parser if !text.ends_with('\n') => breaks + 1,
        Finder::Parser | Finder::Scanner => breaks,
    }
}
