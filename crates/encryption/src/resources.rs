//! Which providers the values of a resource have, and which resource a key in the store is of.

use crate::chain::Chain;
use crate::configuration::Configuration;
use crate::group_resource::GroupResource;
use crate::kms::Kms;
use std::collections::HashMap;
use std::sync::Arc;

/// The chains of a configuration.
#[derive(Default)]
pub(crate) struct Table(HashMap<GroupResource, Arc<Chain>>);

impl Table {
    /// Opens the providers of a configuration. An entry that an earlier one leaves nothing for is refused.
    pub fn new(configuration: &Configuration, kms: &mut Kms) -> Result<Table, String> {
        let mut chains: HashMap<GroupResource, Chain> = HashMap::new();
        for entry in &configuration.entries {
            let chain = Chain::new(&entry.providers, kms)?;
            for name in &entry.resources {
                let resource = GroupResource::parse(name);
                for earlier in [resource.any_of_group(), GroupResource::any()] {
                    if chains.contains_key(&earlier) {
                        let (resource, earlier) = (resource.written(), earlier.written());
                        return Err(format!("resource {resource:?} is masked by earlier rule {earlier:?}"));
                    }
                }
                chains.entry(resource).or_default().append(&chain);
            }
        }
        Ok(Table(chains.into_iter().map(|(resource, chain)| (resource, Arc::new(chain))).collect()))
    }

    /// The most special rule: that of the resource, of its group, of all.
    pub fn chain(&self, resource: &GroupResource) -> Option<&Arc<Chain>> {
        let rules = || self.0.get(&resource.any_of_group()).or_else(|| self.0.get(&GroupResource::any()));
        self.0.get(resource).or_else(rules)
    }
}

/// Resources by the prefixes of their keys in the store.
#[derive(Clone, Debug, Default)]
pub struct KeySpace(HashMap<String, GroupResource>);

impl KeySpace {
    /// `prefixes` are those of built-in resources: `/registry/services/specs/`.
    pub fn new(prefixes: impl IntoIterator<Item = (String, GroupResource)>) -> KeySpace {
        KeySpace(prefixes.into_iter().collect())
    }

    /// The resource of a key. Keys of custom resources say it themselves: `/registry/<group>/<resource>/`.
    pub fn resource(&self, key: &str) -> Option<GroupResource> {
        let ends = key.match_indices('/').map(|(slash, _)| slash + 1);
        let prefixes = ends.filter_map(|end| key.get(..end)).skip(2);
        if let Some(found) = prefixes.filter_map(|prefix| self.0.get(prefix)).last() {
            return Some(found.clone());
        }
        let mut parts = key.strip_prefix("/registry/")?.split('/');
        let (group, resource) = (parts.next()?, parts.next()?);
        let is_custom = group.contains('.') && !resource.is_empty();
        is_custom.then(|| GroupResource::new(group, resource))
    }
}
