//! Load on a server over HTTP/2 and TLS: requests, sending, measurement and reports.

pub mod client;
pub mod fill;
pub mod follow;
mod make;
pub mod measure;
mod mixed;
pub mod options;
mod outward;
pub mod progress;
pub mod ready;
pub mod report;
mod requests;
pub mod start;
pub mod storm;
pub mod tenant;
pub mod watches;
mod webhooks;
pub mod work;
