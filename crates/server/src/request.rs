//! A request, read and resolved.

use crate::query::Query;
use crate::route::Info;
use bytes::Bytes;
use hyper::{HeaderMap, Method};
use pintle_access::{Attributes, User};
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    /// As it came, with its escapes.
    pub path: String,
    /// As it came, if there is one.
    pub raw_query: Option<String>,
    pub query: Query,
    pub headers: HeaderMap,
    /// Read whole, and within the limit on bodies.
    pub body: Bytes,
    pub user: Arc<User>,
    pub info: Info,
    /// The time of the request, in seconds since 1970.
    pub now_seconds: i64,
}

impl Request {
    /// What authorization is asked about the request.
    pub fn attributes(&self) -> Attributes<'_> {
        let info = &self.info;
        Attributes {
            verb: &info.verb,
            is_resource: info.is_resource,
            path: &self.path,
            group: &info.group,
            version: &info.version,
            resource: &info.resource,
            subresource: &info.subresource,
            namespace: &info.namespace,
            name: &info.name,
            field_selector: self.query.text("fieldSelector"),
            label_selector: self.query.text("labelSelector"),
        }
    }

    /// The path with its query.
    pub fn uri(&self) -> String {
        match &self.raw_query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
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
