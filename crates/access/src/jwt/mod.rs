//! JSON web tokens of other issuers: configured by flags or a file, checked with keys that the issuers publish.

mod authenticator;
mod claims;
mod compact;
mod configuration;
mod expressions;
mod keys;
mod provider;
mod validation;

pub use authenticator::JwtAuthenticator;
pub use compact::Unproven;
pub(crate) use compact::{audiences, number};
pub use configuration::{
    Anonymous, ClaimMappings, ClaimOrExpression, ClaimRule, Configuration, Issuer, Jwt, Mapping,
};
pub use keys::{ALGORITHMS, KeySet};
pub use validation::validate;

#[cfg(test)]
mod tests;
