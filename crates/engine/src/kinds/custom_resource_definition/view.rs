//! The specification as upstream's checks see it: what all versions have in common stands beside them, not in them.

use pintle_object::Value;

/// Fields of versions that are moved out when they are the same in all.
pub(super) const SCHEMA: &str = "schema";
pub(super) const SUBRESOURCES: &str = "subresources";
pub(super) const COLUMNS: &str = "additionalPrinterColumns";
pub(super) const FIELDS: &str = "selectableFields";

#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub spec: &'a Value,
    pub versions: &'a [Value],
}

impl<'a> View<'a> {
    pub fn of(object: &'a Value) -> View<'a> {
        let spec = object.get("spec").unwrap_or(&Value::Null);
        View { spec, versions: spec.list_at(&["versions"]) }
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
        let name = version.str_at(&["name"]);
        let first = self.versions.iter().find(|version| version.str_at(&["name"]) == name);
        first.and_then(|first| set(first, field))
    }

    /// Every version's schema that is there.
    pub fn schemas(&self) -> Vec<&'a Value> {
        self.versions.iter().filter_map(|version| document(set(version, SCHEMA)?)).collect()
    }

    /// The versions without what they have in common.
    pub fn bare_versions(&self) -> Option<Value> {
        let mut versions = self.spec.get("versions").cloned()?;
        for version in versions.as_list_mut().into_iter().flatten() {
            for field in [SCHEMA, SUBRESOURCES, COLUMNS, FIELDS] {
                if self.is_shared(field) {
                    version.remove(&[field]);
                }
            }
        }
        Some(versions)
    }

    fn is_shared(&self, field: &str) -> bool {
        let Some(first) = self.versions.first() else { return false };
        self.versions.iter().all(|version| set(version, field) == set(first, field))
    }
}

/// The document inside a version's `schema`.
pub(super) fn document(schema: &Value) -> Option<&Value> {
    set(schema, "openAPIV3Schema")
}

pub(super) fn set<'a>(value: &'a Value, field: &str) -> Option<&'a Value> {
    value.get(field).filter(|value| !value.is_null())
}
