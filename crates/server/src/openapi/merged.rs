//! The OpenAPI v2 document of all APIs, and the versions of other servers' documents that it was made of.

use super::page::Page;
use crate::aggregation::RemoteDocuments;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The document of the resources and servers of a moment.
pub struct Merged {
    pub page: Arc<Page>,
    /// The ETags of other servers' documents, by the names of their APIServices.
    pub others: BTreeMap<String, String>,
}

/// The ETags of documents, by the names of their APIServices.
pub fn etags<'a>(all: impl Iterator<Item = &'a RemoteDocuments>) -> BTreeMap<String, String> {
    all.filter_map(|one| Some((one.name.clone(), one.v2.as_ref()?.etag.clone()))).collect()
}

/// The APIServices for which the document has to be made anew, each with `add`, `update` or `delete`.
pub fn causes<'a>(
    before: &'a BTreeMap<String, String>,
    now: &'a BTreeMap<String, String>,
) -> Vec<(&'a str, &'static str)> {
    let gone = before.keys().filter(|name| !now.contains_key(*name)).map(|name| (name.as_str(), "delete"));
    let others = now.iter().filter_map(|(name, etag)| match before.get(name) {
        None => Some((name.as_str(), "add")),
        Some(known) => (known != etag).then_some((name.as_str(), "update")),
    });
    gone.chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_documents_are_told_apart() {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, etag)| (name.to_string(), etag.to_string())).collect::<BTreeMap<_, _>>()
        };
        let before = map(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let now = map(&[("b", "2"), ("c", "1"), ("d", "1")]);
        assert_eq!(causes(&before, &now), [("a", "delete"), ("b", "update"), ("d", "add")]);
    }
}
