//! Match conditions: expressions that narrow the requests matched by rules.

use super::predicates::Matched;
use super::versioned::VersionedAttributes;
use crate::cel::{Activation, Condition, Evaluation, EvaluationFailure};
use crate::metrics::Owner;
use crate::request::Request;
use pintle_cel::{Evaluated, Scope};
use pintle_object::Value;
use std::time::Instant;

/// The cost limit of all conditions of one webhook or policy together: a quarter of that of validations.
const COST_SUM_MAX: u64 = crate::cel::COST_SUM_MAX / 4;

/// The compiled conditions, and the failure policy that applies to their errors.
pub struct Matcher {
    condition: Condition,
    is_lenient: bool,
    owner: Owner,
}

impl Matcher {
    pub fn new(conditions: &[Value], scope: &Scope, is_lenient: bool, owner: Owner) -> Matcher {
        let texts = conditions.iter().map(|one| Some(one.str_at(&["expression"])));
        Matcher { condition: Condition::new(texts, scope, &[pintle_cel::Type::Bool]), is_lenient, owner }
    }

    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    pub fn is_empty(&self) -> bool {
        self.condition.is_empty()
    }

    /// Whether the request matches. A condition that is false outweighs those that fail.
    pub fn matches(
        &self,
        request: &Request<'_>,
        object: &Value,
        versioned: &VersionedAttributes,
        (params, variables): (&Value, &crate::cel::Variables),
    ) -> Result<bool, EvaluationFailure> {
        if self.is_empty() {
            return Ok(true);
        }
        // The kind is that of the version, but the resource is that of the request.
        let activation =
            Activation::new(request, object, versioned, &Matched::Requested, &Value::Null, params);
        let mut budget = COST_SUM_MAX;
        let begin = Instant::now();
        let operation = request.attributes.operation;
        let count = |errors| request.metrics.conditions(&self.owner, operation, errors, begin.elapsed());
        let failed = |why: EvaluationFailure| if self.is_lenient { Ok(false) } else { Err(why) };
        let found = match self.condition.for_input(&activation.bound(true, variables), &mut budget) {
            Ok(found) => found,
            Err(why) => {
                count(0);
                return failed(why);
            }
        };
        let errors = found.iter().filter(|one| matches!(one, Evaluation::Error(_))).count();
        count(errors);
        let mut failures: Vec<EvaluationFailure> = Vec::new();
        for one in found {
            match one {
                Evaluation::Value(Evaluated::Bool(false)) => return Ok(false),
                Evaluation::Error(why) => {
                    if !failures.contains(&why) {
                        failures.push(why);
                    }
                }
                Evaluation::Value(_) | Evaluation::Absent => {}
            }
        }
        match failures.is_empty() {
            true => Ok(true),
            false => failed(EvaluationFailure::of_all(failures)),
        }
    }
}
