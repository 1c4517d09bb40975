//! Bytes in both directions between two connections, each direction as fast as its reader.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes that a direction holds at rest, and at most.
const BUFFER_BYTES_MIN: usize = 4 << 10;
const BUFFER_BYTES_MAX: usize = 64 << 10;

/// A buffer that grows while it is filled, and shrinks when it is not.
pub struct Buffer {
    bytes: Vec<u8>,
}

impl Default for Buffer {
    fn default() -> Buffer {
        Buffer { bytes: vec![0; BUFFER_BYTES_MIN] }
    }
}

impl Buffer {
    /// The next bytes; none at the end.
    pub async fn read(&mut self, from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<&[u8]> {
        let count = from.read(&mut self.bytes).await?;
        Ok(&self.bytes[..count])
    }

    /// Adapts the size to the number of bytes read last.
    pub fn adapt(&mut self, count: usize) {
        if count == self.bytes.len() && count < BUFFER_BYTES_MAX {
            self.bytes.resize(count * 2, 0);
        } else if count < BUFFER_BYTES_MIN && self.bytes.len() > BUFFER_BYTES_MIN {
            self.bytes.truncate(BUFFER_BYTES_MIN);
            self.bytes.shrink_to_fit();
        }
    }
}

/// Copies until one of the two ends, which ends the other.
pub async fn both_ways(a: impl AsyncRead + AsyncWrite, b: impl AsyncRead + AsyncWrite) {
    let (mut from_a, mut to_a) = tokio::io::split(a);
    let (mut from_b, mut to_b) = tokio::io::split(b);
    let mut first = std::pin::pin!(one_way(&mut from_a, &mut to_b));
    let mut second = std::pin::pin!(one_way(&mut from_b, &mut to_a));
    let ended = tokio::select! {
        ended = &mut first => ended,
        ended = &mut second => ended,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an upgraded connection broke");
    }
}

async fn one_way(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
) -> std::io::Result<()> {
    let mut buffer = Buffer::default();
    loop {
        let bytes = buffer.read(from).await?;
        let count = bytes.len();
        if count == 0 {
            return to.flush().await;
        }
        to.write_all(bytes).await?;
        to.flush().await?;
        buffer.adapt(count);
    }
}
