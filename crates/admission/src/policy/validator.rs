//! `Validator`: the compiled expressions of a validating policy, and their results for a request.

use crate::cel::{Activation, COST_SUM_MAX, Condition, Evaluation, EvaluationFailure, Variables};
use crate::metrics::{AdmissionStep, Owner};
use crate::request::Request;
use crate::webhook::match_conditions::Matcher;
use crate::webhook::predicates::Matched;
use crate::webhook::versioned::VersionedAttributes;
use pintle_cel::{Evaluated, Scope, Type};
use pintle_object::{Reason, Value};

/// The longest message that an expression may make.
const MESSAGE_BYTES_MAX: usize = 5 * 1024;

pub struct Validator {
    is_lenient: bool,
    conditions: Matcher,
    variables: Variables,
    validations: Vec<Validation>,
    expressions: Condition,
    messages: Condition,
    annotations: Vec<String>,
    annotation_values: Condition,
}

struct Validation {
    expression: String,
    message: String,
    reason: Reason,
}

/// Something that a policy holds against a request.
#[derive(Debug)]
pub struct ValidatorDecision {
    /// The place of the expression among the policy's.
    pub index: usize,
    pub message: String,
    pub reason: Reason,
    /// The metrics' label of the error; `no_error` for a validation that is false.
    pub error: &'static str,
}

/// The result of a policy for a request and one parameter object.
#[derive(Debug, Default)]
pub struct ValidateResult {
    pub decisions: Vec<ValidatorDecision>,
    /// Failures of audit annotations; each refuses the request, whatever the binding does about validations.
    pub annotation_errors: Vec<String>,
    /// Keys and values for the audit event.
    pub annotations: Vec<(String, String)>,
}

impl Validator {
    pub fn compile(policy: &Value) -> Validator {
        let spec = policy.get("spec").unwrap_or(&Value::Null);
        let is_lenient = spec.str_at(&["failurePolicy"]) == "Ignore";
        let name = policy.str_at(&["metadata", "name"]).to_owned();
        let owner = Owner { kind: "policy", name, step: AdmissionStep::Validate };
        let mut scope = Scope::admission();
        if spec.get("paramKind").is_some_and(|kind| !kind.is_null()) {
            scope.declare("params", Type::Dyn);
        }
        let variables = Variables::compile(spec.list_at(&["variables"]), &mut scope);
        let validations = spec.list_at(&["validations"]);
        let annotations = spec.list_at(&["auditAnnotations"]);
        let texts = |of: &'static str| move |one: &'_ Value| Some(one.str_at(&[of]).to_owned());
        let expressions: Vec<Option<String>> = validations.iter().map(texts("expression")).collect();
        let messages: Vec<Option<String>> = validations
            .iter()
            .map(|one| Some(one.str_at(&["messageExpression"]).to_owned()).filter(|text| !text.is_empty()))
            .collect();
        let values: Vec<Option<String>> = annotations.iter().map(texts("valueExpression")).collect();
        let condition = |of: &[Option<String>], scope: &Scope, wanted: &[Type]| {
            Condition::new(of.iter().map(Option::as_deref), scope, wanted)
        };
        Validator {
            is_lenient,
            conditions: Matcher::new(spec.list_at(&["matchConditions"]), &scope, is_lenient, owner),
            expressions: condition(&expressions, &scope, &[Type::Bool]),
            messages: condition(&messages, &scope.without_authorizer(), &[Type::Text]),
            annotation_values: condition(&values, &scope, &[Type::Text, Type::Null]),
            annotations: annotations.iter().map(|one| one.str_at(&["key"]).to_owned()).collect(),
            validations: validations.iter().map(Validation::read).collect(),
            variables,
        }
    }

    /// Evaluates the policy for a request in the version that matched.
    pub fn validate(
        &self,
        (request, object): (&Request<'_>, &Value),
        versioned: &VersionedAttributes,
        matched: &Matched,
        (namespace, params): (&Value, &Value),
    ) -> ValidateResult {
        match self.conditions.matches(request, object, versioned, (params, &self.variables)) {
            Ok(true) => {}
            Ok(false) => return ValidateResult::default(),
            Err(why) => return self.failed(why),
        }
        let activation = Activation::new(request, object, versioned, matched, namespace, params);
        let bound = activation.bound(true, &self.variables);
        let mut budget = COST_SUM_MAX;
        let found = match self.expressions.for_input(&bound, &mut budget) {
            Ok(found) => found,
            Err(why) => return self.failed(why),
        };
        let plain = activation.bound(false, &self.variables);
        let messages = match self.messages.is_empty() {
            true => Ok(Vec::new()),
            false => self.messages.for_input(&plain, &mut budget),
        };
        let mut decisions = Vec::new();
        for (index, (validation, evaluation)) in self.validations.iter().zip(found).enumerate() {
            let failed = match (evaluation, &messages) {
                (Evaluation::Error(why), _) => why,
                (_, Err(why)) => EvaluationFailure {
                    cause: why.cause,
                    message: format!("failed messageExpression: {why}"),
                },
                (Evaluation::Value(Evaluated::Bool(true)), _) => continue,
                (_, Ok(messages)) => {
                    let message = validation.message(messages.get(index));
                    decisions.push(ValidatorDecision {
                        index,
                        message,
                        reason: validation.reason,
                        error: "no_error",
                    });
                    continue;
                }
            };
            if !self.is_lenient {
                decisions.push(ValidatorDecision {
                    index,
                    error: failed.cause.error_type(),
                    message: failed.message,
                    reason: Reason::Invalid,
                });
            }
        }
        self.annotated(decisions, &plain)
    }

    /// The annotations are for an audit log; their errors are refusals.
    fn annotated(
        &self,
        decisions: Vec<ValidatorDecision>,
        bound: &[(&str, pintle_cel::Bound<'_>)],
    ) -> ValidateResult {
        if self.annotations.is_empty() {
            return ValidateResult { decisions, ..ValidateResult::default() };
        }
        let mut budget = COST_SUM_MAX;
        let found = match self.annotation_values.for_input(bound, &mut budget) {
            Ok(found) => found,
            Err(why) => return self.failed(why),
        };
        let mut result = ValidateResult { decisions, ..ValidateResult::default() };
        for (key, one) in self.annotations.iter().zip(found) {
            match one {
                Evaluation::Error(why) if !self.is_lenient => result.annotation_errors.push(why.message),
                Evaluation::Value(Evaluated::Text(text)) if !text.trim().is_empty() => {
                    result.annotations.push((key.clone(), text.trim().into()));
                }
                Evaluation::Error(_) | Evaluation::Value(_) | Evaluation::Absent => {}
            }
        }
        result
    }

    fn failed(&self, failure: EvaluationFailure) -> ValidateResult {
        let EvaluationFailure { cause, message } = failure;
        let failed =
            ValidatorDecision { index: 0, error: cause.error_type(), message, reason: Reason::Invalid };
        let decisions = if self.is_lenient { Vec::new() } else { vec![failed] };
        ValidateResult { decisions, ..ValidateResult::default() }
    }
}

impl Validation {
    fn read(of: &Value) -> Validation {
        Validation {
            expression: of.str_at(&["expression"]).trim().to_owned(),
            message: of.str_at(&["message"]).trim().to_owned(),
            reason: match of.str_at(&["reason"]) {
                "Forbidden" => Reason::Forbidden,
                "Unauthorized" => Reason::Unauthorized,
                "RequestEntityTooLarge" => Reason::RequestEntityTooLarge,
                _ => Reason::Invalid,
            },
        }
    }

    /// The message of a failed validation: that of its message expression, if it is one short line, else a default.
    fn message(&self, given: Option<&Evaluation>) -> String {
        if let Some(Evaluation::Value(Evaluated::Text(text))) = given {
            let text = text.trim();
            if !text.is_empty() && text.len() <= MESSAGE_BYTES_MAX && !text.contains('\n') {
                return text.to_owned();
            }
        }
        match self.message.is_empty() {
            true => format!("failed expression: {}", self.expression),
            false => self.message.clone(),
        }
    }
}
