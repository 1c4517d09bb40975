//! Reasons why a command line gives no configuration.

/// The reason why a command line gives no configuration.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    Help(String),
    Refused(String),
}
