//! Paths in documents: a file or folder that a page names is there.

use crate::tidy::files::read;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Pages of the repository's root; those in docs/ are read besides.
const PAGES: [&str; 4] = ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "api/README.md"];

/// Folders that hold no sources.
const SKIPPED: [&str; 2] = [".git", "target"];

pub fn check() -> Result<Vec<String>, String> {
    let mut places = BTreeSet::new();
    collect(Path::new("."), &mut places);
    let mut complaints = Vec::new();
    for page in pages() {
        let text = read(&page)?;
        let gone = paths(&text).into_iter().filter(|path| !is_there(&places, path));
        complaints.extend(gone.map(|path| format!("{}: there is no {path}", page.display())));
        complaints.extend(check_map(&page, &text));
    }
    Ok(complaints)
}

fn pages() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = PAGES.iter().map(PathBuf::from).collect();
    let entries = fs::read_dir("docs").into_iter().flatten().filter_map(Result::ok);
    found
        .extend(entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "md")));
    found
}

/// All files and folders, below the folder and without it.
fn collect(dir: &Path, found: &mut BTreeSet<PathBuf>) {
    for path in fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path()) {
        if SKIPPED.iter().any(|skipped| path.ends_with(skipped)) {
            continue;
        }
        if path.is_dir() {
            collect(&path, found);
        }
        found.insert(path.strip_prefix(".").unwrap_or(&path).to_path_buf());
    }
}

/// The spans in backticks that look like paths of this repository: sources, and paths whose first folder is one here.
fn paths(text: &str) -> Vec<&str> {
    let spans = text.split("```").step_by(2).flat_map(|prose| prose.split('`').skip(1).step_by(2));
    spans
        .filter(|span| {
            !span.is_empty() && span.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c))
        })
        .filter(|span| span.ends_with(".rs") || is_below_known(span))
        .collect()
}

fn is_below_known(span: &str) -> bool {
    let Some((first, rest)) = span.split_once('/') else { return false };
    let is_named = rest.contains('.') || span.ends_with('/');
    let is_folder = |folder: PathBuf| !first.is_empty() && folder.is_dir();
    is_named && (is_folder(PathBuf::from(first)) || is_folder(Path::new("crates").join(first)))
}

/// Whether a path ends with these parts.
fn is_there(places: &BTreeSet<PathBuf>, path: &str) -> bool {
    places.iter().any(|place| place.ends_with(path.trim_end_matches('/')))
}

/// The complaints about the map of crates and their folders in ARCHITECTURE.md.
fn check_map(page: &Path, text: &str) -> Vec<String> {
    let Some((_, rest)) = text.split_once("## The code") else { return Vec::new() };
    let Some(map) = rest.split("```").nth(1) else { return Vec::new() };
    let mut parents: Vec<(usize, PathBuf)> = Vec::new();
    let mut complaints = Vec::new();
    for line in map.lines() {
        let indent = line.len() - line.trim_start().len();
        let Some(name) = line.split_whitespace().next().filter(|name| name.ends_with('/')) else { continue };
        if indent > MAP_INDENT_MAX {
            continue;
        }
        parents.retain(|(outer, _)| *outer < indent);
        let folder = match parents.last() {
            None => PathBuf::from(name),
            Some((_, parent)) if parents.len() == 2 => parent.join("src").join(name),
            Some((_, parent)) => parent.join(name),
        };
        if !folder.is_dir() {
            complaints.push(format!("{}: there is no {}", page.display(), folder.display()));
        }
        parents.push((indent, folder));
    }
    complaints
}

/// Deeper lines continue the prose beside a name.
const MAP_INDENT_MAX: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_and_folders_in_backticks_are_paths() {
        let text =
            "See `a/b.rs`, `k8s.io/api/core/`, `/registry/x/`, `f(x)`, `x.rs`.\n```\n`c.rs`\n```\n`d.rs`";
        assert_eq!(paths(text), ["a/b.rs", "x.rs", "d.rs"]);
    }

    #[test]
    fn a_path_is_there_when_one_ends_so() {
        let places = BTreeSet::from([PathBuf::from("crates/store/src/write.rs"), PathBuf::from("docs")]);
        for (path, expected) in
            [("store/src/write.rs", true), ("write.rs", true), ("docs/", true), ("rite.rs", false)]
        {
            assert_eq!(is_there(&places, path), expected, "{path}");
        }
    }
}
