//! Which collection a key belongs to.

use std::collections::HashMap;

/// Key prefixes of collections, each with its slash at the end, and the collections' indexes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prefixes {
    indexes: HashMap<String, usize>,
}

impl Prefixes {
    pub fn new<'a>(prefixes: impl IntoIterator<Item = &'a str>) -> Prefixes {
        let mut indexes = HashMap::new();
        for (index, prefix) in prefixes.into_iter().enumerate() {
            indexes.entry(String::from(prefix)).or_insert(index);
        }
        Prefixes { indexes }
    }

    pub fn add(&mut self, prefix: &str, index: usize) {
        self.indexes.insert(String::from(prefix), index);
    }

    /// The index of the collection with the longest prefix of a key.
    pub fn index(&self, key: &str) -> Option<usize> {
        let slashes = key.bytes().enumerate().rev().filter(|(_, byte)| *byte == b'/');
        let ends = slashes.map(|(slash, _)| slash + 1).chain([0]);
        ends.filter_map(|end| self.indexes.get(key.get(..end)?)).next().copied()
    }
}

/// The prefix for a key of a resource that is not served now: `/registry/<group>/<resource>/`, or as much of it as
/// there is.
pub(crate) fn unserved(key: &str) -> String {
    let parts = key.split_inclusive('/').take(4).take_while(|part| part.ends_with('/'));
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_decides() {
        let prefixes = Prefixes::new(["/registry/services/specs/", "/registry/pods/", "/registry/services/"]);
        for (key, expected) in [
            ("/registry/pods/ns/a", Some(1)),
            ("/registry/podsy/ns/a", None),
            ("/registry/services/specs/ns/a", Some(0)),
            ("/registry/services/endpoints/ns/a", Some(2)),
            ("/registry/services", None),
            ("", None),
        ] {
            assert_eq!(prefixes.index(key), expected, "{key}");
        }
    }

    #[test]
    fn keys_of_no_resource_have_a_prefix_too() {
        for (key, expected) in [
            ("/registry/example.com/things/ns/a", "/registry/example.com/things/"),
            ("/registry/example.com/things/a", "/registry/example.com/things/"),
            ("/registry/masterleases/10.0.0.1", "/registry/masterleases/"),
            ("/registry/health", "/registry/"),
            ("health", ""),
        ] {
            assert_eq!(unserved(key), expected);
        }
    }
}
