//! `Failure`: why a call came to nothing, and whether it is worth another try.

use std::fmt;

/// The words are for logs and for those who may see them; they hold no secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection, or none that could be trusted.
    Unreachable(String),
    /// The connection broke with the call under way.
    Reset(String),
    TimedOut(String),
    /// An answer of another code than those of success.
    Status {
        code: u16,
        message: String,
        asks_for_delay: bool,
    },
    /// An answer that makes no sense.
    Nonsense(String),
}

impl Failure {
    /// Whether another try may fare better: upstream's rule.
    pub fn is_passing(&self) -> bool {
        match self {
            Failure::Reset(_) => true,
            Failure::Status { code, asks_for_delay, .. } => {
                *asks_for_delay || matches!(code, 429 | 500 | 504)
            }
            Failure::Unreachable(_) | Failure::TimedOut(_) | Failure::Nonsense(_) => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Unreachable(what)
            | Failure::Reset(what)
            | Failure::TimedOut(what)
            | Failure::Nonsense(what) => f.write_str(what),
            Failure::Status { message, .. } => f.write_str(message),
        }
    }
}
