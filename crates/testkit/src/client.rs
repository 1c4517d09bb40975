//! A small blocking HTTPS client: one connection per request, any certificate, JSON in and out.

use crate::tls;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use serde_json::Value;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// An answer, read to its end.
#[derive(Debug)]
pub struct ClientAnswer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl ClientAnswer {
    /// The body as JSON; fails the test when it is invalid.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Speaks to one server as one user.
pub struct Client {
    port: u16,
    token: Option<String>,
    runtime: tokio::runtime::Runtime,
    tls: TlsConnector,
}

impl Client {
    pub fn new(port: u16, token: Option<&str>) -> Client {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        Client { port, token: token.map(String::from), runtime, tls: tls::connector(&[]) }
    }

    /// Shows a certificate to a server whose own must be of `authority`; all in PEM.
    pub fn with_certificate(port: u16, authority: &str, chain: &str, key: &str) -> Client {
        let mut client = Client::new(port, None);
        client.tls = tls::trusting(authority, Some((chain, key)));
        client
    }

    /// Shows a token to a server whose certificate must be of `authority`.
    pub fn with_token(port: u16, authority: &str, token: &str) -> Client {
        let mut client = Client::new(port, Some(token));
        client.tls = tls::trusting(authority, None);
        client
    }

    pub fn get(&self, path: &str) -> ClientAnswer {
        self.send("GET", path, &[], Bytes::new())
    }

    pub fn delete(&self, path: &str) -> ClientAnswer {
        self.send("DELETE", path, &[], Bytes::new())
    }

    pub fn post(&self, path: &str, body: &Value) -> ClientAnswer {
        self.send("POST", path, &[("content-type", "application/json")], Bytes::from(body.to_string()))
    }

    pub fn put(&self, path: &str, body: &Value) -> ClientAnswer {
        self.send("PUT", path, &[("content-type", "application/json")], Bytes::from(body.to_string()))
    }

    /// `kind` is `merge`, `strategic-merge`, `json` or `apply`.
    pub fn patch(&self, kind: &str, path: &str, body: &Value) -> ClientAnswer {
        let suffix = if kind == "apply" { "yaml" } else { "json" };
        let content_type = format!("application/{kind}-patch+{suffix}");
        self.send("PATCH", path, &[("content-type", &content_type)], Bytes::from(body.to_string()))
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Bytes) -> ClientAnswer {
        self.try_send(method, path, headers, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// A GET of a server that may not be listening.
    pub fn try_get(&self, path: &str) -> Option<ClientAnswer> {
        self.try_send("GET", path, &[], Bytes::new()).ok()
    }

    /// Whether the server ends an HTTP/2 connection after a request on it.
    pub fn is_ended_after(&self, path: &str) -> bool {
        const ENDS_MAX: Duration = Duration::from_secs(2);
        self.runtime.block_on(async {
            let tcp = TcpStream::connect(("127.0.0.1", self.port)).await.expect("the server listens");
            let name = ServerName::try_from("localhost").expect("a name");
            let tls = tls::connector(&[b"h2"]).connect(name, tcp).await.expect("the server speaks TLS");
            let executor = hyper_util::rt::TokioExecutor::new();
            let shaken = hyper::client::conn::http2::handshake(executor, TokioIo::new(tls)).await;
            let (mut sender, connection) = shaken.expect("the server speaks HTTP/2");
            let connection = tokio::spawn(connection);
            let mut request = Request::builder().uri(format!("https://localhost{path}"));
            if let Some(token) = &self.token {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let request = request.body(Full::new(Bytes::new())).expect("a request");
            let response = sender.send_request(request).await.expect("the server answers");
            response.into_body().collect().await.expect("the answer ends");
            tokio::time::timeout(ENDS_MAX, connection).await.is_ok()
        })
    }

    /// The complete lines that a watch delivers within `within`.
    pub fn watch_for(&self, path: &str, within: Duration) -> Vec<Value> {
        self.watch_as(path, "application/json", within)
    }

    /// The same in a form of choice.
    pub fn watch_as(&self, path: &str, accept: &str, within: Duration) -> Vec<Value> {
        self.watch_late(path, &[("accept", accept)], usize::MAX, within, || {})
    }

    /// The first `count` lines, within `within`.
    pub fn watch_until(&self, path: &str, count: usize, within: Duration) -> Vec<Value> {
        self.watch_late(path, &[], count, within, || {})
    }

    /// The same, with nothing read before `meanwhile` is done.
    pub fn watch_late(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        count: usize,
        within: Duration,
        meanwhile: impl FnOnce(),
    ) -> Vec<Value> {
        let open = self.open("GET", path, headers, Bytes::new());
        let mut body = self.runtime.block_on(open).expect("a watch can be opened").into_body();
        meanwhile();
        let (mut bytes, mut ends) = (Vec::new(), 0);
        let read = async {
            while ends < count
                && let Some(Ok(frame)) = body.frame().await
            {
                let data = frame.data_ref().map_or(&[][..], |data| data);
                ends += data.iter().filter(|byte| **byte == b'\n').count();
                bytes.extend_from_slice(data);
            }
        };
        let _ = self.runtime.block_on(async { tokio::time::timeout(within, read).await });
        let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }

    fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<ClientAnswer, Box<dyn std::error::Error>> {
        self.runtime.block_on(async {
            let response = self.open(method, path, headers, body).await?;
            let status = response.status().as_u16();
            let text =
                |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let headers =
                response.headers().iter().map(|(key, value)| (key.to_string(), text(value))).collect();
            let body = response.into_body().collect().await?.to_bytes();
            Ok(ClientAnswer { status, headers, body })
        })
    }

    async fn open(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<hyper::Response<hyper::body::Incoming>, Box<dyn std::error::Error>> {
        let tcp = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let tls = self.tls.connect(ServerName::try_from("localhost")?, tcp).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tls)).await?;
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes())?)
            .uri(path)
            .header("host", "localhost");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (key, value) in headers {
            request = request.header(*key, value.as_bytes());
        }
        Ok(sender.send_request(request.body(Full::new(body))?).await?)
    }
}
