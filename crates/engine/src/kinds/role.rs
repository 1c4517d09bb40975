//! Role and ClusterRole.

use super::{Context, Rules};
use crate::validation::NameRule;
use pintle_object::Value;

pub struct Role;

impl Rules for Role {
    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn name_rule(&self) -> NameRule {
        NameRule::PathSegment
    }
}
