//! `Failure`: why a call came to nothing, and whether it is worth another try.

use crate::verify::OldCertificate;
use std::fmt;

/// A failed call. Messages are for logs and for authorized readers; they hold no secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection, or none that could be trusted.
    Unreachable(String),
    /// A certificate of an outdated kind.
    Untrusted(OldCertificate, String),
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
    /// Too many requests wait for the server already.
    Overloaded,
}

impl Failure {
    /// The same failure of a request, with the prefix that Go's client gives it.
    pub fn of_request(self, method: &str, url: &str) -> Failure {
        let said = |why: &dyn fmt::Display| format!("{}: {why}", crate::words::request(method, url));
        match self {
            Failure::Unreachable(why) => Failure::Unreachable(said(&why)),
            Failure::Untrusted(certificate, why) => Failure::Untrusted(certificate, said(&why)),
            Failure::Reset(why) => Failure::Reset(said(&why)),
            Failure::TimedOut(why) => Failure::TimedOut(said(&why)),
            Failure::Overloaded => Failure::Unreachable(said(&Failure::Overloaded)),
            other @ (Failure::Status { .. } | Failure::Nonsense(_)) => other,
        }
    }

    /// Whether another try may fare better: upstream's rule.
    pub fn is_passing(&self) -> bool {
        match self {
            Failure::Reset(_) => true,
            Failure::Status { code, asks_for_delay, .. } => {
                *asks_for_delay || matches!(code, 429 | 500 | 504)
            }
            Failure::Unreachable(_)
            | Failure::Untrusted(..)
            | Failure::TimedOut(_)
            | Failure::Nonsense(_)
            | Failure::Overloaded => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Unreachable(what)
            | Failure::Untrusted(_, what)
            | Failure::Reset(what)
            | Failure::TimedOut(what)
            | Failure::Nonsense(what) => f.write_str(what),
            Failure::Status { message, .. } => f.write_str(message),
            Failure::Overloaded => f.write_str("too many requests wait for the server"),
        }
    }
}
