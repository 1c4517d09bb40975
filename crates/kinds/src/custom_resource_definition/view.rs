//! The specification as upstream's checks see it: the parts that all versions share are hoisted out of them.

use pintle_object::Value;
use std::collections::BTreeMap;

/// Fields of versions that are moved out when they are the same in all.
pub(super) const SCHEMA: &str = "schema";
pub(super) const SUBRESOURCES: &str = "subresources";
pub(super) const COLUMNS: &str = "additionalPrinterColumns";
pub(super) const FIELDS: &str = "selectableFields";

#[derive(Clone)]
pub(super) struct DefinitionView<'a> {
    pub spec: &'a Value,
    pub versions: &'a [Value],
    /// Which of the fields that are moved out all versions have in common.
    shared: [bool; MOVED.len()],
    /// Versions by name, the first of each.
    by_name: BTreeMap<&'a str, &'a Value>,
}

const MOVED: [&str; 4] = [SCHEMA, SUBRESOURCES, COLUMNS, FIELDS];

impl<'a> DefinitionView<'a> {
    pub fn of(object: &'a Value) -> DefinitionView<'a> {
        let spec = object.get("spec").unwrap_or(&Value::Null);
        let versions = spec.list_at(&["versions"]);
        let is_shared = |field: &str| {
            versions
                .first()
                .is_some_and(|first| versions.iter().all(|other| set(other, field) == set(first, field)))
        };
        let by_name = versions.iter().rev().map(|version| (version.str_at(&["name"]), version)).collect();
        DefinitionView { spec, versions, shared: MOVED.map(is_shared), by_name }
    }

    /// A field that all versions have in common.
    pub fn shared(&self, field: &str) -> Option<&'a Value> {
        self.versions.first().filter(|_| self.is_shared(field)).and_then(|first| set(first, field))
    }

    /// A field that versions do not have in common.
    pub fn own(&self, version: &'a Value, field: &str) -> Option<&'a Value> {
        if self.is_shared(field) { None } else { set(version, field) }
    }

    /// The field of a version, shared or not; versions of the same name have that of the first.
    pub fn effective(&self, version: &'a Value, field: &str) -> Option<&'a Value> {
        self.named(version.str_at(&["name"])).and_then(|first| set(first, field))
    }

    /// The first version of a name.
    pub fn named(&self, name: &str) -> Option<&'a Value> {
        self.by_name.get(name).copied()
    }

    /// The schemas of all versions that have one.
    pub fn schemas(&self) -> Vec<&'a Value> {
        self.versions.iter().filter_map(|version| document(set(version, SCHEMA)?)).collect()
    }

    /// The versions without the parts that they share.
    pub fn bare_versions(&self) -> Option<Value> {
        let mut versions = self.spec.get("versions").cloned()?;
        for version in versions.as_list_mut().into_iter().flatten() {
            for field in MOVED {
                if self.is_shared(field) {
                    version.remove(&[field]);
                }
            }
        }
        Some(versions)
    }

    fn is_shared(&self, field: &str) -> bool {
        MOVED.iter().zip(self.shared).any(|(moved, is_shared)| is_shared && *moved == field)
    }
}

/// The document inside a version's `schema`.
pub(super) fn document(schema: &Value) -> Option<&Value> {
    set(schema, "openAPIV3Schema")
}

pub(super) fn set<'a>(value: &'a Value, field: &str) -> Option<&'a Value> {
    value.get(field).filter(|value| !value.is_null())
}
