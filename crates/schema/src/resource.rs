//! The resources that a server serves: one entry per (group, version, plural).

use crate::model::{Str, TypeId};

/// Every served resource, in the order of discovery.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    pub all: Vec<Resource>,
}

#[derive(Clone, Debug)]
pub struct Resource {
    pub group: Str,
    pub version: Str,
    /// Plural name, as in paths.
    pub plural: Str,
    pub singular: Str,
    pub kind: Str,
    /// `PodList`; empty when the resource cannot be listed.
    pub list_kind: Str,
    pub namespaced: bool,
    pub verbs: Verbs,
    pub short_names: Vec<Str>,
    pub categories: Vec<Str>,
    /// The object's type and its list's type in the built-in schema.
    pub ty: TypeId,
    /// Where upstream keeps it under `/registry`: `pods`, `services/specs`, `minions`, `apps/...`.
    pub key_prefix: Str,
    /// The version that objects of this kind are stored in.
    pub storage_version: Str,
    pub subresources: Vec<Subresource>,
    pub columns: Vec<Column>,
    /// Field labels that selectors may use besides metadata.name and metadata.namespace.
    pub selectable: Vec<Selectable>,
}

#[derive(Clone, Debug)]
pub struct Subresource {
    /// `status`, `scale`, `binding`, ...
    pub name: Str,
    /// Group, version and kind of the body.
    pub group: Str,
    pub version: Str,
    pub kind: Str,
    pub verbs: Verbs,
    pub ty: Option<TypeId>,
}

/// A column of `kubectl get`; cells are computed in `engine::kinds` for built-ins.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: Str,
    /// `string`, `integer`, `date`, ...
    pub ty: Str,
    pub format: Str,
    pub priority: u8,
}

/// A field label (`spec.nodeName`) and the path that holds its value.
#[derive(Clone, Debug)]
pub struct Selectable {
    pub label: Str,
    pub path: Vec<Str>,
}

/// The verbs of a resource, as a set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verbs(pub u16);

impl Verbs {
    pub const CREATE: Verbs = Verbs(1);
    pub const DELETE: Verbs = Verbs(1 << 1);
    pub const DELETE_COLLECTION: Verbs = Verbs(1 << 2);
    pub const GET: Verbs = Verbs(1 << 3);
    pub const LIST: Verbs = Verbs(1 << 4);
    pub const PATCH: Verbs = Verbs(1 << 5);
    pub const UPDATE: Verbs = Verbs(1 << 6);
    pub const WATCH: Verbs = Verbs(1 << 7);

    /// Names in the order of discovery documents.
    pub const NAMES: [(&'static str, Verbs); 8] = [
        ("create", Verbs::CREATE),
        ("delete", Verbs::DELETE),
        ("deletecollection", Verbs::DELETE_COLLECTION),
        ("get", Verbs::GET),
        ("list", Verbs::LIST),
        ("patch", Verbs::PATCH),
        ("update", Verbs::UPDATE),
        ("watch", Verbs::WATCH),
    ];

    pub fn has(self, verb: Verbs) -> bool {
        self.0 & verb.0 == verb.0
    }

    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Verbs::NAMES.into_iter().filter(move |(_, verb)| self.has(*verb)).map(|(name, _)| name)
    }
}
