//! Reasons why a command line gives no configuration.

/// Why there is no configuration.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    Help(String),
    Refused(String),
}
