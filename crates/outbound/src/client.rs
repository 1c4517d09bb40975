//! `Client`: requests to one server over connections that are kept for the next one.

use crate::answer_body::AnswerBody;
use crate::body::RequestBody;
use crate::credential::{Authorization, Credential, Impersonation};
use crate::failure::Failure;
use crate::tls::Tls;
use crate::transport::{Settings, Transport};
use crate::url::Url;
use crate::words;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response};
use std::sync::Arc;
use std::time::Duration;

/// The most that an answer may hold.
const ANSWER_BYTES_MAX: usize = 8 << 20;
/// The most of an answer that an error repeats.
const SHOWN_CHARS_MAX: usize = 2048;

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    pub code: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// A header that is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The seconds to wait before the next request (`Retry-After`), where the server says so.
    pub fn retry_after(&self) -> Option<u32> {
        let after = self.headers.get(RETRY_AFTER)?.to_str().ok()?;
        after.trim().parse().ok().filter(|_| self.code == 429 || self.code >= 500)
    }

    fn is_text(&self) -> bool {
        self.header("content-type").is_none_or(|kind| kind.is_empty() || kind.starts_with("text/"))
    }

    /// The answer, unless its code is one of failure.
    pub fn success(self) -> Result<Answer, Failure> {
        if (200..=206).contains(&self.code) {
            return Ok(self);
        }
        let asks_for_delay = self.retry_after().is_some();
        Err(Failure::Status { code: self.code, message: self.failure(), asks_for_delay })
    }

    /// The text of an answer that is no success and no Status: client-go's `NewGenericServerResponse`.
    pub fn failure(&self) -> String {
        let text = || -> String {
            let text = String::from_utf8_lossy(&self.body);
            let text: String = text.trim().chars().take(SHOWN_CHARS_MAX).collect();
            if self.is_text() && !text.is_empty() { text } else { "unknown".into() }
        };
        String::from(match self.code {
            400 => "the server rejected our request for an unknown reason",
            401 => "the server has asked for the client to provide credentials",
            403 | 415 => return text(),
            404 => "the server could not find the requested resource",
            405 => "the server does not allow this method on the requested resource",
            406 => match text().as_str() {
                "unknown" => "the server was unable to respond with a content type that the client supports",
                said => return said.into(),
            },
            409 => "the server reported a conflict",
            422 => "the server rejected our request due to an error in our request",
            429 => "the server has received too many requests and has asked us to try again later",
            503 => "the server is currently unable to handle the request",
            504 => {
                "the server was unable to return a response in the time allotted, but may still be \
                 processing the request"
            }
            500.. => {
                return format!(
                    "an error on the server ({}) has prevented the request from succeeding",
                    pintle_object::field::quote(&text())
                );
            }
            code => {
                return format!(
                    "the server responded with the status code {code} but did not return more information"
                );
            }
        })
    }
}

/// The name of the program, in the form that clients of Kubernetes have it.
#[cfg(target_arch = "x86_64")]
const USER_AGENT: &str =
    concat!("kube-apiserver/v1.36 (linux/amd64) kubernetes/pintle-", env!("CARGO_PKG_VERSION"));
#[cfg(not(target_arch = "x86_64"))]
const USER_AGENT: &str =
    concat!("kube-apiserver/v1.36 (linux/arm64) kubernetes/pintle-", env!("CARGO_PKG_VERSION"));

/// Requests to one server: its address, credentials, and transport.
pub struct Client {
    transport: Arc<Transport>,
    server: Url,
    authorization: Authorization,
    user_agent: HeaderValue,
    answer_bytes_max: usize,
}

impl Client {
    /// Invalid certificates are an error; whether the server can be reached shows at the first request.
    pub fn new(server: Url, tls: Tls, credential: Credential) -> Result<Client, String> {
        let transport = Transport::new(Settings { tls, ..Settings::default() })?;
        Ok(Client::over(Arc::new(transport), server, credential))
    }

    /// A client over a transport that may be others' too.
    pub fn over(transport: Arc<Transport>, server: Url, credential: Credential) -> Client {
        let user_agent = HeaderValue::from_static(USER_AGENT);
        let authorization = Authorization::new(credential);
        Client { transport, server, authorization, user_agent, answer_bytes_max: ANSWER_BYTES_MAX }
    }

    /// Names the client otherwise.
    pub fn named(mut self, user_agent: &'static str) -> Client {
        self.user_agent = HeaderValue::from_static(user_agent);
        self
    }

    /// Adds an impersonated user.
    pub fn acting_as(mut self, whom: &Impersonation) -> Result<Client, String> {
        self.authorization = self.authorization.acting_as(whom)?;
        Ok(self)
    }

    /// Allows answers of another size.
    pub fn reading(mut self, answer_bytes_max: usize) -> Client {
        self.answer_bytes_max = answer_bytes_max;
        self
    }

    pub fn server(&self) -> &Url {
        &self.server
    }

    /// Asks for a path of the server, with its query.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        within: Duration,
    ) -> Result<Answer, Failure> {
        self.send_with(method, path, body, within, &[]).await
    }

    /// Asks with further headers.
    pub async fn send_with(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        within: Duration,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Answer, Failure> {
        let url = self.server.with_path(if path.is_empty() { "/" } else { path }).to_string();
        // Boxed: the futures of requests of this server's own need not make room for calls that few of them make.
        let asked = Box::pin(async {
            let request = self.request(&method, &url, body, headers).await?;
            self.read(self.transport.round_trip(request).await?, &method, &url).await
        });
        match tokio::time::timeout(within, asked).await {
            Ok(answer) => answer.map_err(|failure| failure.of_request(method.as_str(), &url)),
            Err(_) => Err(Failure::TimedOut(words::DEADLINE.into()).of_request(method.as_str(), &url)),
        }
    }

    async fn request(
        &self,
        method: &Method,
        url: &str,
        body: Option<Bytes>,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Request<RequestBody>, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .header("user-agent", &self.user_agent)
            .header("accept", "application/json, */*");
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let request = request.body(body.map_or_else(RequestBody::empty, RequestBody::bytes));
        let mut request = request.map_err(|error| Failure::Unreachable(error.to_string()))?;
        self.authorization.add(request.headers_mut()).await?;
        for (name, value) in headers {
            request.headers_mut().append(name, value.clone());
        }
        Ok(request)
    }

    async fn read(
        &self,
        response: Response<AnswerBody>,
        method: &Method,
        url: &str,
    ) -> Result<Answer, Failure> {
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, self.answer_bytes_max).collect().await;
        let body = body.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
            Some(_) => Failure::Nonsense(format!(
                "{}: the answer is larger than {} bytes",
                words::request(method.as_str(), url),
                self.answer_bytes_max
            )),
            None => Failure::Reset(format!(
                "unexpected error when reading response body. Please retry. Original error: {error}"
            )),
        })?;
        Ok(Answer { code: parts.status.as_u16(), headers: parts.headers, body: body.to_bytes() })
    }
}
