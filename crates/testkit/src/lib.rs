//! Shared parts of tests: a running pintle of their own, clients for it, and a judge of the answers to clients.
//!
//! A test talks to loopback only, on a free port, and ends only the process that it started.

mod api_server;
mod background;
pub mod certificates;
mod client;
mod collector;
mod deployed;
mod etcd;
mod eventually;
mod follower;
mod front_proxy;
mod grpc;
mod grpc_proxy;
pub mod history;
mod hollow_node;
pub mod hook;
mod http2;
mod https;
mod kms;
mod kubelet;
mod random;
mod raw;
mod server;
mod session;
pub mod tls;

pub use api_server::{ApiServer, ECHO, Headers};
pub use client::{Client, ClientAnswer};
pub use collector::{Collected, Collector};
pub use deployed::Deployed;
pub use etcd::{Etcd, etcd_binary};
pub use eventually::{WITHIN, eventually};
pub use follower::{Follower, Seen};
pub use front_proxy::front_proxy_flags;
pub use grpc_proxy::GrpcProxy;
pub use hollow_node::HollowNode;
pub use hook::Hook;
pub use http2::{Http2, Sent};
pub use https::{Https, SeenRequest};
pub use kms::KmsPlugin;
pub use kubelet::{FOLLOWED_LINES, Kubelet};
pub use random::{Random, number_from_env};
pub use raw::{HTTP2_BEGIN, Raw};
pub use server::{Server, free_port, kubectl, pintle_binary};
pub use session::{Lost, Session};
