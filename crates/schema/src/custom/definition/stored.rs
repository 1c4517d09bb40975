//! Checks that a stored definition fails already: they are not held against its update.

use super::strictness::Strictness;
use super::visit::any;
use super::{defaults, lists, openapi, structural, structure};
use pintle_object::{FieldErrors, Path, Value};

impl Strictness {
    /// The strictness towards the next version of a definition that the schemas of the stored one allow.
    pub fn since(stored: &[&Value]) -> Strictness {
        let none = |test: fn(&Value) -> bool| !stored.iter().any(|props| test(props));
        Strictness {
            structural: none(is_not_structural),
            pruned_defaults: none(has_unpruned_defaults),
            types: none(|props| any(props, &mut openapi::has_unknown_type)),
            atomic_sets: none(|props| any(props, &mut lists::is_set_of_parts)),
            map_keys: none(|props| any(props, &mut lists::has_unfit_keys)),
            expression_costs: true,
        }
    }
}

fn is_not_structural(props: &Value) -> bool {
    if structure::unfit(props).is_some() {
        return true;
    }
    let mut errors = FieldErrors::new();
    structural::check(props, &Path::EMPTY, &mut errors);
    !errors.is_empty()
}

fn has_unpruned_defaults(props: &Value) -> bool {
    let mut compiled = 0;
    !is_not_structural(props) && any(props, &mut |props| defaults::is_unpruned(props, &mut compiled))
}
