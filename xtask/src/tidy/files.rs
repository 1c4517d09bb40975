//! Files that are checked.

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

pub(crate) fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for root in ["crates", "xtask", "tests", "bench", "fuzz"] {
        collect(Path::new(root), &mut found);
    }
    found.sort();
    found
}

pub(crate) fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The names in the sections whose heads end so.
pub fn names<'a>(manifest: &'a str, head_end: &str) -> Vec<&'a str> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.ends_with(head_end);
        } else if inside && let Some((name, _)) = line.split_once(['=', '.']) {
            names.push(name.trim());
        }
    }
    names
}
