//! Reasons of dependencies: every crate from outside has its line in docs/dependencies.md.

use crate::tidy::files::{names, read};
use std::fs;
use std::path::{Path, PathBuf};

pub fn check() -> Result<Vec<String>, String> {
    let reasons = read(Path::new("docs/dependencies.md"))?;
    let mut complaints = Vec::new();
    for manifest in manifests() {
        let Ok(text) = fs::read_to_string(&manifest) else { continue };
        for name in unexplained(&text, &reasons) {
            complaints.push(format!("{}: {name} has no line in docs/dependencies.md", manifest.display()));
        }
        for name in unshared(&text) {
            complaints.push(format!("{}: {name} takes no version from the workspace", manifest.display()));
        }
    }
    Ok(complaints)
}

fn manifests() -> Vec<PathBuf> {
    let mut found = vec![
        PathBuf::from("xtask/Cargo.toml"),
        PathBuf::from("tests/kube/Cargo.toml"),
        PathBuf::from("bench/Cargo.toml"),
    ];
    if let Ok(entries) = fs::read_dir("crates") {
        found.extend(entries.filter_map(Result::ok).map(|entry| entry.path().join("Cargo.toml")));
    }
    found.sort();
    found
}

fn unexplained<'a>(manifest: &'a str, reasons: &str) -> Vec<&'a str> {
    let outside = names(manifest, "dependencies]").into_iter().filter(|name| !name.starts_with("pintle"));
    outside.filter(|name| !reasons.contains(&format!("| {name} |"))).collect()
}

/// Crates from outside whose version does not stand in the workspace's manifest, once for all.
fn unshared(manifest: &str) -> Vec<&str> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        } else if inside && let Some((name, rest)) = line.split_once([' ', '.']) {
            let is_own = rest.contains("path = ");
            found.extend((!rest.contains("workspace = true") && !is_own).then_some(name));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[package]\nname = \"a\"\n[dependencies]\npintle-object.workspace = true\nbytes = \"1\"\n\
                            [dev-dependencies]\ntempfile = \"3\"\n";

    #[test]
    fn dependencies_without_a_reason_are_named() {
        assert_eq!(unexplained(MANIFEST, "| bytes | buffers |\n"), ["tempfile"]);
        assert_eq!(names(MANIFEST, "[dependencies]"), ["pintle-object", "bytes"]);
        assert_eq!(unshared(MANIFEST), ["bytes", "tempfile"]);
    }
}
