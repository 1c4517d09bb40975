//! `Client`: requests to one server over connections that are kept for the next one.

use crate::failure::Failure;
use crate::tls::{Fresh, Tls};
use crate::url::Url;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::HeaderMap;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

/// The most that an answer may hold.
const ANSWER_BYTES_MAX: usize = 8 << 20;
/// Requests to one server at a time; those beyond them wait for their turn. Each has a connection, and clients whose
/// requests lead to others must not take all open files.
pub(crate) const AT_ONCE_MAX: usize = 256;
/// How many unused connections are kept, and for how long: upstream's numbers.
const IDLE_MAX: usize = 25;
const IDLE_AGE_MAX: Duration = Duration::from_secs(90);
/// How long the token of a file holds before the file is read anew.
const TOKEN_FILE_AGE_MAX: Duration = Duration::from_secs(60);
/// The most of an answer that an error repeats.
const SHOWN_CHARS_MAX: usize = 2048;

/// What the client says in its `Authorization` header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credential {
    #[default]
    None,
    Token(String),
    /// A token in a file that others renew.
    TokenFile(PathBuf),
    /// Name and password, in base64.
    Basic(String),
}

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

    /// Whether it says when to ask again.
    fn asks_for_delay(&self) -> bool {
        let after = self.header("retry-after").and_then(|value| value.trim().parse::<u32>().ok());
        after.is_some() && (self.code == 429 || self.code >= 500)
    }

    /// The answer, unless its code is one of failure.
    pub fn success(self) -> Result<Answer, Failure> {
        if (200..=206).contains(&self.code) {
            return Ok(self);
        }
        let text: String = String::from_utf8_lossy(&self.body).chars().take(SHOWN_CHARS_MAX).collect();
        let message = match self.code {
            500 | 504 => {
                format!("an error on the server ({text:?}) has prevented the request from succeeding")
            }
            429 => {
                String::from("the server has received too many requests and has asked us to try again later")
            }
            401 => String::from("the server has asked for the client to provide credentials"),
            404 => String::from("the server could not find the requested resource"),
            503 => String::from("the server is currently unable to handle the request"),
            code => format!("the server responded with the status code {code}: {text}"),
        };
        Err(Failure::Status { code: self.code, message, asks_for_delay: self.asks_for_delay() })
    }
}

type Sender = SendRequest<Full<Bytes>>;

/// Speaks HTTP/1.1, with as many connections as there are requests at a time.
pub struct Client {
    server: Url,
    tls: Option<Fresh>,
    credential: Credential,
    at_once: Semaphore,
    idle: Mutex<Vec<(Sender, Instant)>>,
    file_token: Mutex<Option<(String, Instant)>>,
}

impl Client {
    /// Certificates that cannot be used are an error; whether the server is there shows at the first request.
    pub fn new(server: Url, tls: Tls, credential: Credential) -> Result<Client, String> {
        let tls = if server.is_tls { Some(Fresh::new(tls)?) } else { None };
        let at_once = Semaphore::new(AT_ONCE_MAX);
        Ok(Client { server, tls, credential, at_once, idle: Mutex::default(), file_token: Mutex::default() })
    }

    /// Asks for a path of the server, with its query.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        within: Duration,
    ) -> Result<Answer, Failure> {
        let what = format!("{method} \"{}\"", self.server.with_path(path));
        let asked = tokio::time::timeout(within, self.exchange(&method, path, body)).await;
        match asked {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Failure::Unreachable(why))) => Err(Failure::Unreachable(format!("{what}: {why}"))),
            Ok(Err(Failure::Reset(why))) => Err(Failure::Reset(format!("{what}: {why}"))),
            Ok(Err(other)) => Err(other),
            Err(_) => Err(Failure::TimedOut(format!("{what}: no answer within {within:?}"))),
        }
    }

    async fn exchange(&self, method: &Method, path: &str, body: Option<Bytes>) -> Result<Answer, Failure> {
        let _turn = self.at_once.acquire().await.map_err(|error| Failure::Unreachable(error.to_string()))?;
        // A server may close a connection at the moment in which it is used again.
        while let Some(mut sender) = self.take_idle() {
            if sender.ready().await.is_err() {
                continue;
            }
            match sender.send_request(self.request(method, path, body.clone())?).await {
                Ok(response) => return self.finish(sender, response).await,
                Err(error) if error.is_canceled() || error.is_closed() || error.is_incomplete_message() => {}
                Err(error) => return Err(broken(&error)),
            }
        }
        let mut sender = self.connect().await?;
        let response = sender.send_request(self.request(method, path, body)?).await;
        self.finish(sender, response.map_err(|error| broken(&error))?).await
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(if path.is_empty() { "/" } else { path })
            .header("host", self.server.authority())
            .header("user-agent", concat!("kube-apiserver/pintle-", env!("CARGO_PKG_VERSION")))
            .header("accept", "application/json, */*");
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        if let Some(authorization) = self.authorization()? {
            request = request.header("authorization", authorization);
        }
        let request = request.body(Full::new(body.unwrap_or_default()));
        request.map_err(|error| Failure::Unreachable(error.to_string()))
    }

    fn authorization(&self) -> Result<Option<String>, Failure> {
        match &self.credential {
            Credential::None => Ok(None),
            Credential::Token(token) => Ok(Some(format!("Bearer {token}"))),
            Credential::Basic(both) => Ok(Some(format!("Basic {both}"))),
            Credential::TokenFile(path) => {
                let mut known = self.file_token.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((token, _)) = known.as_ref().filter(|(_, at)| at.elapsed() < TOKEN_FILE_AGE_MAX) {
                    return Ok(Some(format!("Bearer {token}")));
                }
                let read = std::fs::read_to_string(path).map(|text| text.trim().to_string());
                let token = match (read, known.as_ref()) {
                    (Ok(token), _) => token,
                    (Err(_), Some((old, _))) => old.clone(),
                    (Err(error), None) => {
                        return Err(Failure::Unreachable(format!("{}: {error}", path.display())));
                    }
                };
                *known = Some((token.clone(), Instant::now()));
                Ok(Some(format!("Bearer {token}")))
            }
        }
    }

    async fn connect(&self) -> Result<Sender, Failure> {
        let unreachable = |error: &dyn std::fmt::Display| Failure::Unreachable(error.to_string());
        let host = self.server.host.as_str();
        let tcp = TcpStream::connect((host, self.server.port)).await.map_err(|error| unreachable(&error))?;
        let _ = tcp.set_nodelay(true);
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(tcp),
            Some(tls) => {
                let name = ServerName::try_from(tls.server_name(host).to_string());
                let name = name.map_err(|error| unreachable(&error))?;
                let connecting = TlsConnector::from(tls.config()).connect(name, tcp);
                Box::new(connecting.await.map_err(|error| unreachable(&error))?)
            }
        };
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|error| unreachable(&error))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to another server broke");
            }
        });
        Ok(sender)
    }

    async fn finish(
        &self,
        sender: Sender,
        response: hyper::Response<hyper::body::Incoming>,
    ) -> Result<Answer, Failure> {
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| Failure::Reset(error.to_string()))?.to_bytes();
        self.keep(sender);
        Ok(Answer { code: parts.status.as_u16(), headers: parts.headers, body })
    }

    fn take_idle(&self) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(sender, since)| !sender.is_closed() && since.elapsed() < IDLE_AGE_MAX);
        idle.pop().map(|(sender, _)| sender)
    }

    fn keep(&self, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if !sender.is_closed() && idle.len() < IDLE_MAX {
            idle.push((sender, Instant::now()));
        }
    }
}

/// TCP, or TLS over it.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

fn broken(error: &hyper::Error) -> Failure {
    use std::error::Error as _;
    let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    Failure::Reset(format!("{error}{source}"))
}
