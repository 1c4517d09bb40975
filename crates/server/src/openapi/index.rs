//! `Index`: every OpenAPI v3 document, and the server that it comes from.

use super::page::{Page, hex, location};
use crate::aggregation::{OwnDocument, RemoteDocuments};
use pintle_engine::resource_table::Table;
use pintle_object::{Map, Value};
use sha2::{Digest as _, Sha512};
use std::collections::HashMap;
use std::sync::Arc;

/// The index of the documents for a table.
pub struct Index {
    pub table: Arc<Table>,
    /// The state of other servers' documents.
    pub changes: u64,
    pub page: Page,
    /// The documents that are not this server's, by their paths.
    pub owners: HashMap<String, GroupOwner>,
}

/// The server that a document comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupOwner {
    /// Another server, by group and version of its API.
    Remote(String, String),
    /// This server, which makes it from the document of version 2 of another: the name of its APIService.
    Converted(String),
}

impl Index {
    /// That of this server's own documents, each with its address, and those of others.
    pub fn new<'a>(
        table: Arc<Table>,
        changes: u64,
        mut addresses: Vec<(String, String)>,
        others: impl Iterator<Item = &'a RemoteDocuments>,
    ) -> Index {
        let owners = add_others(&mut addresses, others);
        let (mut entries, mut hash) = (Map::new(), Sha512::new());
        for (path, address) in addresses {
            hash.update(&address);
            entries.insert(path, Map::from_iter([("serverRelativeURL", address)]));
        }
        let page = Page::new(&Value::Map(Map::from_iter([("paths", entries)])), hex(hash));
        Index { table, changes, page, owners }
    }
}

/// Adds the documents of other servers. The document of the API that an APIService names is that server's, even if
/// others have one too; its other documents are listed where no other server has them, since servers of one kind have
/// much in common.
fn add_others<'a>(
    addresses: &mut Vec<(String, String)>,
    others: impl Iterator<Item = &'a RemoteDocuments>,
) -> HashMap<String, GroupOwner> {
    let mut owners = HashMap::new();
    let mut besides = Vec::new();
    for documents in others {
        let own_path = documents.path();
        let owner = || GroupOwner::Remote(documents.group.clone(), documents.version.clone());
        for (path, address) in &documents.v3 {
            match *path == own_path {
                true => {
                    owners.insert(path.clone(), owner());
                    put(addresses, path, address.clone());
                }
                false => besides.push((path, address, owner())),
            }
        }
        if let Some(OwnDocument { name, hash }) = documents.converted() {
            owners.insert(own_path.clone(), GroupOwner::Converted(name));
            put(addresses, &own_path, location(&own_path, &hash));
        }
    }
    for (path, address, owner) in besides {
        if !addresses.iter().any(|(known, _)| known == path) {
            addresses.push((path.clone(), address.clone()));
            owners.insert(path.clone(), owner);
        }
    }
    owners
}

fn put(addresses: &mut Vec<(String, String)>, path: &str, address: String) {
    match addresses.iter_mut().find(|(known, _)| known == path) {
        Some(known) => known.1 = address,
        None => addresses.push((path.into(), address)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_document_is_listed_once_and_its_owners() {
        let pair = |path: &str, hash: &str| (path.to_string(), format!("/openapi/v3/{path}?hash={hash}"));
        let mut addresses = vec![pair("api/v1", "own"), pair("apis/a/v1", "own")];
        let documents = |group: &str, v3: &[&str]| RemoteDocuments {
            name: format!("v1.{group}"),
            group: group.into(),
            version: "v1".into(),
            v3: v3.iter().map(|path| pair(path, group)).collect(),
            ..RemoteDocuments::default()
        };
        let legacy = documents("c", &[]).with_version_2("etag");
        let others = [
            documents("a", &["api/v1", "apis/a/v1", "apis/b/v1", "x"]),
            documents("b", &["apis/b/v1"]),
            legacy,
        ];
        let owners = add_others(&mut addresses, others.iter());
        let shown: Vec<&str> =
            addresses.iter().map(|(_, address)| address.split('=').nth(1).unwrap()).collect();
        let hash = others[2].converted().unwrap().hash;
        assert_eq!(shown, ["own", "a", "b", &hash, "a"]);
        let remote = |group: &str| GroupOwner::Remote(group.into(), "v1".into());
        assert_eq!(owners.get("api/v1"), None);
        assert_eq!(owners["apis/a/v1"], remote("a"));
        assert_eq!(owners["apis/b/v1"], remote("b"));
        assert_eq!(owners["x"], remote("a"));
        assert_eq!(owners["apis/c/v1"], GroupOwner::Converted("v1.c".into()));
    }
}
