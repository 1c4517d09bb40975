//! A client that stays connected, for tests that send much; failures are returned, and never sent again.

use crate::client::ClientAnswer;
use crate::tls;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use serde_json::Value;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// After which an answer is no longer waited for.
const ANSWER_MAX: Duration = Duration::from_secs(30);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The reason why there is no answer.
#[derive(Debug)]
pub enum Lost {
    /// The server could not be reached.
    Unsent(Failure),
    /// It may have been carried out.
    Unanswered(Failure),
}

/// One connection to one server as one user, made when it is needed and again after a failure.
pub struct Session {
    port: u16,
    token: String,
    tls: TlsConnector,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Session {
    pub fn new(port: u16, token: &str) -> Session {
        Session { port, token: token.into(), tls: tls::connector(&[]), sender: None }
    }

    /// The same, with a new connection.
    pub fn again(&self) -> Session {
        Session { port: self.port, token: self.token.clone(), tls: self.tls.clone(), sender: None }
    }

    /// An answer, read to its end.
    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<ClientAnswer, Lost> {
        if self.sender.as_ref().is_none_or(SendRequest::is_closed) {
            let connected = tokio::time::timeout(ANSWER_MAX, self.connect()).await;
            let connected = connected.unwrap_or_else(|_| Err(Failure::from("no connection in time")));
            self.sender = Some(connected.map_err(Lost::Unsent)?);
        }
        let exchange = async {
            let response = self.open(method, path, body).await?;
            let status = response.status().as_u16();
            let body = response.into_body().collect().await?.to_bytes();
            Ok::<_, Failure>(ClientAnswer { status, headers: Vec::new(), body })
        };
        let result = tokio::time::timeout(ANSWER_MAX, exchange).await;
        let result = result.unwrap_or_else(|_| Err(Failure::from("no answer in time")));
        if result.is_err() {
            self.sender = None;
        }
        result.map_err(Lost::Unanswered)
    }

    /// The head of an answer whose body is still to be read: a watch.
    pub async fn open(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response<Incoming>, Failure> {
        let mut sender = match self.sender.take().filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let content_type = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("content-type", content_type)
            .header("authorization", format!("Bearer {}", self.token))
            .body(Full::new(Bytes::from(body.map(Value::to_string).unwrap_or_default())))?;
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        self.sender = Some(sender);
        Ok(response)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let tcp = TcpStream::connect(("127.0.0.1", self.port)).await?;
        tcp.set_nodelay(true)?;
        let tls = self.tls.connect(ServerName::try_from("localhost")?, tcp).await?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tls)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}
