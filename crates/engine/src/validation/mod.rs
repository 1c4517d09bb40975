//! Checks that many kinds share, each with upstream's messages.

pub mod meta;

/// How a kind's name is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    Subdomain,
    Label,
    /// A label that starts with a letter.
    Dns1035,
    /// Anything that can be one segment of a URL's path.
    PathSegment,
    /// Anything but the empty text.
    Any,
}
