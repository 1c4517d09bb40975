//! Proxied requests to kubelets, Pods and Services: passed on with or without an upgrade, logs, and streams of
//! processes and ports, translated between WebSocket and SPDY where the two sides differ. The caller passes objects:
//! nothing here knows the store.

mod api_service;
pub mod copy;
mod error_stream;
mod forward;
pub mod headers;
mod html;
mod kubelet;
mod location;
pub mod log;
pub mod peers;
pub mod pod;
mod rewrite;
mod server_behind;
mod session;
pub mod socket;
pub mod spdy;
pub mod translate;
pub mod tunnel;
pub mod url;
pub mod websocket;

pub use api_service::{ApiServices, Remote, Ways};
pub use forward::{Forward, Incoming, Reply, Serve, empty, host_of, plain};
pub use kubelet::{Kubelet, KubeletFlags, Kubelets, is_global_unicast, limits};
pub use location::{Location, encode_query, split_scheme_name_port};
pub use rewrite::AnswerBody;
pub use server_behind::{Refused, RemoteDocument};
