//! Words that the house no longer uses: each thing has the one name that docs/glossary.md gives it.

use super::homonyms;
use super::tokens::tokens;
use std::collections::BTreeSet;
use std::path::Path;

/// Words that stand nowhere.
const EVERYWHERE: [&str; 35] = [
    "write_over",
    "Lane",
    "Board",
    "Draw",
    "Pools",
    "Ages",
    "LASTING",
    "upkeep",
    "Digester",
    "Redigest",
    "digest_again",
    "FormCache",
    "kept_form",
    "Herald",
    "herald",
    "InitialDone",
    "Missed",
    "begin_anew",
    "catch_up",
    "obey",
    "Superseded",
    "Heard",
    "FoldStep",
    "Overtaken",
    "Proposal",
    "Companion",
    "Traits",
    "Pieces",
    "mend_records",
    "act_as",
    "Masters",
    "Moot",
    "READING",
    "proves nothing",
    "prove nothing",
];

/// Words that no type or trait is named by, though sentences have them.
const NO_TYPES: [&str; 28] = [
    "Asked",
    "Call",
    "Digest",
    "Feed",
    "Flow",
    "Fold",
    "Forms",
    "Front",
    "Given",
    "Heads",
    "Held",
    "History",
    "Interest",
    "Order",
    "Origin",
    "Past",
    "Pieces",
    "Routes",
    "Segment",
    "Served",
    "Share",
    "Superseded",
    "Target",
    "Told",
    "What",
    "Who",
    "Window",
    "Written",
];

/// Words that have another meaning elsewhere, by the folder where they are out of use.
const WITHIN: [(&str, &[&str]); 3] = [
    (
        "crates/store",
        &[
            "Lane",
            "lane",
            "lanes",
            "Routes",
            "routes",
            "Board",
            "board",
            "boards",
            "Segment",
            "Forms",
            "forms",
            "Interest",
            "interest",
            "interests",
            "Filter",
            "Told",
            "told",
            "heard",
            "Step",
            "Seat",
            "seat",
            "seats",
            "TooSlow",
            "Lost",
            "Front",
            "Remote",
            "remote",
            "Feed",
            "feed",
            "Order",
            "Heads",
            "Past",
            "History",
            "Window",
            "Ages",
            "digest",
            "digests",
            "Expected",
            "Absent",
        ],
    ),
    ("crates/engine", &["Told", "Origin", "Pools", "interest", "Interest"]),
    ("crates/cel", &["Fold"]),
];

/// Words that code is not named by, though sentences have them, by the folder where they are out of use.
const NO_NAMES: [(&str, &[&str]); 3] = [
    ("crates/store", &["announce", "deliver", "heads", "modified", "obey", "wipe"]),
    ("crates/engine", &["companion", "draw", "is_drawn", "mend", "reach"]),
    ("crates/cel", &["heard", "place", "said", "shown", "told"]),
];

pub fn check(path: &Path, text: &str) -> Vec<String> {
    // Here they are listed.
    if path.ends_with("xtask/src/tidy/words.rs") {
        return Vec::new();
    }
    let within = WITHIN.iter().filter(|(folder, _)| path.starts_with(folder));
    let words = EVERYWHERE.iter().chain(within.flat_map(|(_, words)| words.iter()));
    let found = words.filter(|word| has_word(text, word)).map(|word| String::from(*word));
    let types = homonyms::names(path, text).into_iter().filter(|name| NO_TYPES.contains(&name.as_str()));
    let names = NO_NAMES.iter().filter(|(folder, _)| path.starts_with(folder));
    let tokens: BTreeSet<&str> = tokens(text).into_iter().collect();
    let names = names.flat_map(|(_, words)| words.iter()).filter(|word| tokens.contains(*word));
    let found = found.chain(names.map(|word| String::from(*word)));
    found.chain(types).map(|word| format!("the word {word:?} is out of use: see docs/glossary.md")).collect()
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + word.len()..].chars().next());
        !is_part(before) && !is_part(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_whole_and_of_their_folder() {
        for (path, text, expected) in [
            ("crates/store/src/a.rs", "//! Puts events on a lane.", 1),
            ("crates/server/src/a.rs", "//! Puts cars on a lane.", 0),
            ("crates/store/src/a.rs", "//! A planet, explained.", 0),
            ("crates/server/src/a.rs", "fn act_as() {}", 1),
            ("crates/server/src/a.rs", "pub struct Told;", 1),
            ("crates/cel/src/a.rs", "let said = 1; // It is told.", 1),
            ("crates/server/src/a.rs", "let said = 1;", 0),
            ("crates/server/src/a.rs", "// Told by others.", 0),
            ("xtask/src/tidy/words.rs", "fn act_as() {}", 0),
        ] {
            assert_eq!(check(Path::new(path), text).len(), expected, "{text}");
        }
    }
}
