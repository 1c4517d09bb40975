//! Calls to other servers: where they are, by which certificates and tokens both sides are known, and when a call is
//! tried again. What is said in a call is its caller's business.

mod backoff;
mod client;
mod failure;
mod fetch;
mod kubeconfig;
mod tls;
mod url;
mod webhook;

pub use backoff::Backoff;
pub use client::{Answer, Client, Credential};
pub use failure::Failure;
pub use fetch::fetch;
pub use kubeconfig::Kubeconfig;
pub use tls::{Pem, Tls};
pub use url::Url;
pub use webhook::Webhook;

#[cfg(test)]
mod tests;
