//! English of comments: a sentence begins with its subject or its verb, not with a clause that stands for one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Words that such clauses begin with.
const CLAUSES: [&str; 4] = ["What", "Who", "Whoever", "Whatever"];

/// Comments that still begin so, by folder; the numbers only become smaller.
const LEFT: [(&str, usize); 1] = [("crates/server", 125)];

/// The complaints about folders with more such comments than they may have.
pub fn check(sources: &[(PathBuf, String)]) -> Vec<String> {
    let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (path, text) in sources {
        for line in clauses(text) {
            found.entry(folder(path)).or_default().push(format!("{}: {line}", path.display()));
        }
    }
    let allowed = |folder: &str| LEFT.iter().find(|(name, _)| *name == folder).map_or(0, |(_, count)| *count);
    let many = found.into_iter().filter(|(folder, lines)| lines.len() > allowed(folder));
    many.map(|(folder, lines)| {
        let (count, allowed) = (lines.len(), allowed(folder));
        let shown = if allowed == 0 { lines.join("\n  ") } else { String::from("see the latest ones") };
        format!(
            "{folder}: {count} comments begin with a clause as their subject, more than {allowed}:\n  {shown}"
        )
    })
    .collect()
}

fn folder(path: &Path) -> &str {
    let known = LEFT.iter().map(|(folder, _)| *folder);
    known.into_iter().find(|folder| path.starts_with(folder)).unwrap_or("elsewhere")
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
            ("//! Who asks.", 1),
            ("/// The bytes of a node.", 0),
            ("let what = 1; // Whole", 0),
            ("/// Whole numbers.", 0),
        ] {
            assert_eq!(clauses(line).count(), expected, "{line}");
        }
    }

    #[test]
    fn folders_without_a_number_have_none() {
        let check = |path: &str, count: usize| {
            check(&[(PathBuf::from(path), "/// What it is.\n".repeat(count))]).len()
        };
        assert_eq!((check("crates/kinds/src/a.rs", 0), check("crates/kinds/src/a.rs", 1)), (0, 1));
    }
}
