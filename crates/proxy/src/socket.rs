//! Bodies in messages of a web socket: `httpstream/wsstream/stream.go` upstream.

use crate::websocket::{self, FrameKind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use pintle_outbound::Stream;
use std::io::Result;
use std::task::{Context, Poll};
use tokio::io::{ReadHalf, WriteHalf};
use tokio::sync::Mutex;

/// The largest message.
const MESSAGE_BYTES_MAX: usize = 16 << 10;

/// The way in which bytes become messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Binary messages of any part of them.
    Binary,
    /// Text messages of any part of them, in base64.
    Base64,
    /// A text message for each line, with its end.
    Lines,
    /// A binary message for each part that has its length in four bytes before it, without these.
    Lengths,
}

/// The subprotocols for byte streams: those that a client may name, and their framing.
pub fn bytes_protocol(named: &[String]) -> Option<(Option<&str>, Framing)> {
    if named.is_empty() {
        return Some((None, Framing::Binary));
    }
    named.iter().find_map(|name| match name.as_str() {
        "binary.k8s.io" => Some((Some(name.as_str()), Framing::Binary)),
        "base64.binary.k8s.io" => Some((Some(name.as_str()), Framing::Base64)),
        _ => None,
    })
}

/// The next bytes of a body; none at its end.
pub type Next = Box<dyn FnMut(&mut Context<'_>) -> Poll<Option<Bytes>> + Send>;

/// Sends a body to its end, or until the client is gone. With a greeting, an empty message comes first.
pub async fn tell(client: Box<dyn Stream>, framing: Framing, has_greeting: bool, next: Next) {
    let (from, to) = tokio::io::split(client);
    let to = Mutex::new(websocket::FrameWriter::new(to));
    let ended = tokio::select! {
        ended = ignore(websocket::FrameReader::new(from), &to) => ended,
        ended = send(&to, framing, has_greeting, next) => ended,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a web socket broke");
    }
    let closing = async { to.lock().await.close(1000).await };
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), closing).await;
}

type To = Mutex<websocket::FrameWriter<WriteHalf<Box<dyn Stream>>>>;

/// Reads and ignores the client's frames, except for pings and closes.
async fn ignore(mut from: websocket::FrameReader<ReadHalf<Box<dyn Stream>>>, to: &To) -> Result<()> {
    while let Some(frame) = from.next().await? {
        match frame.kind {
            FrameKind::Close => break,
            FrameKind::Ping => to.lock().await.write(FrameKind::Pong, frame.data, &[]).await?,
            FrameKind::Pong | FrameKind::Text | FrameKind::Binary => {}
        }
    }
    Ok(())
}

async fn send(to: &To, framing: Framing, has_greeting: bool, mut next: Next) -> Result<()> {
    let kind = match framing {
        Framing::Binary | Framing::Lengths => FrameKind::Binary,
        Framing::Base64 | Framing::Lines => FrameKind::Text,
    };
    if has_greeting {
        to.lock().await.write(kind, &[], &[]).await?;
    }
    let mut rest = Vec::new();
    while let Some(bytes) = std::future::poll_fn(|context| next(context)).await {
        match framing {
            Framing::Binary => {
                for part in bytes.chunks(MESSAGE_BYTES_MAX) {
                    to.lock().await.write(kind, &[], part).await?;
                }
            }
            Framing::Base64 => {
                for part in bytes.chunks(MESSAGE_BYTES_MAX) {
                    to.lock().await.write(kind, &[], STANDARD.encode(part).as_bytes()).await?;
                }
            }
            Framing::Lines | Framing::Lengths => {
                rest.extend_from_slice(&bytes);
                while let Some((skipped, end)) = message(framing, &rest) {
                    to.lock().await.write(kind, &[], &rest[skipped..end]).await?;
                    rest.drain(..end);
                }
            }
        }
    }
    Ok(())
}

/// The start and end of the first message in some bytes, if it is complete.
fn message(framing: Framing, bytes: &[u8]) -> Option<(usize, usize)> {
    if framing == Framing::Lines {
        return bytes.iter().position(|byte| *byte == b'\n').map(|at| (0, at + 1));
    }
    let len = bytes.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes))?;
    let end = usize::try_from(len).ok()?.checked_add(4)?;
    (bytes.len() >= end).then_some((4, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn told(framing: Framing, parts: &'static [&'static [u8]]) -> Vec<u8> {
        let (client, mut theirs) = tokio::io::duplex(1 << 10);
        let mut parts = parts.iter();
        let next: Next = Box::new(move |_| Poll::Ready(parts.next().map(|part| Bytes::from_static(part))));
        tell(Box::new(client), framing, true, next).await;
        theirs.shutdown().await.unwrap();
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).await.unwrap();
        all
    }

    #[tokio::test]
    async fn bodies_are_told_in_messages() {
        const END: &[u8] = b"\x88\x02\x03\xe8";
        let expected = [&b"\x82\x00\x82\x02ab"[..], END].concat();
        assert_eq!(told(Framing::Binary, &[b"ab"]).await, expected);
        let expected = [&b"\x81\x00\x81\x04YWI="[..], END].concat();
        assert_eq!(told(Framing::Base64, &[b"ab"]).await, expected);
        let expected = [&b"\x81\x00\x81\x02a\n\x81\x02b\n"[..], END].concat();
        assert_eq!(told(Framing::Lines, &[b"a\nb", b"\n"]).await, expected);
        let expected = [&b"\x82\x00\x82\x01a\x82\x02bc"[..], END].concat();
        assert_eq!(told(Framing::Lengths, &[b"\0\0\0\x01a\0\0\0\x02", b"bc"]).await, expected);
    }
}
