//! Compiled schemas: of the object, of a field, of an item.

use crate::custom::former::Former;
use pintle_object::{Text, Value};
use pintle_regexp::Regexp;

/// One schema: of the object, of a field, of an item, or of a branch of `anyOf` and its like.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    /// JSON types that are allowed; all when empty.
    pub(super) types: Vec<&'static str>,
    /// Only formats that upstream supports for the type.
    pub(super) format: String,
    /// The pattern of the format, if it has one.
    pub(super) format_pattern: Option<Regexp>,
    pub(super) nullable: bool,
    pub(super) default: Option<Value>,
    /// The default's length as JSON.
    pub(super) default_bytes: usize,
    pub(super) one_of_values: Vec<Value>,

    /// Sorted by name.
    pub(super) properties: Vec<(Text, Node)>,
    pub(super) additional: Additional,
    pub(super) required: Vec<Text>,
    pub(super) properties_min: Option<i64>,
    pub(super) properties_max: Option<i64>,
    pub(super) preserve_unknown: bool,
    pub(super) embedded: bool,
    pub(super) map_is_atomic: bool,

    pub(super) items: Option<Box<Node>>,
    pub(super) items_min: Option<i64>,
    pub(super) items_max: Option<i64>,
    pub(super) unique: bool,
    pub(super) list_type: String,
    pub(super) list_keys: Vec<Text>,

    pub(super) length_min: Option<i64>,
    pub(super) length_max: Option<i64>,
    pub(super) pattern: Option<Regexp>,

    pub(super) minimum: Option<f64>,
    pub(super) minimum_is_exclusive: bool,
    pub(super) maximum: Option<f64>,
    pub(super) maximum_is_exclusive: bool,
    pub(super) multiple_of: Option<f64>,

    pub(super) all_of: Vec<Node>,
    pub(super) any_of: Vec<Node>,
    pub(super) one_of: Vec<Node>,
    pub(super) not: Option<Box<Node>>,
}

impl Node {
    /// The old items by key, for lists that are maps.
    pub(super) fn former<'a>(&'a self, old: Option<&'a Value>) -> Former<'a> {
        let old = old.filter(|_| self.list_type == "map").and_then(Value::as_list);
        Former::new(&self.list_keys, old.unwrap_or(&[]))
    }

    pub(super) fn property(&self, name: &str) -> Option<&Node> {
        let place = self.properties.binary_search_by(|(probe, _)| probe.as_str().cmp(name)).ok()?;
        self.properties.get(place).map(|(_, node)| node)
    }

    /// The schema of a field, named or additional.
    pub(super) fn field(&self, name: &str) -> Option<&Node> {
        self.property(name).or(match &self.additional {
            Additional::Schema(node) => Some(node),
            Additional::Unsaid | Additional::Allowed | Additional::Forbidden => None,
        })
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) enum Additional {
    #[default]
    Unsaid,
    Allowed,
    Forbidden,
    Schema(Box<Node>),
}
