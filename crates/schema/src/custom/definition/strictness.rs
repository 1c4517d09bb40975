//! Checks of schemas that apply to one definition.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strictness {
    pub structural: bool,
    pub pruned_defaults: bool,
    pub types: bool,
    pub atomic_sets: bool,
    pub map_keys: bool,
    /// Whether each expression may cost only so much; not where a schema stays as it is.
    pub expression_costs: bool,
}

impl Strictness {
    pub const FULL: Strictness = Strictness {
        structural: true,
        pruned_defaults: true,
        types: true,
        atomic_sets: true,
        map_keys: true,
        expression_costs: true,
    };
}
