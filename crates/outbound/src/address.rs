//! Addresses that connections are kept for.

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub is_tls: bool,
    pub host: String,
    pub port: u16,
}
