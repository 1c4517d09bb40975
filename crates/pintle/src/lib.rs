//! From flags to a running server: configuration, first-start bootstrap, run and stop.

pub mod authentication;
pub mod bootstrap;
pub mod compatibility;
pub mod config;
pub mod flags;
pub mod kubeconfig;
mod own;
pub mod pki;
pub mod run;
mod service_account;
mod serving;
pub mod snapshot;
mod upkeep;

pub use config::Config;
