//! Tokens of service accounts: signed here, and valid as long as the objects that they are bound to exist.

mod claims;
mod keys;
mod legacy;
mod metrics;
mod standing;
mod tokens;

pub use claims::{Bound, Grant};
pub use keys::{Algorithm, Jwk, SigningKey, VerifyingKey};
pub use legacy::LAST_USED;
pub use metrics::TokenMetrics;
pub use tokens::{KeySource, ServiceAccountTokens, sign};

#[cfg(test)]
mod tests;
