//! Checks that no compiler makes: sizes, first lines, words, crates and their dependencies.

mod circles;
mod dependencies;
mod documents;
mod english;
mod files;
mod functions;
mod homonyms;
mod imports;
mod kind_names;
mod rooms;
mod tokens;
mod words;

use crate::tidy::files::{read, sources};
use std::path::Path;

/// A file longer than this does more than one job, unless it is a table.
const LINES_MAX: usize = 800;

pub fn run() -> Result<(), String> {
    let mut complaints = Vec::new();
    let paths = sources();
    let mut defined = Vec::new();
    let mut sources = Vec::new();
    for path in &paths {
        let text = read(path)?;
        complaints.extend(check_file(path, &text));
        defined.push((path.clone(), homonyms::names(path, &text)));
        sources.push((path.clone(), text));
    }
    complaints.extend(homonyms::check(&defined));
    complaints.extend(circles::check(&paths)?);
    complaints.extend(english::check(&sources));
    complaints.extend(kind_names::check(&sources)?);
    complaints.extend(documents::check()?);
    complaints.extend(dependencies::check()?);
    complaints.extend(rooms::check()?);
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n")) }
}

/// The complaints about one file.
fn check_file(path: &Path, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    complaints.extend(check_shape(text));
    complaints.extend(functions::check(path, text));
    complaints.extend(words::check(path, text));
    complaints.extend(rooms::check_purity(path, text));
    complaints.into_iter().map(|complaint| format!("{}: {complaint}", path.display())).collect()
}

fn check_shape(text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if !text.starts_with("//!") && !text.starts_with("#![") {
        complaints.push(String::from("the first line does not say what the file is for"));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        complaints.push(format!("{lines} lines, more than {LINES_MAX}"));
    }
    // Spelled in halves, so that this file does not find itself.
    for word in [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("todo", "!(")] {
        if text.contains(word) {
            complaints.push(format!("unfinished: {word}"));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_say_what_they_are_for_and_stay_short() {
        let long = format!("//! A file.\n{}", "\n".repeat(LINES_MAX));
        for (text, expected) in [("//! A file.\n", 0), ("fn a() {}\n", 1), (long.as_str(), 1)] {
            assert_eq!(check_shape(text).len(), expected, "{}", &text[..9]);
        }
    }
}
