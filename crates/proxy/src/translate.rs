//! Processes in containers for clients that speak WebSocket, of kubelets that speak SPDY:
//! `apiserver/pkg/util/proxy/streamtranslator.go` upstream.

use crate::error_stream::{ChannelVersion, NON_ZERO_EXIT, VERSIONS, internal};
use crate::kubelet::Kubelets;
use crate::location::Location;
use crate::pod::Streams;
use crate::session::{Process, Session};
use crate::websocket::{self, FrameKind};
use http_body_util::{BodyExt, Limited};
use hyper::header::{CONNECTION, HeaderValue, UPGRADE, USER_AGENT};
use hyper::{HeaderMap, Method, Request};
use pintle_object::{Value, json};
use pintle_outbound::{Failure, RequestBody, Stream, Transport, Upgraded, words};
use std::sync::Arc;
use std::time::Duration;

/// The protocol whose clients are translated for.
const PROTOCOL: &str = "v5.channel.k8s.io";
/// The most of a kubelet's refusal that is repeated.
const REFUSAL_BYTES_MAX: usize = 64 << 10;
/// The time that a client may take to read the status of its process.
const STATUS_MAX: Duration = Duration::from_secs(10);
/// The code of a stream whose translation failed.
const FAILED: u16 = 500;
const STREAM_VERSION: &str = "x-stream-protocol-version";

/// Whether a request is for a translated stream.
pub fn is_wanted(headers: &HeaderMap) -> bool {
    websocket::protocols(headers).is_some_and(|protocols| protocols.iter().any(|name| name == PROTOCOL))
}

/// The head of the answer, or the answer to a request that cannot be served.
pub fn accept(method: &Method, headers: &HeaderMap) -> Result<HeaderMap, Box<hyper::Response<String>>> {
    websocket::accept(method, headers, Some(PROTOCOL))
}

/// Serves a client until its process or its connection ends, and returns the code that this counts as.
pub async fn serve(
    client: Box<dyn Stream>,
    kubelets: Arc<Kubelets>,
    location: Location,
    streams: Streams,
) -> u16 {
    let (from, to) = tokio::io::split(client);
    let mut to = websocket::FrameWriter::new(to);
    // The first message confirms the connection.
    let first = match streams {
        Streams { stdout: true, .. } => 1,
        Streams { stderr: true, .. } => 2,
        _ => 3,
    };
    if to.write(FrameKind::Binary, &[first], &[]).await.is_err() {
        return FAILED;
    }
    let (stream, version) = match connect(&kubelets.transport, &location).await {
        Ok(connected) => connected,
        Err(why) => {
            tell(&mut to, &internal(&why)).await;
            return FAILED;
        }
    };
    let process = Process { streams, version };
    let running = Session::run(process, websocket::FrameReader::new(from), to, stream);
    let Some(mut ended) = running.await else { return FAILED };
    let status = std::mem::take(&mut ended.status);
    tell(&mut ended.client, &status).await;
    ended.drain().await;
    code(&status)
}

/// The code of a process that ended with a Status. That it failed by itself is no failure to translate.
fn code(status: &str) -> u16 {
    let status = json::parse(status.as_bytes()).unwrap_or(Value::Null);
    if status.str_at(&["status"]) == "Success" || status.str_at(&["reason"]) == NON_ZERO_EXIT {
        return 200;
    }
    let code = status.int_at(&["code"]).and_then(|code| u16::try_from(code).ok());
    code.filter(|code| *code > 0).unwrap_or(FAILED)
}

/// Says how a process ended, and ends the connection.
async fn tell<W: tokio::io::AsyncWrite + Unpin>(to: &mut websocket::FrameWriter<W>, status: &str) {
    let telling = async {
        to.write(FrameKind::Binary, &[3], status.as_bytes()).await?;
        to.close(1000).await
    };
    match tokio::time::timeout(STATUS_MAX, telling).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) | Err(_) => tracing::debug!("a client did not read the status of its process"),
    }
}

/// A connection to the kubelet, and the version that it speaks.
async fn connect(transport: &Transport, location: &Location) -> Result<(Upgraded, ChannelVersion), String> {
    let mut request = Request::new(RequestBody::empty());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = location.uri().map_err(|status| status.message.to_string())?;
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static("Go-http-client/1.1"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("SPDY/3.1"));
    for version in VERSIONS {
        headers.append(STREAM_VERSION, HeaderValue::from_static(version));
    }
    let asked = transport.upgrade(request).await;
    let (response, stream) = asked.map_err(|failure| unsent(failure, location))?;
    let (parts, body) = response.into_parts();
    let named = |name: &hyper::header::HeaderName| {
        parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase()
    };
    if let Some(stream) = stream
        && named(&CONNECTION).contains("upgrade")
        && named(&UPGRADE).contains("spdy/3.1")
    {
        let version = parts.headers.get(STREAM_VERSION).and_then(|value| value.to_str().ok());
        return Ok((stream, ChannelVersion::of(version.unwrap_or_default().trim())));
    }
    let elsewhere = parts.headers.get("location").and_then(|value| value.to_str().ok());
    if let Some(elsewhere) = elsewhere.filter(|_| parts.status.is_redirection()) {
        let said = words::request("POST", elsewhere);
        return Err(format!("error sending request: {said}: redirect not allowed"));
    }
    match Limited::new(body, REFUSAL_BYTES_MAX).collect().await {
        Ok(read) => Err(format!("unable to upgrade connection: {}", refusal(&read.to_bytes()))),
        Err(_) => Err("unable to upgrade connection: unable to read error from server response".into()),
    }
}

fn unsent(failure: Failure, location: &Location) -> String {
    format!("error sending request: {}", failure.of_request("POST", &location.to_string()))
}

/// The message of a refusal that is a Status, or all of it.
fn refusal(said: &[u8]) -> String {
    let value = json::parse(said).unwrap_or(Value::Null);
    let messages = ["message", "error"].map(|field| value.str_at(&[field]).trim().to_string());
    let message = messages.into_iter().find(|message| !message.is_empty());
    message.unwrap_or_else(|| String::from_utf8_lossy(said).trim().to_string())
}
