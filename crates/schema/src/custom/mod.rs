//! Custom resources: a CRD's schema compiled once, and its use on objects: prune, default, check.
//!
//! Objects of built-in kinds are checked by the rules of their kind in the engine; nothing here is for them.

mod check;
mod compile;
mod default;
pub mod definition;
mod embedded;
mod format;
mod former;
mod lists;
pub mod metadata;
mod node;
mod prune;
mod rules;
mod spot;
mod types;
mod verdict;

#[cfg(test)]
mod tests;

use crate::custom::definition::visit;
use crate::custom::node::Node;

pub use default::DefaultsTooLarge;
pub use types::types;

use pintle_object::{ErrorKind, FieldError, FieldErrors, Path, Value};
use pintle_regexp::Budget;
use rules::Rules;
use spot::Spot;
use std::sync::Arc;

/// The compiled schema of one version of a CRD.
#[derive(Clone, Debug, Default)]
pub struct Custom {
    root: Node,
    /// Whether there may be resources inside of objects.
    has_embedded: bool,
    rules: Option<Arc<Rules>>,
}

impl Custom {
    /// Compiles `openAPIV3Schema`, a JSONSchemaProps in canonical form that validation has found structural.
    pub fn compile(props: &Value) -> Custom {
        let is_embedded = |props: &Value| props.bool_at(&["x-kubernetes-embedded-resource"]);
        let has_embedded = visit::any(props, &mut |props| is_embedded(props));
        let patterns = Budget::default();
        let rules = Rules::compile(props, true, &patterns).map(Arc::new);
        Custom { root: Node::compile(props, &patterns), has_embedded, rules }
    }

    /// Removes the fields that the schema does not name, and reports them: `unknown field "spec.foo"`.
    pub fn prune(&self, object: &mut Value) -> Vec<String> {
        prune::prune(&self.root, object)
    }

    /// Drops nulls that are neither allowed nor have a default.
    pub fn drop_nulls(&self, object: &mut Value) {
        default::drop_nulls(Some(&self.root), object);
    }

    /// Fills in defaults, also in the place of nulls that are not allowed.
    pub fn default(&self, object: &mut Value) -> Result<(), DefaultsTooLarge> {
        default::fill(&self.root, object)
    }

    /// Checks an object against the schema, then its embedded resources, then the uniqueness of items in lists
    /// that are sets or maps.
    ///
    /// The object's own metadata is not checked here, nor are expressions: [`Custom::check_rules`] comes last.
    pub fn check(&self, object: &Value, errors: &mut FieldErrors) {
        check::check(&self.root, &Spot::WHOLE, object).report(errors);
        embedded::check(&self.root, &Path::EMPTY, object, errors);
        lists::check(&self.root, &Path::EMPTY, object, errors);
    }

    /// `check` of a new version: errors in unchanged parts are allowed.
    pub fn check_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        check::check_update(&self.root, &Spot::WHOLE, new, Some(old)).report(errors);
        embedded::check(&self.root, &Path::EMPTY, new, errors);
        self.check_lists_of_update(new, old, errors);
    }

    /// `check_update` of the status alone, with its own schema.
    pub fn check_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        if let (Some(node), Some(status)) = (self.root.property("status"), new.get("status")) {
            let verdict = check::check_update(node, &Spot::WHOLE, status, old.get("status"));
            let path = Path::root("status");
            for error in verdict.errors.into_vec() {
                errors.push(verdict::below(&path, error));
            }
        }
        self.check_lists_of_update(new, old, errors);
    }

    fn check_lists_of_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        let mut before = FieldErrors::new();
        lists::check(&self.root, &Path::EMPTY, old, &mut before);
        if before.is_empty() {
            lists::check(&self.root, &Path::EMPTY, new, errors);
        }
    }

    /// Checks the rules (`x-kubernetes-validations`), unless earlier errors make that useless. Errors in unchanged
    /// parts of an update are allowed with a warning.
    pub fn check_rules(&self, new: &Value, old: Option<&Value>, errors: &mut FieldErrors) {
        let Some(rules) = &self.rules else { return };
        if errors.iter().any(blocks_rules) {
            let message = "Invalid value: null: some validation rules were not checked because the object was \
                           invalid; correct the existing errors to complete validation";
            let (field, message) = ("<nil>".to_owned(), message.to_owned());
            errors.push(FieldError { kind: ErrorKind::Invalid, field, message });
            return;
        }
        rules.check(new, old, errors);
    }

    /// Calls `visit` for every resource inside an object, with the path to it.
    pub fn each_embedded<E>(
        &self,
        object: &mut Value,
        visit: &mut dyn FnMut(&Path<'_>, &mut Value) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.has_embedded {
            true => embedded::each(&self.root, &Path::EMPTY, object, visit),
            false => Ok(()),
        }
    }
}

/// Whether an error prevents rules from running: they rely on types, sizes and required fields.
fn blocks_rules(error: &FieldError) -> bool {
    match error.kind {
        ErrorKind::NotSupported
        | ErrorKind::Required
        | ErrorKind::TooLong
        | ErrorKind::TooMany
        | ErrorKind::TypeInvalid => true,
        ErrorKind::NotFound
        | ErrorKind::Duplicate
        | ErrorKind::Invalid
        | ErrorKind::Forbidden
        | ErrorKind::Internal => false,
    }
}
