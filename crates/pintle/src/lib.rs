//! From flags to a running server: configuration, first-start bootstrap, run and stop.

pub mod aggregation;
mod audit;
pub mod authentication;
mod authenticators;
pub mod authorization;
pub mod compatibility;
pub mod config;
pub mod encryption;
mod files;
pub mod flags;
mod jwt;
pub mod kubeconfig;
pub mod limits;
mod logging;
mod memory;
mod metrics;
mod metrics_flags;
mod open_files;
mod outward;
mod peer_flags;
pub mod peers;
pub mod pki;
mod priority;
mod process;
pub mod proxying;
mod reload;
pub mod run;
mod service_account;
mod serving;
mod signals;
pub mod snapshot;
mod systemd;
pub mod top;
mod traces;
mod trusted;

pub use config::Config;
