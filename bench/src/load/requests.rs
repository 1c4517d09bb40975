//! Requests that several loads send.

use crate::load::client::Ask;
use crate::load::measure::LoadShape;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

pub const JSON: &str = "application/json";

pub const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

pub const MERGE: &str = "application/merge-patch+json";

pub const WRITES: LoadShape = LoadShape { connections: 10, streams: 10 };

/// A ConfigMap of about 300 bytes.
pub fn config_map(n: u64, value: &str) -> String {
    let (name, padding) = (name(n), "x".repeat(160));
    format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","labels":{{"app":"bench"}}}},"data":{{"key":"{value}","padding":"{padding}"}}}}"#
    )
}

/// A Secret of the same size, whose values are the Base64 of what a ConfigMap has.
pub fn secret(n: u64, value: &str) -> String {
    let (name, value, padding) = (name(n), STANDARD.encode(value), "eHh4".repeat(40));
    format!(
        r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"{name}","labels":{{"app":"bench"}}}},"data":{{"key":"{value}","padding":"{padding}"}}}}"#
    )
}

pub fn post(path: &str, body: impl Into<Bytes>) -> Ask {
    Ask { method: "POST", path: path.into(), content_type: JSON, body: body.into(), ..Ask::default() }
}

pub fn name(n: u64) -> String {
    format!("c-{n:08}")
}
