//! Circles of files: an import runs down, and never back up by whichever way.

use super::imports::{Imports, imports};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Files that may name each other, by crate, each group with its reason: a type and its parser, or a tree and its map.
const ALLOWED: [(&str, &[&str], &str); 6] = [
    (
        "crates/cel",
        &["value/display.rs", "value/equality.rs", "value/mod.rs"],
        "a value, its text and its equality",
    ),
    ("crates/object", &["map.rs", "value.rs"], "a value may be a map of values"),
    ("crates/object", &["selector/label.rs", "selector/parse.rs"], "a selector and its parser"),
    ("crates/object", &["yaml/go_syntax.rs", "yaml/keys.rs"], "keys, and the text of nodes that are no keys"),
    ("crates/outbound", &["auth_info.rs", "kubeconfig.rs"], "a user of a kubeconfig, and its reader"),
    (
        "crates/patch",
        &["strategic/list.rs", "strategic/mod.rs", "strategic/order.rs"],
        "maps of lists of maps",
    ),
];

/// The complaints about the circles of all crates.
pub fn check(paths: &[PathBuf]) -> Result<Vec<String>, String> {
    let mut crates: BTreeMap<PathBuf, Vec<(String, String)>> = BTreeMap::new();
    for path in paths {
        let Some((root, file)) = split_at_src(path) else { continue };
        if !is_test(&file) {
            let text = crate::tidy::files::read(path)?;
            crates.entry(root).or_default().push((file, text));
        }
    }
    let mut complaints = Vec::new();
    for (root, files) in &crates {
        let found = imports(files);
        let found_circles = circles(&found);
        let unknown = found_circles.iter().filter(|circle| !is_allowed(root, circle));
        complaints.extend(unknown.map(|circle| complaint(root, circle, &found)));
    }
    complaints.extend(stale());
    Ok(complaints)
}

fn split_at_src(path: &Path) -> Option<(PathBuf, String)> {
    let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
    let at = parts.iter().position(|part| *part == "src")?;
    Some((parts[..=at].iter().collect(), parts[at + 1..].join("/")))
}

fn is_test(file: &str) -> bool {
    file.split('/').any(|part| part == "tests") || file.ends_with("tests.rs")
}

fn is_allowed(root: &Path, circle: &[String]) -> bool {
    let known = ALLOWED.iter().filter(|(of, ..)| root == Path::new(of).join("src"));
    let mut groups = known.map(|(_, files, _)| files);
    groups.any(|files| circle.iter().all(|file| files.contains(&file.as_str())))
}

/// Rows of the list whose files are gone.
fn stale() -> Vec<String> {
    let files =
        ALLOWED.iter().flat_map(|(of, files, _)| files.iter().map(move |file| format!("{of}/src/{file}")));
    let gone = files.filter(|file| fs::metadata(file).is_err());
    gone.map(|file| format!("{file}: is gone, but stands in the list of circles (xtask/src/tidy/circles.rs)"))
        .collect()
}

fn complaint(root: &Path, circle: &[String], imports: &Imports) -> String {
    let mut lines =
        vec![format!("{}: {} files import each other in a circle:", root.display(), circle.len())];
    for file in circle {
        let Some(taken) = imports.get(file) else { continue };
        for (from, name) in taken.iter().filter(|(from, _)| circle.contains(from)) {
            lines.push(format!("  {file} takes {name} from {from}"));
        }
    }
    lines.join("\n")
}

/// The groups of files each of which leads to every other one, without single files.
fn circles(imports: &Imports) -> Vec<Vec<String>> {
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        imports.keys().map(|file| (file.as_str(), reached(imports, file))).collect();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for (file, there) in &reach {
        if !there.contains(file) || seen.contains(file) {
            continue;
        }
        let back = |other: &&&str| reach.get(**other).is_some_and(|there| there.contains(file));
        let circle: Vec<&str> = there.iter().filter(back).copied().collect();
        seen.extend(circle.iter().copied());
        found.push(circle.into_iter().map(String::from).collect());
    }
    found
}

/// All files that a file leads to, itself only by way of another one.
fn reached<'a>(imports: &'a Imports, file: &'a str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![file];
    while let Some(next) = open.pop() {
        let Some(taken) = imports.get(next) else { continue };
        open.extend(taken.keys().map(String::as_str).filter(|from| found.insert(*from)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &str)]) -> Imports {
        let mut found = Imports::new();
        for (file, from) in edges {
            found.entry(String::from(*file)).or_default().insert(String::from(*from), String::from("x"));
            found.entry(String::from(*from)).or_default();
        }
        found
    }

    #[test]
    fn files_that_lead_to_each_other_are_a_circle() {
        for (edges, expected) in [
            (vec![("a", "b"), ("b", "c")], vec![]),
            (vec![("a", "b"), ("b", "a"), ("c", "a")], vec![vec!["a", "b"]]),
            (
                vec![("a", "b"), ("b", "c"), ("c", "a"), ("d", "e"), ("e", "d")],
                vec![vec!["a", "b", "c"], vec!["d", "e"]],
            ),
        ] {
            assert_eq!(circles(&graph(&edges)), expected, "{edges:?}");
        }
    }

    #[test]
    fn a_circle_is_told_with_the_names_that_tie_it() {
        let imports = graph(&[("a.rs", "b.rs"), ("b.rs", "a.rs")]);
        let circle = [String::from("a.rs"), String::from("b.rs")];
        let expected =
            "s: 2 files import each other in a circle:\n  a.rs takes x from b.rs\n  b.rs takes x from a.rs";
        assert_eq!(complaint(Path::new("s"), &circle, &imports), expected);
    }
}
