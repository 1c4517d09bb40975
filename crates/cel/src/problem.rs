//! `Problem`: a fault of an expression, and its place.

use std::fmt::Write;

/// A message about a place in the source, counted in characters.
#[derive(Debug)]
pub struct Problem {
    pub at: usize,
    pub message: String,
}

/// All problems in the order of their places, each with its line and a mark below it.
pub fn report(mut problems: Vec<Problem>, source: &[char]) -> String {
    problems.sort_by_key(|problem| problem.at);
    let mut text = String::new();
    for problem in &problems {
        if !text.is_empty() {
            text.push('\n');
        }
        let before = source.get(..problem.at).unwrap_or(source);
        let line = before.iter().filter(|&&c| c == '\n').count() + 1;
        let start = before.iter().rposition(|&c| c == '\n').map_or(0, |index| index + 1);
        let column = problem.at - start;
        let rest = source.get(start..).unwrap_or_default();
        let snippet: String =
            rest.iter().take_while(|&&c| c != '\n').map(|&c| if c == '\t' { ' ' } else { c }).collect();
        let mut mark: String =
            snippet.chars().take(column).map(|c| if c.is_ascii() { '.' } else { '\u{ff0e}' }).collect();
        let is_wide = snippet.chars().nth(column).is_some_and(|c| !c.is_ascii());
        mark.push(if is_wide { '\u{ff3e}' } else { '^' });
        let (column, message) = (column + 1, &problem.message);
        let _ = write!(text, "ERROR: <input>:{line}:{column}: {message}\n | {snippet}\n | {mark}");
    }
    text
}
