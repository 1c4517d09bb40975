//! Tables that documents are made from.

use crate::descriptions::Descriptions;
use crate::facts::Facts;
use pintle_schema::Builtin;

/// The API, its prose, and facts that only documents need.
pub(crate) struct Tables<'a> {
    pub api: &'a Builtin,
    pub descriptions: &'a dyn Descriptions,
    pub facts: Facts,
    /// Whether fields name the values that they may have.
    pub has_enums: bool,
}

impl Tables<'_> {
    /// Every group and version that has kinds, sorted.
    pub fn group_versions(&self) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = self
            .api
            .kinds
            .keys()
            .map(|kind| (kind.group.to_string(), kind.version.to_string()))
            .filter(|(group, version)| {
                (!group.is_empty() && group != "apidiscovery.k8s.io") || version == "v1"
            })
            .collect();
        found.sort();
        found.dedup();
        found
    }
}
