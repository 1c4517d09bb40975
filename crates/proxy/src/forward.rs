//! Requests that are passed on to another server, with or without an upgrade of the connection:
//! `apimachinery/pkg/util/proxy/upgradeaware.go` upstream.

use crate::copy;
use crate::headers;
use crate::location::Location;
use crate::rewrite::{AnswerBody, Rewriting};
use crate::url::{self, escape_path};
use http_body_util::BodyExt;
use hyper::header::{HOST, HeaderName, HeaderValue, LOCATION};
use hyper::{HeaderMap, Method, Response};
use pintle_object::{Reason, Status};
use pintle_outbound::{Failure, Pending, RequestBody, Stream, Transport, Upgraded};
use std::net::IpAddr;

/// A request as the client sent it, without headers about its user.
pub struct Incoming {
    pub method: Method,
    /// Without escapes.
    pub path: String,
    /// As it was sent; empty without one.
    pub query: String,
    /// The host that the client asked.
    pub host: String,
    pub headers: HeaderMap,
    pub body: RequestBody,
    pub peer: Option<IpAddr>,
    /// Whether the connection can become another protocol's.
    pub can_upgrade: bool,
}

/// Serves a connection that is upgraded.
pub type Serve = Box<dyn FnOnce(Box<dyn Stream>) -> Pending<'static, ()> + Send>;

/// The reply to the client.
pub enum Reply {
    Answer(Response<AnswerBody>),
    /// The head of a 101 answer, and the task that serves the upgraded connection.
    Upgrade(HeaderMap, Serve),
}

impl Incoming {
    /// A request of this server's own for a document.
    pub fn get(path: &str, headers: HeaderMap) -> Incoming {
        Incoming {
            method: Method::GET,
            path: path.into(),
            query: String::new(),
            host: String::new(),
            headers,
            body: RequestBody::empty(),
            peer: None,
            can_upgrade: false,
        }
    }

    /// Whether the client asks for another protocol on its connection.
    pub fn is_upgrade(&self) -> bool {
        self.can_upgrade && headers::is_upgrade(&self.headers)
    }
}

/// The destination of a request that is passed on, and the rules for it.
pub struct Forward<'a> {
    pub transport: &'a Transport,
    pub location: Location,
    /// Whether links and redirects of answers are rewritten.
    pub rewrites: bool,
    pub must_upgrade: bool,
}

impl Forward<'_> {
    pub async fn send(self, incoming: Incoming) -> Result<Reply, Status> {
        if incoming.is_upgrade() {
            return self.upgrade(incoming).await;
        }
        if self.must_upgrade {
            return Err(Status::bad_request("Upgrade request required"));
        }
        self.pass(incoming).await.map(Reply::Answer)
    }

    async fn pass(self, incoming: Incoming) -> Result<Response<AnswerBody>, Status> {
        let mut location = self.location.clone().with_query(incoming.query.clone());
        if !location.path.ends_with('/') && incoming.path.ends_with('/') {
            location.path.push('/');
        }
        if location.path.is_empty() && matches!(incoming.method, Method::GET | Method::HEAD) {
            return to_root(&incoming);
        }
        if location.path.is_empty() {
            location.path.push('/');
        }
        let rewriting = self.rewriting(&incoming, &location);
        let Incoming { method, mut headers, body, peer, host, .. } = incoming;
        headers::of_request(&mut headers, peer);
        if self.rewrites {
            set(&mut headers, "x-forwarded-uri", &forwarded_uri(&rewriting.prefix, &location.path));
        }
        set(&mut headers, "host", &host);
        let mut request = hyper::Request::new(body);
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) =
            (method, location.uri()?, headers);
        let response = self.transport.round_trip(request).await.map_err(|failure| unreachable(&failure))?;
        let (mut parts, body) = response.into_parts();
        let mut body = body.boxed_unsync();
        if self.rewrites {
            match parts
                .headers
                .get(LOCATION)
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            {
                Some(redirect) if !redirect.is_empty() => {
                    let link = rewriting.link(&redirect).ok_or_else(|| unreadable(&redirect))?;
                    set(&mut parts.headers, LOCATION.as_str(), &link);
                }
                _ => body = rewriting.body(&mut parts.headers, body).await,
            }
            headers::strip_cors(&mut parts.headers);
        }
        headers::strip_hops(&mut parts.headers);
        let mut answer = Response::new(body);
        (*answer.status_mut(), *answer.headers_mut()) = (parts.status, parts.headers);
        Ok(answer)
    }

    fn rewriting(&self, incoming: &Incoming, location: &Location) -> Rewriting {
        let mut suffix = self.location.path.clone();
        if incoming.path.ends_with('/') && !suffix.ends_with('/') {
            suffix.push('/');
        }
        let prefix = incoming.path.strip_suffix(&suffix).unwrap_or(&incoming.path).to_string();
        let scheme = if location.is_tls { "https" } else { "http" };
        Rewriting {
            prefix,
            source_host: location.host.clone(),
            request_host: incoming.host.clone(),
            scheme: (incoming.host == location.host).then_some(scheme),
        }
    }

    async fn upgrade(self, incoming: Incoming) -> Result<Reply, Status> {
        Ok(match self.upgrade_raw(incoming).await? {
            Err(answer) => Reply::Answer(answer),
            Ok((head, stream)) => {
                Reply::Upgrade(head, Box::new(move |client| Box::pin(copy::both_ways(client, stream))))
            }
        })
    }

    /// The head of the other server's answer and the connection to it, or its refusal.
    pub(crate) async fn upgrade_raw(self, incoming: Incoming) -> Result<Upgrading, Status> {
        let Incoming { method, mut headers, body, peer, host, .. } = incoming;
        headers::add_forwarded(&mut headers, peer);
        set(&mut headers, "host", &host);
        headers.entry("user-agent").or_insert(HeaderValue::from_static("Go-http-client/1.1"));
        let mut request = hyper::Request::new(body);
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) =
            (method, self.location.uri()?, headers);
        let (response, stream) =
            self.transport.upgrade(request).await.map_err(|failure| undialed(&failure))?;
        let (parts, body) = response.into_parts();
        if let Some(stream) = stream {
            return Ok(Ok((parts.headers, stream)));
        }
        if parts.status.as_u16() < 400 {
            let code = parts.status.as_u16();
            return Err(plain(format!("invalid upgrade response: status code {code}")));
        }
        let mut answer = Response::new(body.boxed_unsync());
        (*answer.status_mut(), *answer.headers_mut()) = (parts.status, parts.headers);
        headers::strip_hops(answer.headers_mut());
        set(answer.headers_mut(), "connection", "close");
        Ok(Err(answer))
    }
}

/// A connection that was upgraded, or why it was not.
pub(crate) type Upgrading = Result<(HeaderMap, Upgraded), Response<AnswerBody>>;

/// The redirect to the same path with a slash at the end, from which relative links of a page are resolved.
fn to_root(incoming: &Incoming) -> Result<Response<AnswerBody>, Status> {
    let query = if incoming.query.is_empty() { String::new() } else { format!("?{}", incoming.query) };
    let location = HeaderValue::try_from(format!("{}/{query}", incoming.path)).map_err(Status::internal)?;
    let mut answer = Response::new(empty());
    *answer.status_mut() = hyper::StatusCode::MOVED_PERMANENTLY;
    answer.headers_mut().insert(LOCATION, location);
    Ok(answer)
}

/// A body without anything in it.
pub fn empty() -> AnswerBody {
    http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync()
}

fn forwarded_uri(prefix: &str, path: &str) -> String {
    let mut joined = url::join(prefix, &escape_path(path));
    if path.ends_with('/') && !joined.ends_with("//") {
        joined.push('/');
    }
    joined
}

fn set(headers: &mut HeaderMap, name: &str, value: &str) {
    let name = HeaderName::from_bytes(name.as_bytes());
    if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
        headers.insert(name, value);
    }
}

/// A failure that upstream passes on without a reason.
pub fn plain(message: impl Into<String>) -> Status {
    Status::new(500, Reason::Unknown, message)
}

fn unreachable(failure: &Failure) -> Status {
    Status::new(503, Reason::ServiceUnavailable, format!("error trying to reach service: {failure}"))
}

fn undialed(failure: &Failure) -> Status {
    match failure {
        Failure::Unreachable(why) | Failure::Untrusted(_, why) => {
            plain(format!("error dialing backend: {why}"))
        }
        other => plain(other.to_string()),
    }
}

fn unreadable(redirect: &str) -> Status {
    let quoted = pintle_object::field::quote(redirect);
    Status::internal(format!("error trying to parse Location header: parse {quoted}: invalid URL"))
}

/// The value of the Host header of a request.
pub fn host_of(headers: &HeaderMap) -> String {
    headers.get(HOST).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwarded_addresses_have_the_prefix() {
        assert_eq!(forwarded_uri("/p/proxy", "/a/"), "/p/proxy/a/");
        assert_eq!(forwarded_uri("/p/proxy/a b", "/a b"), "/p/proxy/a b/a%20b");
    }
}
