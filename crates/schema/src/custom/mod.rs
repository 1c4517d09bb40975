//! Custom resources: a CRD's schema compiled once, and what it does to objects: prune, default, check.
//!
//! Objects of built-in kinds are checked by the rules of their kind in the engine; nothing here is for them.

mod check;
mod compile;
mod default;
pub mod definition;
mod embedded;
mod format;
mod lists;
mod pattern;
mod prune;
mod types;
mod verdict;

#[cfg(test)]
mod tests;

pub use types::types;

use pattern::Pattern;
use pintle_object::{FieldErrors, Path, Text, Value};

/// The compiled schema of one version of a CRD.
#[derive(Clone, Debug, Default)]
pub struct Custom {
    root: Node,
}

impl Custom {
    /// Compiles `openAPIV3Schema`, a JSONSchemaProps in canonical form that validation has found structural.
    pub fn compile(props: &Value) -> Custom {
        Custom { root: Node::compile(props) }
    }

    /// Removes the fields that the schema does not name, and reports them: `unknown field "spec.foo"`.
    pub fn prune(&self, object: &mut Value) -> Vec<String> {
        prune::prune(&self.root, object)
    }

    /// Fills in defaults; drops nulls that are neither allowed nor have a default.
    pub fn default(&self, object: &mut Value) {
        default::drop_nulls(Some(&self.root), object);
        default::fill(&self.root, object);
    }

    /// Checks an object against the schema, then its embedded resources, then the uniqueness of items in lists
    /// that are sets or maps.
    ///
    /// The object's own metadata and expressions (`x-kubernetes-validations`) are not checked here.
    pub fn check(&self, object: &Value, errors: &mut FieldErrors) {
        check::check(&self.root, "", object).report(errors);
        embedded::check(&self.root, &Path::EMPTY, object, errors);
        lists::check(&self.root, &Path::EMPTY, object, errors);
    }
}

/// One schema: of the object, of a field, of an item, or of a branch of `anyOf` and its like.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    /// JSON types that are allowed; all when empty.
    types: Vec<&'static str>,
    /// Only formats that upstream supports for the type.
    format: String,
    nullable: bool,
    default: Option<Value>,
    one_of_values: Vec<Value>,

    /// Sorted by name.
    properties: Vec<(Text, Node)>,
    additional: Additional,
    required: Vec<Text>,
    properties_min: Option<i64>,
    properties_max: Option<i64>,
    preserve_unknown: bool,
    embedded: bool,

    items: Option<Box<Node>>,
    items_min: Option<i64>,
    items_max: Option<i64>,
    unique: bool,
    list_type: String,
    list_keys: Vec<Text>,

    length_min: Option<i64>,
    length_max: Option<i64>,
    pattern: Option<Pattern>,

    minimum: Option<f64>,
    minimum_is_exclusive: bool,
    maximum: Option<f64>,
    maximum_is_exclusive: bool,
    multiple_of: Option<f64>,

    all_of: Vec<Node>,
    any_of: Vec<Node>,
    one_of: Vec<Node>,
    not: Option<Box<Node>>,
}

impl Node {
    fn property(&self, name: &str) -> Option<&Node> {
        let place = self.properties.binary_search_by(|(probe, _)| probe.as_str().cmp(name)).ok()?;
        self.properties.get(place).map(|(_, node)| node)
    }

    /// The schema of a field, named or additional.
    fn field(&self, name: &str) -> Option<&Node> {
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
