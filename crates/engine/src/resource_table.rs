//! The table of served resources: never changed, replaced as a whole when custom resources come and go.

use crate::resource::ServedResource;
use foldhash::{HashMap, HashMapExt as _};
use std::sync::Arc;

pub struct Table {
    served: Vec<Arc<ServedResource>>,
    /// Positions in `served` by plural name: few resources share one.
    by_plural: HashMap<String, Vec<usize>>,
    /// The versions of each group.
    versions: HashMap<String, Vec<String>>,
}

impl Table {
    pub(crate) fn new(served: Vec<Arc<ServedResource>>) -> Table {
        let mut by_plural: HashMap<String, Vec<usize>> = HashMap::new();
        let mut versions: HashMap<String, Vec<String>> = HashMap::new();
        for (place, served) in served.iter().enumerate() {
            let resource = &served.resource;
            by_plural.entry(resource.plural.to_string()).or_default().push(place);
            let versions = versions.entry(resource.group.to_string()).or_default();
            if !versions.iter().any(|version| resource.version == *version) {
                versions.push(resource.version.to_string());
            }
        }
        Table { served, by_plural, versions }
    }

    /// The built-in resources of this table, and these custom ones.
    pub(crate) fn with_custom(&self, custom: Vec<Arc<ServedResource>>) -> Table {
        let builtin = self.served.iter().filter(|served| served.is_typed()).cloned();
        Table::new(builtin.chain(custom).collect())
    }

    /// In the order of discovery, custom resources last.
    pub fn served(&self) -> &[Arc<ServedResource>] {
        &self.served
    }

    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<ServedResource>> {
        self.of_plural(plural)
            .find(|served| served.resource.group == group && served.resource.version == version)
    }

    pub fn find_any(&self, group: &str, plural: &str) -> Option<&Arc<ServedResource>> {
        self.of_plural(plural).find(|served| served.resource.group == group)
    }

    /// Whether any resource is served under a group and version.
    pub fn serves(&self, group: &str, version: &str) -> bool {
        self.versions.get(group).is_some_and(|versions| versions.iter().any(|own| own == version))
    }

    /// The other resources that show the same objects: other versions of the resource, or of another group.
    pub fn equivalents<'a>(
        &'a self,
        served: &'a ServedResource,
    ) -> impl Iterator<Item = &'a Arc<ServedResource>> {
        let is_same = |other: &ServedResource| {
            other.resource.group == served.resource.group && other.resource.version == served.resource.version
        };
        self.of_plural(&served.resource.plural)
            .filter(move |other| other.resource.key_prefix == served.resource.key_prefix && !is_same(other))
    }

    fn of_plural(&self, plural: &str) -> impl Iterator<Item = &Arc<ServedResource>> {
        let places = self.by_plural.get(plural).map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|place| self.served.get(*place))
    }
}
