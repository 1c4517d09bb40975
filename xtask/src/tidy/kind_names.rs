//! Names of kinds: code outside of crates/kinds treats all kinds alike, except for the listed places.

use crate::tidy::files::read;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The files that may name kinds, each with its reason.
const ALLOWED: [(&str, &str); 17] = [
    ("crates/access/src/authorization_webhook.rs", "the review that is sent"),
    ("crates/access/src/rbac", "roles, bindings and their subjects"),
    ("crates/access/src/token_webhook.rs", "the review that is sent"),
    ("crates/admission/src/counted.rs", "objects that plugins look at"),
    ("crates/admission/src/plugins", "each plugin is about some kinds"),
    ("crates/admission/src/webhook/mod.rs", "webhooks and policies do not judge each other"),
    ("crates/audit/src/policy/read.rs", "kinds of the group of audit itself"),
    ("crates/controllers/src", "objects that the server itself keeps"),
    ("crates/engine/src/request/body.rs", "events are one kind in two groups"),
    ("crates/engine/src/write/bind.rs", "the body that a pod's subresource takes"),
    ("crates/engine/src/write/token_request.rs", "objects that tokens are bound to"),
    ("crates/fairness/src/classify.rs", "a sort of subject"),
    ("crates/fairness/src/dump.rs", "the title of a column"),
    ("crates/kinds", "here they are at home"),
    ("crates/pintle/src/compatibility/gates.rs", "names of feature gates"),
    ("crates/server/src/authorizers/mod.rs", "the name of an authorizer"),
    ("crates/server/src/verbs/token.rs", "objects that tokens are bound to"),
];

/// The complaints about texts that are the name of a kind of the tables.
pub fn check(sources: &[(PathBuf, String)]) -> Result<Vec<String>, String> {
    let table = read(Path::new("api/resources.txt"))?;
    let kinds = kinds(&table);
    let mut used = BTreeSet::new();
    let mut complaints = Vec::new();
    for (path, text) in sources.iter().filter(|(path, _)| is_product(path)) {
        let found: Vec<&str> = texts(text).filter(|text| kinds.contains(*text)).collect();
        let allowed = ALLOWED.iter().find(|(place, _)| path.starts_with(place));
        match (found.is_empty(), allowed) {
            (true, _) => {}
            (false, Some((place, _))) => {
                used.insert(*place);
            }
            (false, None) => {
                complaints.push(format!("{}: names the kind {}", path.display(), found.join(", ")))
            }
        }
    }
    let stale = ALLOWED.iter().filter(|(place, _)| !used.contains(place));
    complaints.extend(
        stale.map(|(place, _)| format!("{place}: names no kind, but may (xtask/src/tidy/kind_names.rs)")),
    );
    Ok(complaints)
}

/// The kinds of `kind apps/v1/Deployment` lines.
fn kinds(resources: &str) -> BTreeSet<&str> {
    let lines = resources.lines().filter_map(|line| line.trim_start().strip_prefix("kind "));
    lines.filter_map(|kind| kind.rsplit('/').next()).collect()
}

fn is_product(path: &Path) -> bool {
    let is_test = |part: &str| matches!(part, "tests" | "benches" | "testkit") || part.ends_with("tests.rs");
    path.starts_with("crates") && !path.iter().filter_map(|part| part.to_str()).any(is_test)
}

/// The texts of a source before its tests, as far as they are one word each.
fn texts(text: &str) -> impl Iterator<Item = &str> {
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let parts = lines.flat_map(|line| line.split('"').skip(1).step_by(2));
    parts.filter(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_those_of_the_tables() {
        let table =
            "\nresource v1 pods\n  kind v1/Pod\n  singular pod\n  sub scale autoscaling/v1/Scale get\n";
        assert_eq!(kinds(table), BTreeSet::from(["Pod"]));
    }

    #[test]
    fn texts_are_words_of_the_product() {
        let source = "// \"Node\"\nf(\"Pod\", \"a Pod\", \"x\");\n#[cfg(test)]\nmod tests { f(\"Node\"); }";
        assert_eq!(texts(source).collect::<Vec<_>>(), ["Pod", "x"]);
    }
}
