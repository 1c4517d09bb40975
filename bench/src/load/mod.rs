//! Load on a server over HTTP/2 and TLS: what is asked for, how it is sent, measured and shown.

pub mod client;
pub mod measure;
pub mod options;
pub mod report;
pub mod start;
pub mod watches;
pub mod work;
