//! `EvaluationFailure`: why expressions gave nothing.
//! (`ErrCompilation` and `ErrOutOfBudget` of `k8s.io/apiserver/pkg/cel`.)

use std::fmt;

/// The message of a failure, and its cause, by which it is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationFailure {
    pub cause: FailureCause,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureCause {
    Compilation,
    OutOfBudget,
    Other,
}

impl FailureCause {
    /// The `error_type` of metrics.
    pub fn error_type(self) -> &'static str {
        match self {
            FailureCause::Compilation => "compile_error",
            FailureCause::OutOfBudget => "out_of_budget",
            FailureCause::Other => "invalid_error",
        }
    }
}

impl EvaluationFailure {
    pub fn compilation(why: &str) -> EvaluationFailure {
        EvaluationFailure { cause: FailureCause::Compilation, message: format!("compilation error: {why}") }
    }

    pub fn out_of_budget() -> EvaluationFailure {
        let message =
            "validation failed due to running out of cost budget, no further validation rules will be run";
        EvaluationFailure { cause: FailureCause::OutOfBudget, message: message.to_owned() }
    }

    /// The failure of an evaluation itself.
    pub fn of_expression(text: &str, why: &pintle_cel::Error) -> EvaluationFailure {
        EvaluationFailure::from(format!("expression '{text}' resulted in error: {why}"))
    }

    /// One failure for several: their messages in brackets, and the first of their causes in the order above.
    pub fn of_all(failures: Vec<EvaluationFailure>) -> EvaluationFailure {
        let causes = failures.iter().map(|failure| failure.cause);
        let cause = causes.min().unwrap_or(FailureCause::Other);
        let messages: Vec<String> = failures.into_iter().map(|failure| failure.message).collect();
        match <[String; 1]>::try_from(messages) {
            Ok([message]) => EvaluationFailure { cause, message },
            Err(messages) => EvaluationFailure { cause, message: format!("[{}]", messages.join(", ")) },
        }
    }
}

impl From<String> for EvaluationFailure {
    fn from(message: String) -> EvaluationFailure {
        EvaluationFailure { cause: FailureCause::Other, message }
    }
}

impl fmt::Display for EvaluationFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_failures_are_counted_by_the_one_that_has_a_cause() {
        let other = || EvaluationFailure::from(String::from("a"));
        for (failures, expected, error_type) in [
            (vec![other()], "a", "invalid_error"),
            (
                vec![other(), EvaluationFailure::compilation("b")],
                "[a, compilation error: b]",
                "compile_error",
            ),
        ] {
            let failure = EvaluationFailure::of_all(failures);
            assert_eq!((failure.to_string().as_str(), failure.cause.error_type()), (expected, error_type));
        }
    }
}
