//! A request, read and resolved.

use crate::query::Query;
use crate::route::RequestInfo;
use bytes::Bytes;
use hyper::{HeaderMap, Method};
use pintle_access::{Attributes, User};
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    /// Path and query as they came, with their escapes.
    pub uri: String,
    pub query: Query,
    pub headers: HeaderMap,
    /// Read whole, and within the limit on bodies.
    pub body: Bytes,
    pub user: Arc<User>,
    pub info: RequestInfo,
    /// The time of the request, in seconds since 1970.
    pub now_seconds: i64,
}

impl Request {
    /// What authorization is asked about the request.
    pub fn attributes(&self) -> Attributes<'_> {
        let info = &self.info;
        Attributes {
            verb: info.verb_name(),
            is_resource: info.is_resource,
            path: &info.path,
            group: &info.group,
            version: &info.version,
            resource: &info.resource,
            subresource: &info.subresource,
            namespace: &info.namespace,
            name: &info.name,
            field_selector: &info.field_selector,
            label_selector: &info.label_selector,
        }
    }

    /// The path without its escapes: the one that was authorized.
    pub fn path(&self) -> &str {
        &self.info.path
    }

    /// The first value of a header; empty when absent or not text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// All values of a header, joined as one list.
    pub fn header_list(&self, name: &str) -> String {
        let values: Vec<&str> =
            self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        values.join(", ")
    }

    pub fn user_agent(&self) -> &str {
        self.header("user-agent")
    }
}
