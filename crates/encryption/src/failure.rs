//! `Failure`: the reason why a value could not be encrypted or decrypted.

use std::fmt;

/// The label of failures that no plugin is to blame for.
const NO_GRPC: &str = "unknown-non-grpc";

/// A failure, in upstream's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub message: String,
    /// gRPC's name of the code that a plugin answered with, as metrics have it.
    pub code: &'static str,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), code: NO_GRPC }
    }

    /// The same failure, with words before its own.
    pub(crate) fn within(self, what: &str) -> Failure {
        Failure { message: format!("{what}: {}", self.message), ..self }
    }

    /// Several failures as upstream shows them: each once, one of them without brackets.
    pub(crate) fn joined(failures: Vec<Failure>) -> Option<Failure> {
        let code = failures.first()?.code;
        let message = joined(failures.into_iter().map(|failure| failure.message));
        Some(Failure { message, code })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Messages as upstream's aggregates show them.
pub(crate) fn joined(messages: impl IntoIterator<Item = String>) -> String {
    let mut unique: Vec<String> = Vec::new();
    for message in messages {
        if !unique.contains(&message) {
            unique.push(message);
        }
    }
    match unique.as_slice() {
        [one] => one.clone(),
        _ => format!("[{}]", unique.join(", ")),
    }
}
