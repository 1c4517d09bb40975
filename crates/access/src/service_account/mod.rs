//! Tokens of service accounts: made here, and believed as long as what they are bound to is there.

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
