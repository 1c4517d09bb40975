//! Calls to other servers: addresses, certificates and tokens of both sides, and retries. The content of a call is its
//! caller's business.

mod address;
mod answer_body;
mod auth_info;
mod backoff;
mod body;
mod client;
mod connect;
mod credential;
mod dial;
mod egress;
mod failure;
mod faults;
mod fetch;
mod hooks;
mod kubeconfig;
mod pool;
mod proxies;
mod services;
mod spans;
mod tls;
mod transport;
mod url;
mod verify;
mod webhook;
pub mod words;

pub use answer_body::AnswerBody;
pub use auth_info::{AuthInfo, AuthInfos};
pub use backoff::Backoff;
pub use body::{BoxError, RequestBody};
pub use client::{Answer, Client};
pub use credential::{Credential, Impersonation};
pub use dial::{Dialed, Dialer, Direct, Pending, Stream, join_host_port};
pub use egress::Egress;
pub use failure::Failure;
pub use faults::CertificateFaults;
pub use fetch::fetch;
pub use hooks::{HookAddress, HookClient, HookTarget, Hooks, Loopback};
pub use hyper::Method;
pub use kubeconfig::Kubeconfig;
pub use pool::Limits;
pub use proxies::Proxies;
pub use services::{HostPort, ServiceDialer, ServiceResolver, ServiceSource};
pub use tls::{Pem, Tls};
pub use transport::{Settings, Transport, Upgraded};
pub use url::Url;
pub use verify::OldCertificate;
pub use webhook::Webhook;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod transport_tests;
