//! What the tests share: a running pintle of their own, and a plain HTTP client for it.
//!
//! A test talks to loopback only, on a free port, and ends only the process that it started.

mod client;
mod etcd;
mod server;
pub mod tls;

pub use client::{Answer, Client};
pub use etcd::{Etcd, etcd_binary};
pub use server::{Server, free_port, kubectl, pintle_binary};
