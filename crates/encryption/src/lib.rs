//! Encryption at rest, compatible with kube-apiserver: each reads the values that the other wrote.
//!
//! A configuration (`configuration`) becomes a table of providers by resource (`resources`). A value is encrypted by
//! the first provider of its resource and decrypted by the provider of its prefix (`chain`). KMS plugins are called
//! over gRPC (`kms`); a changed file replaces the table while the server runs (`reload`).

mod aes;
mod chain;
mod configuration;
mod digest;
mod encryption;
mod extended_nonce;
mod failure;
mod fields;
mod group_resource;
mod health;
mod key_ring;
mod kms;
mod metrics;
mod reload;
mod resources;
mod secretbox;
mod tag;
mod validation;

pub use configuration::{Configuration, read_file};
pub use encryption::{CHECK, Encryption};
pub use failure::Failure;
pub use group_resource::GroupResource;
pub use metrics::Metrics;
pub use reload::RELOAD_HOOK;
pub use resources::KeySpace;

#[cfg(test)]
mod tests;
