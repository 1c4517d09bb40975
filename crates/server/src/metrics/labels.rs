//! Labels of requests in metrics: a few known values each, by upstream's rules.
//! (`k8s.io/apiserver/pkg/endpoints/metrics`.)

use crate::request::Request;
use crate::resolve::CONNECTING;
use hyper::{Method, header};
use pintle_object::{RequestInfo, Verb};

const APPLY: &str = "application/apply-patch+yaml";
const OTHER: &str = "other";

/// The labels of a request about a resource.
#[derive(Clone, Copy)]
pub struct Labels<'a> {
    pub group: &'a str,
    pub resource: &'a str,
    pub scope: &'static str,
    pub subresource: &'a str,
    pub verb: &'static str,
    pub version: &'a str,
}

impl Labels<'_> {
    /// The labels of all requests that resolve to nothing: they are counted together, so that no client can make
    /// series.
    pub const OTHER: Labels<'static> =
        Labels { group: "", resource: "", scope: "", subresource: "", verb: OTHER, version: "" };

    /// Those of a request that resolved.
    pub fn of(request: &Request) -> Labels<'_> {
        let RequestInfo { group, version, resource, subresource, .. } = request.info.as_ref();
        Labels { group, resource, scope: scope(&request.info), subresource, verb: verb(request), version }
    }
}

fn scope(info: &RequestInfo) -> &'static str {
    match (info.name.is_empty() && info.verb != Verb::Create, info.namespace.is_empty()) {
        (false, _) => "resource",
        (true, false) => "namespace",
        (true, true) => "cluster",
    }
}

/// The label of the method; verbs that share a method are told apart.
fn verb(request: &Request) -> &'static str {
    if CONNECTING.contains(&request.info.subresource.as_str()) {
        return "CONNECT";
    }
    match request.info.verb {
        Verb::Create => "POST",
        Verb::Delete | Verb::DeleteCollection => "DELETE",
        Verb::Get => "GET",
        Verb::List => "LIST",
        Verb::Patch if request.header(header::CONTENT_TYPE) == APPLY => "APPLY",
        Verb::Patch => "PATCH",
        Verb::Update => "PUT",
        Verb::Watch => "WATCH",
        Verb::Proxy | Verb::Other(_) => method(&request.method),
    }
}

/// The label of a method that has no verb of its own, as those of paths that are no resources.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::CONNECT => "CONNECT",
        Method::GET | Method::HEAD => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        _ => OTHER,
    }
}

/// The `dryRun` of a request; all invalid values are one label.
pub fn dry_run(request: &Request) -> &'static str {
    let mut asked = request.query.all("dryRun");
    match (request.query.first("dryRun").is_some(), asked.all(|value| value == "All")) {
        (false, _) => "",
        (true, true) => "All",
        (true, false) => "invalid",
    }
}

/// The `fieldValidation` of a request; all invalid values are one label.
pub fn field_validation(request: &Request) -> &'static str {
    let mut asked = request.query.all("fieldValidation");
    match (asked.next(), asked.next()) {
        (None, _) => "",
        (Some("Ignore"), None) => "Ignore",
        (Some("Warn"), None) => "Warn",
        (Some("Strict"), None) => "Strict",
        _ => "invalid",
    }
}

/// The names of well-known users; for others only whether they look like an email address.
pub fn user(name: &str) -> &str {
    match name {
        "admin" | "client" | "kube_proxy" | "kubelet" | "system:serviceaccount:kube-system:default" => name,
        _ if name.contains('@') => "email_id",
        _ => "other",
    }
}

/// A code as text; none of HTTP has to be written.
pub fn code(status: u16) -> &'static str {
    const CODES: [(u16, &str); 30] = [
        (101, "101"),
        (200, "200"),
        (201, "201"),
        (202, "202"),
        (204, "204"),
        (206, "206"),
        (301, "301"),
        (302, "302"),
        (304, "304"),
        (307, "307"),
        (308, "308"),
        (400, "400"),
        (401, "401"),
        (403, "403"),
        (404, "404"),
        (405, "405"),
        (406, "406"),
        (408, "408"),
        (409, "409"),
        (410, "410"),
        (412, "412"),
        (413, "413"),
        (415, "415"),
        (422, "422"),
        (429, "429"),
        (500, "500"),
        (501, "501"),
        (502, "502"),
        (503, "503"),
        (504, "504"),
    ];
    CODES.iter().find(|(known, _)| *known == status).map_or("other", |(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_without_a_verb_are_told_by_name() {
        let all = [Method::HEAD, Method::POST, Method::PUT, Method::CONNECT, Method::OPTIONS, Method::TRACE];
        assert_eq!(all.map(|known| method(&known)), ["GET", "POST", "PUT", "CONNECT", "other", "other"]);
    }

    #[test]
    fn users_are_told_apart_by_what_is_known_everywhere() {
        let found = ["admin", "a@b", "system:node:a", "kubelet"].map(user);
        assert_eq!(found, ["admin", "email_id", "other", "kubelet"]);
        assert_eq!([code(200), code(422), code(299)], ["200", "422", "other"]);
    }
}
