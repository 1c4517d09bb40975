//! Frames of SPDY/3.1.

use super::{Compressor, Decompressor};
use std::io::{Error, ErrorKind, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The most that a frame of control may hold.
const CONTROL_BYTES_MAX: usize = 64 << 10;
/// The largest piece of data that is handed on at once.
const PIECE_BYTES: usize = 16 << 10;
const VERSION: u16 = 3;
const FIN: u8 = 1;
/// The code of a reset for a stream that is no longer wanted.
const CANCEL: u32 = 5;

/// A frame, or a piece of one that holds data.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    Data {
        stream: u32,
        data: &'a [u8],
        is_last: bool,
    },
    Reply {
        stream: u32,
        is_last: bool,
    },
    Reset {
        stream: u32,
    },
    Headers {
        stream: u32,
        is_last: bool,
    },
    Ping {
        id: u32,
    },
    GoAway,
    /// One of a kind that asks for nothing.
    Other,
}

/// Reads the server's frames.
pub struct FrameReader<R> {
    from: R,
    headers: Decompressor,
    buffer: Vec<u8>,
    /// The stream of a data frame, the number of its remaining bytes, and whether the stream ends with it.
    data: (u32, usize, bool),
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub fn new(from: R) -> FrameReader<R> {
        FrameReader { from, headers: Decompressor::default(), buffer: vec![0; 1 << 10], data: (0, 0, false) }
    }

    /// The next frame; none when the connection ends.
    pub async fn next(&mut self) -> Result<Option<Frame<'_>>> {
        if self.data.1 > 0 {
            return self.piece().await.map(Some);
        }
        let mut head = [0; 8];
        if self.from.read(&mut head[..1]).await? == 0 {
            return Ok(None);
        }
        self.from.read_exact(&mut head[1..]).await?;
        let [a, b, c, d, flags, x, y, z] = head;
        let len = usize::try_from(u32::from_be_bytes([0, x, y, z])).unwrap_or(usize::MAX);
        let is_last = flags & FIN != 0;
        if a & 0x80 == 0 {
            self.data = (u32::from_be_bytes([a, b, c, d]), len, is_last);
            return match len {
                0 => Ok(Some(Frame::Data { stream: self.data.0, data: &[], is_last })),
                _ => self.piece().await.map(Some),
            };
        }
        let (version, kind) = (u16::from_be_bytes([a & 0x7f, b]), u16::from_be_bytes([c, d]));
        if version != VERSION {
            return Err(bad(format!("version {version} is not spoken")));
        }
        self.control(kind, len, is_last).await.map(Some)
    }

    async fn piece(&mut self) -> Result<Frame<'_>> {
        let (stream, left, ends) = self.data;
        let wanted = left.min(PIECE_BYTES);
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        let count = self.from.read(&mut self.buffer[..wanted]).await?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.data.1 = left - count;
        Ok(Frame::Data { stream, data: &self.buffer[..count], is_last: ends && left == count })
    }

    async fn control(&mut self, kind: u16, len: usize, is_last: bool) -> Result<Frame<'static>> {
        if len > CONTROL_BYTES_MAX {
            return Err(bad(format!("a frame has {len} bytes")));
        }
        let mut body = vec![0; len];
        self.from.read_exact(&mut body).await?;
        let number = |at: usize| {
            let bytes = body.get(at..at + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
            bytes.map(u32::from_be_bytes).ok_or_else(|| bad("a frame is cut".into()))
        };
        Ok(match kind {
            // Streams opened by the server are ignored, but their headers must be decompressed for later ones.
            1 => {
                self.headers.unpack(body.get(10..).unwrap_or_default())?;
                Frame::Other
            }
            2 => {
                self.headers.unpack(body.get(4..).unwrap_or_default())?;
                Frame::Reply { stream: number(0)? & 0x7fff_ffff, is_last }
            }
            3 => Frame::Reset { stream: number(0)? & 0x7fff_ffff },
            6 => Frame::Ping { id: number(0)? },
            7 => Frame::GoAway,
            8 => {
                self.headers.unpack(body.get(4..).unwrap_or_default())?;
                Frame::Headers { stream: number(0)? & 0x7fff_ffff, is_last }
            }
            _ => Frame::Other,
        })
    }
}

fn bad(why: String) -> Error {
    Error::new(ErrorKind::InvalidData, why)
}

/// Writes the client's frames.
pub struct FrameWriter<W> {
    to: W,
    headers: Compressor,
    next_ping: u32,
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    pub fn new(to: W) -> Result<FrameWriter<W>> {
        Ok(FrameWriter { to, headers: Compressor::new()?, next_ping: 1 })
    }

    /// Opens a stream.
    pub async fn open(&mut self, stream: u32, headers: &[(&str, &str)]) -> Result<()> {
        let block = self.headers.pack(headers)?;
        let mut body = Vec::with_capacity(block.len() + 10);
        body.extend(stream.to_be_bytes());
        body.extend([0; 6]);
        body.extend(block);
        self.control(1, &body).await
    }

    /// Sends data of a stream, and ends this side of it where it is the last.
    pub async fn data(&mut self, stream: u32, data: &[u8], is_last: bool) -> Result<()> {
        let mut head = [0; 8];
        head[..4].copy_from_slice(&stream.to_be_bytes());
        head[4..].copy_from_slice(&length(data.len()).to_be_bytes());
        head[4] = if is_last { FIN } else { 0 };
        self.to.write_all(&head).await?;
        self.to.write_all(data).await?;
        self.to.flush().await
    }

    /// Ends both sides of a stream.
    pub async fn reset(&mut self, stream: u32) -> Result<()> {
        self.control(3, &[stream.to_be_bytes(), CANCEL.to_be_bytes()].concat()).await
    }

    pub async fn ping(&mut self) -> Result<()> {
        let id = self.next_ping;
        self.next_ping = if id > 0x7fff_fffd { 1 } else { id + 2 };
        self.control(6, &id.to_be_bytes()).await
    }

    /// Answers a ping of the other side, whose ids are even.
    pub async fn pong(&mut self, id: u32) -> Result<()> {
        if id.is_multiple_of(2) { self.control(6, &id.to_be_bytes()).await } else { Ok(()) }
    }

    /// Says that no stream follows, and ends the connection.
    pub async fn close(&mut self) -> Result<()> {
        self.control(7, &[0; 8]).await?;
        self.to.shutdown().await
    }

    async fn control(&mut self, kind: u16, body: &[u8]) -> Result<()> {
        let mut frame = Vec::with_capacity(body.len() + 8);
        frame.extend((VERSION | 0x8000).to_be_bytes());
        frame.extend(kind.to_be_bytes());
        frame.extend(length(body.len()).to_be_bytes());
        frame.extend_from_slice(body);
        self.to.write_all(&frame).await?;
        self.to.flush().await
    }
}

fn length(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX) & 0x00ff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_are_read_as_they_were_written() {
        let mut bytes = Vec::new();
        let mut writer = FrameWriter::new(&mut bytes).unwrap();
        writer.open(1, &[("streamType", "error")]).await.unwrap();
        writer.data(1, b"abc", false).await.unwrap();
        writer.data(1, b"", true).await.unwrap();
        writer.reset(3).await.unwrap();
        writer.ping().await.unwrap();
        writer.pong(2).await.unwrap();
        writer.pong(3).await.unwrap();
        writer.close().await.unwrap();
        let mut reader = FrameReader::new(bytes.as_slice());
        for expected in [
            Frame::Other,
            Frame::Data { stream: 1, data: b"abc", is_last: false },
            Frame::Data { stream: 1, data: b"", is_last: true },
            Frame::Reset { stream: 3 },
            Frame::Ping { id: 1 },
            Frame::Ping { id: 2 },
            Frame::GoAway,
        ] {
            assert_eq!(reader.next().await.unwrap().unwrap(), expected);
        }
        assert_eq!(reader.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn frames_of_other_versions_and_sizes_are_refused() {
        for bytes in [
            vec![0x80, 2, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1],
            vec![0x80, 3, 0, 6, 0, 0xff, 0, 0],
            vec![0x80, 3, 0, 6, 0, 0, 0, 2, 0, 0],
            vec![0, 0, 0, 1, 0, 0, 0, 5],
        ] {
            assert!(FrameReader::new(bytes.as_slice()).next().await.is_err(), "{bytes:?}");
        }
    }
}
