//! Checks what no compiler checks: sizes of files, first lines, forbidden words, reasons of dependencies.

use std::fs;
use std::path::{Path, PathBuf};

/// A file longer than this does more than one job, unless it is a table.
const LINES_MAX: usize = 800;

pub fn run() -> Result<(), String> {
    let mut complaints = Vec::new();
    for path in sources() {
        check_file(&path, &mut complaints)?;
    }
    check_dependencies(&mut complaints)?;
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n")) }
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for root in ["crates", "xtask", "tests", "bench", "fuzz"] {
        collect(Path::new(root), &mut found);
    }
    found.sort();
    found
}

fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn check_file(path: &Path, complaints: &mut Vec<String>) -> Result<(), String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let name = path.display();
    if !text.starts_with("//!") && !text.starts_with("#![") {
        complaints.push(format!("{name}: the first line does not say what the file is for"));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        complaints.push(format!("{name}: {lines} lines, more than {LINES_MAX}"));
    }
    // Spelled in halves, so that this file does not find itself.
    for word in [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("todo", "!(")] {
        if text.contains(word) {
            complaints.push(format!("{name}: unfinished: {word}"));
        }
    }
    Ok(())
}

/// Every dependency from outside has its line in docs/dependencies.md.
fn check_dependencies(complaints: &mut Vec<String>) -> Result<(), String> {
    let reasons = fs::read_to_string("docs/dependencies.md")
        .map_err(|error| format!("docs/dependencies.md: {error}"))?;
    let mut manifests = vec![
        PathBuf::from("xtask/Cargo.toml"),
        PathBuf::from("tests/kube/Cargo.toml"),
        PathBuf::from("bench/Cargo.toml"),
    ];
    if let Ok(entries) = fs::read_dir("crates") {
        manifests.extend(entries.filter_map(Result::ok).map(|entry| entry.path().join("Cargo.toml")));
    }
    for manifest in manifests {
        let Ok(text) = fs::read_to_string(&manifest) else { continue };
        for name in dependencies(&text) {
            if !name.starts_with("pintle") && !reasons.contains(&format!("| {name} |")) {
                complaints
                    .push(format!("{}: {name} has no line in docs/dependencies.md", manifest.display()));
            }
        }
    }
    Ok(())
}

fn dependencies(manifest: &str) -> Vec<&str> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        } else if inside && let Some((name, _)) = line.split_once(['=', '.']) {
            names.push(name.trim());
        }
    }
    names
}
