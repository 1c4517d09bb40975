//! Go's regular expressions, run by ours.

use regex::{Regex, RegexBuilder};

/// The most that a compiled pattern may hold.
const BYTES_MAX: usize = 10 << 20;

/// A pattern of expressions; None for what is none.
pub(crate) fn compile(source: &str) -> Option<Regex> {
    RegexBuilder::new(&translate(source)).size_limit(BYTES_MAX).build().ok()
}

/// Go's classes are of ASCII, and a bracket or a doubled sign inside a class stands for itself.
///
/// ```text
/// ^\d+$      ^[0-9]+$
/// [\w[&&]   [[0-9A-Za-z_]\[\&\&]
/// ```
#[must_use]
pub fn translate(source: &str) -> String {
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
