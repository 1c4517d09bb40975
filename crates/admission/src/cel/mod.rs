//! Expressions of webhooks and policies: their variables, and their evaluation.

mod activation;
mod condition;
mod failure;

pub use activation::{Activation, namespace_object, options};
pub use condition::{Condition, Evaluation, Variables};
pub use failure::EvaluationFailure;

/// The cost limit of all expressions of one policy, for one request and one parameter object.
pub const COST_SUM_MAX: u64 = 10_000_000;
/// The cost limit of one expression.
pub const COST_MAX: u64 = 1_000_000;
