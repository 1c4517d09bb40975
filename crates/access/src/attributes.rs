//! Attributes of a request that authorizers decide by.

/// What a request wants to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes<'a> {
    /// `get`, `list`, ...; for paths that are no resources the method in lower case.
    pub verb: &'a str,
    pub is_resource: bool,
    pub path: &'a str,
    pub group: &'a str,
    pub version: &'a str,
    pub resource: &'a str,
    pub subresource: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
    /// As they were asked; empty when absent.
    pub field_selector: &'a str,
    pub label_selector: &'a str,
}
