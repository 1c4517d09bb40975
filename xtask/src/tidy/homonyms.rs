//! Homonyms: at most two things may have the same name.

use super::tokens::{is_word, product_tokens};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const USES_MAX: usize = 2;

/// The names of types and traits that a file defines outside tests.
pub fn names(path: &Path, text: &str) -> Vec<String> {
    if is_test(path) {
        return Vec::new();
    }
    let tokens = product_tokens(text);
    let pairs = tokens.windows(2).filter(|pair| matches!(pair[0], "struct" | "enum" | "trait"));
    let names = pairs.map(|pair| pair[1]).filter(|name| name.chars().all(is_word));
    names.map(String::from).collect()
}

fn is_test(path: &Path) -> bool {
    let is_test = |part: &str| matches!(part, "tests" | "benches" | "fuzz") || part.ends_with("tests.rs");
    path.iter().filter_map(|part| part.to_str()).any(is_test)
}

/// The complaints about names with more than two definitions.
pub fn check(defined: &[(PathBuf, Vec<String>)]) -> Vec<String> {
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (path, names) in defined {
        for name in names {
            places.entry(name).or_default().push(path.display().to_string());
        }
    }
    let many = places.into_iter().filter(|(_, places)| places.len() > USES_MAX);
    many.map(|(name, places)| format!("{name}: the name of {} things: {}", places.len(), places.join(", ")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_for_two_things_at_most() {
        let text = "pub struct State; enum Kind {} // struct No\n#[cfg(test)] mod tests { struct Only; }";
        let of = |path: &str| (PathBuf::from(path), names(Path::new(path), text));
        let two = [of("crates/a/src/a.rs"), of("crates/b/src/b.rs"), of("crates/b/src/tests.rs")];
        assert_eq!(check(&two), Vec::<String>::new());
        let three = [two[0].clone(), two[1].clone(), of("xtask/src/c.rs")];
        let told = |name| {
            format!("{name}: the name of 3 things: crates/a/src/a.rs, crates/b/src/b.rs, xtask/src/c.rs")
        };
        assert_eq!(check(&three), [told("Kind"), told("State")]);
    }
}
