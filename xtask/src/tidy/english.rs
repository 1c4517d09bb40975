//! English of comments: a sentence begins with its subject or its verb, not with a clause that stands for one.

use std::path::PathBuf;

/// Words that such clauses begin with.
const CLAUSES: [&str; 6] = ["What", "Who", "Whoever", "Whatever", "How", "Why"];

/// The complaints about comments that begin with a clause.
pub fn check(sources: &[(PathBuf, String)]) -> Vec<String> {
    let of = |(path, text): &(PathBuf, String)| -> Vec<String> {
        let complaint =
            |line: &str| format!("{}: a comment begins with a clause as its subject: {line}", path.display());
        clauses(text).map(complaint).collect()
    };
    sources.iter().flat_map(of).collect()
}

/// The comments of a source that begin with a clause.
fn clauses(text: &str) -> impl Iterator<Item = &str> {
    let comments = text.lines().map(str::trim_start).filter(|line| line.starts_with("//"));
    comments.filter(|line| {
        let words = line.trim_start_matches(['/', '!']).trim_start();
        let first = words.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        CLAUSES.contains(&first)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_that_begin_with_a_clause_are_found() {
        for (line, expected) in [
            ("/// What a node holds.", 1),
            ("    // Whoever asks is told.", 1),
            ("//! How it asks.", 1),
            ("/// The bytes of a node.", 0),
            ("let what = 1; // Whole", 0),
            ("/// Whole numbers.", 0),
        ] {
            assert_eq!(clauses(line).count(), expected, "{line}");
        }
    }

    #[test]
    fn each_comment_is_one_complaint() {
        let source = |text: &str| (PathBuf::from("crates/kinds/src/a.rs"), text.to_owned());
        let sources = [source("/// What it is.\nfn a() {}\n// Who knows.\n"), source("/// A name.\n")];
        assert_eq!(check(&sources).len(), 2);
    }
}
