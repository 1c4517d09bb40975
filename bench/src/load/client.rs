//! A lean HTTP/2 client over TLS, so that the server is measured and not the client.

use super::options::TargetServer;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use pintle_testkit::tls;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;

const WINDOW_BYTES: u32 = 64 << 20;

/// One connection; clones share it.
#[derive(Clone)]
pub struct LoadClient {
    sender: SendRequest<Full<Bytes>>,
    authority: String,
    token: String,
}

/// A request to send.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    pub method: &'static str,
    pub path: String,
    pub accept: &'static str,
    /// The accepted encodings of the answer.
    pub encoding: &'static str,
    pub content_type: &'static str,
    pub body: Bytes,
    /// The user and group that the request is made as, when it is not the token's.
    pub user: Option<(&'static str, &'static str)>,
}

impl Ask {
    pub fn get(path: impl Into<String>, accept: &'static str) -> Ask {
        Ask { method: "GET", path: path.into(), accept, ..Ask::default() }
    }
}

impl LoadClient {
    pub async fn connect(target: &TargetServer) -> Result<LoadClient, String> {
        LoadClient::connect_with(target, WINDOW_BYTES).await
    }

    /// A connection on which this much may be under way.
    pub async fn connect_with(target: &TargetServer, window: u32) -> Result<LoadClient, String> {
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", target.url);
        let authority = target.url.trim_start_matches("https://").trim_end_matches('/');
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let tcp = TcpStream::connect(authority).await.map_err(|error| failed(&error))?;
        tcp.set_nodelay(true).map_err(|error| failed(&error))?;
        let name = ServerName::try_from(host.to_string()).map_err(|error| failed(&error))?;
        let tls = tls::connector(&[b"h2"]).connect(name, tcp).await.map_err(|error| failed(&error))?;
        let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(window)
            .initial_connection_window_size(window)
            .max_frame_size(1 << 20)
            .handshake(TokioIo::new(tls))
            .await
            .map_err(|error| failed(&error))?;
        tokio::spawn(connection);
        Ok(LoadClient { sender, authority: authority.into(), token: format!("Bearer {}", target.token) })
    }

    /// The answer's status and head; its body is still to be read.
    pub async fn open(&mut self, ask: &Ask) -> Result<Response<Incoming>, String> {
        let mut request = Request::builder()
            .method(ask.method)
            .uri(format!("https://{}{}", self.authority, ask.path))
            .header("authorization", &self.token);
        if !ask.accept.is_empty() {
            request = request.header("accept", ask.accept);
        }
        if !ask.encoding.is_empty() {
            request = request.header("accept-encoding", ask.encoding);
        }
        if !ask.content_type.is_empty() {
            request = request.header("content-type", ask.content_type);
        }
        if let Some((user, group)) = ask.user {
            request = request.header("impersonate-user", user).header("impersonate-group", group);
        }
        let request = request.body(Full::new(ask.body.clone())).map_err(|error| error.to_string())?;
        self.sender.ready().await.map_err(|error| error.to_string())?;
        self.sender.send_request(request).await.map_err(|error| error.to_string())
    }

    /// Status and number of bytes of an answer that is read to its end and dropped.
    pub async fn drain(&mut self, ask: &Ask) -> Result<(u16, u64), String> {
        let response = self.open(ask).await?;
        let status = response.status().as_u16();
        let mut body = response.into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| error.to_string())?;
            bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
        }
        Ok((status, bytes))
    }

    /// The whole answer, which must be a success.
    pub async fn fetch(&mut self, ask: &Ask) -> Result<Bytes, String> {
        let response = self.open(ask).await?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        if status.is_success() {
            return Ok(body);
        }
        Err(format!("{} {}: {status}: {}", ask.method, ask.path, String::from_utf8_lossy(&body)))
    }
}
