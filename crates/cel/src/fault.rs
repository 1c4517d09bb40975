//! Faults: the reasons why an expression has no program.

/// The reason why an expression has no program.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// The message of a compiler, with the lines meant.
    Compile(String),
    /// The fault of a pattern in it.
    Pattern(String),
    /// Something written out that has no value: why.
    Instantiation(String),
    /// Longer than anyone writes them.
    Size,
}
