//! Port forwarding through a web socket: the kubelet's SPDY bytes are carried in binary messages as they are:
//! `apiserver/pkg/util/proxy/streamtunnel.go` upstream.

use crate::copy::Buffer;
use crate::forward::{Forward, Incoming, Reply};
use crate::websocket::{self, FrameKind};
use http_body_util::{BodyExt, Full};
use hyper::header::{HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE};
use hyper::{HeaderMap, Method, Response};
use pintle_object::Status;
use pintle_outbound::{RequestBody, Stream};
use std::io::{Error, ErrorKind, Result};
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::Mutex;

const PREFIX: &str = "SPDY/3.1+";
const SUFFIX: &str = ".k8s.io";
const STREAM_VERSION: &str = "x-stream-protocol-version";

/// The protocols inside of the tunnel that a request asks for; none when it asks for no tunnel.
pub fn wanted(headers: &HeaderMap) -> Option<Vec<String>> {
    let named = websocket::protocols(headers)?;
    let inner =
        named.iter().filter(|name| name.ends_with(SUFFIX)).filter_map(|name| name.strip_prefix(PREFIX));
    let inner: Vec<String> = inner.map(String::from).collect();
    (!inner.is_empty()).then_some(inner)
}

/// Opens a tunnel to a kubelet that upgrades to SPDY.
pub async fn open(
    forward: Forward<'_>,
    incoming: Incoming,
    protocols: &[String],
) -> std::result::Result<Reply, Status> {
    let (method, asked) = (incoming.method.clone(), incoming.headers.clone());
    match forward.upgrade_raw(spdy_request(incoming, protocols)).await? {
        Err(answer) => Ok(Reply::Answer(answer)),
        Ok((head, kubelet)) => {
            let chosen = head.get(STREAM_VERSION).and_then(|value| value.to_str().ok()).map(str::trim);
            let chosen = chosen.filter(|name| !name.is_empty()).map(|name| format!("{PREFIX}{name}"));
            let is_spdy = head.get(UPGRADE).is_some_and(|value| {
                String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase().contains("spdy/3.1")
            });
            if !is_spdy {
                return Ok(Reply::Answer(refused(
                    "unable to upgrade: missing upgrade headers in response\n",
                )));
            }
            // Subprotocols that the client does not offer are not used.
            let known = websocket::protocols(&asked).unwrap_or_default();
            let chosen = chosen.filter(|name| known.contains(name));
            match websocket::accept(&method, &asked, chosen.as_deref()) {
                Err(answer) => Ok(Reply::Answer(
                    answer.map(|text| Full::from(text).map_err(|never| match never {}).boxed_unsync()),
                )),
                Ok(head) => Ok(Reply::Upgrade(
                    head,
                    Box::new(move |client| Box::pin(serve(client, Box::new(kubelet)))),
                )),
            }
        }
    }
}

/// The request as the kubelet gets it.
fn spdy_request(mut incoming: Incoming, protocols: &[String]) -> Incoming {
    for name in [SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION] {
        incoming.headers.remove(name);
    }
    incoming.headers.insert(UPGRADE, HeaderValue::from_static("SPDY/3.1"));
    incoming.headers.remove(STREAM_VERSION);
    for protocol in protocols {
        if let Ok(value) = HeaderValue::from_str(protocol) {
            incoming.headers.append(STREAM_VERSION, value);
        }
    }
    Incoming { method: Method::POST, body: RequestBody::empty(), ..incoming }
}

fn refused(why: &'static str) -> Response<crate::rewrite::AnswerBody> {
    let mut answer = Response::new(Full::from(why).map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
    answer
}

type Client = Box<dyn Stream>;

/// Carries bytes until one side ends.
async fn serve(client: Client, kubelet: Client) {
    let (from_client, to_client) = tokio::io::split(client);
    let (from_kubelet, to_kubelet) = tokio::io::split(kubelet);
    let to_client = Mutex::new(websocket::FrameWriter::new(to_client));
    let ended = tokio::select! {
        ended = up(websocket::FrameReader::new(from_client), to_kubelet, &to_client) => ended,
        ended = down(from_kubelet, &to_client) => ended,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a tunnel broke");
    }
    let closing = async { to_client.lock().await.close(1000).await };
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), closing).await;
}

async fn up(
    mut from: websocket::FrameReader<ReadHalf<Client>>,
    mut to: WriteHalf<Client>,
    back: &Mutex<websocket::FrameWriter<WriteHalf<Client>>>,
) -> Result<()> {
    while let Some(frame) = from.next().await? {
        match frame.kind {
            FrameKind::Binary => {
                to.write_all(frame.data).await?;
                to.flush().await?;
            }
            FrameKind::Ping => back.lock().await.write(FrameKind::Pong, frame.data, &[]).await?,
            FrameKind::Pong => {}
            FrameKind::Close => break,
            FrameKind::Text => {
                return Err(Error::new(ErrorKind::InvalidData, "invalid message type received"));
            }
        }
    }
    to.shutdown().await
}

async fn down(
    mut from: ReadHalf<Client>,
    to: &Mutex<websocket::FrameWriter<WriteHalf<Client>>>,
) -> Result<()> {
    let mut buffer = Buffer::default();
    loop {
        let bytes = buffer.read(&mut from).await?;
        let count = bytes.len();
        if count == 0 {
            return Ok(());
        }
        to.lock().await.write(FrameKind::Binary, &[], bytes).await?;
        buffer.adapt(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn bytes_are_carried_in_binary_messages() {
        let (client, mut theirs) = tokio::io::duplex(1 << 10);
        let (kubelet, mut node) = tokio::io::duplex(1 << 10);
        let serving = tokio::spawn(serve(Box::new(client), Box::new(kubelet)));
        theirs.write_all(&[0x82, 0x83, 0, 0, 0, 0, b'a', b's', b'k']).await.unwrap();
        let mut asked = [0; 3];
        node.read_exact(&mut asked).await.unwrap();
        assert_eq!(&asked, b"ask");
        node.write_all(b"answer").await.unwrap();
        drop(node);
        let mut told = Vec::new();
        theirs.read_to_end(&mut told).await.unwrap();
        assert_eq!(told, b"\x82\x06answer\x88\x02\x03\xe8");
        serving.await.unwrap();
    }

    #[test]
    fn tunnels_are_asked_for_by_their_protocols() {
        let mut headers = HeaderMap::new();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert("connection", HeaderValue::from_static("Upgrade"));
        assert_eq!(wanted(&headers), None);
        let protocols = HeaderValue::from_static("v4.channel.k8s.io, SPDY/3.1+portforward.k8s.io");
        headers.insert(SEC_WEBSOCKET_PROTOCOL, protocols);
        assert_eq!(wanted(&headers), Some(vec!["portforward.k8s.io".into()]));
    }
}
