//! Frames of WebSocket: read in pieces, so that a large one is never held whole, and written whole.

use std::io::{Error, ErrorKind, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The most that one frame may hold: Go's default for messages.
const FRAME_BYTES_MAX: u64 = 32 << 20;
/// The most that a ping or a close may hold.
const CONTROL_BYTES_MAX: u64 = 125;
/// The largest piece of a frame.
const PIECE_BYTES: usize = 16 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

/// A piece of a frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub kind: FrameKind,
    /// Whether the frame begins with it, and ends with it.
    pub is_first: bool,
    pub is_last: bool,
    pub data: &'a [u8],
}

/// Reads a client's frames.
pub struct FrameReader<R> {
    from: R,
    kind: FrameKind,
    left: u64,
    mask: [u8; 4],
    at: usize,
    /// The kind that a frame that goes on with another has.
    continued: FrameKind,
    buffer: Vec<u8>,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub fn new(from: R) -> FrameReader<R> {
        let buffer = vec![0; 1 << 10];
        FrameReader {
            from,
            kind: FrameKind::Binary,
            left: 0,
            mask: [0; 4],
            at: 0,
            continued: FrameKind::Binary,
            buffer,
        }
    }

    /// The next piece; none when the connection ends between two frames.
    pub async fn next(&mut self) -> Result<Option<Frame<'_>>> {
        let is_first = self.left == 0;
        if is_first && !self.head().await? {
            return Ok(None);
        }
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(PIECE_BYTES);
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        let count = match wanted {
            0 => 0,
            // A ping or a close is wanted whole.
            _ if self.left <= CONTROL_BYTES_MAX => self.from.read_exact(&mut self.buffer[..wanted]).await?,
            _ => self.from.read(&mut self.buffer[..wanted]).await?,
        };
        if count == 0 && wanted > 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        for byte in &mut self.buffer[..count] {
            *byte ^= self.mask[self.at % 4];
            self.at += 1;
        }
        self.left -= u64::try_from(count).unwrap_or_default();
        Ok(Some(Frame { kind: self.kind, is_first, is_last: self.left == 0, data: &self.buffer[..count] }))
    }

    async fn head(&mut self) -> Result<bool> {
        let mut head = [0; 2];
        if self.from.read(&mut head[..1]).await? == 0 {
            return Ok(false);
        }
        self.from.read_exact(&mut head[1..]).await?;
        let bad = |why: &str| Error::new(ErrorKind::InvalidData, why.to_string());
        if head[0] & 0x70 != 0 {
            return Err(bad("a frame uses an extension"));
        }
        if head[1] & 0x80 == 0 {
            return Err(bad("a client's frame has no mask"));
        }
        self.kind = match head[0] & 0x0f {
            0 => self.continued,
            1 => FrameKind::Text,
            2 => FrameKind::Binary,
            8 => FrameKind::Close,
            9 => FrameKind::Ping,
            10 => FrameKind::Pong,
            _ => return Err(bad("a frame has no known kind")),
        };
        let is_control = matches!(self.kind, FrameKind::Close | FrameKind::Ping | FrameKind::Pong);
        if !is_control {
            self.continued = self.kind;
        }
        self.left = match head[1] & 0x7f {
            126 => self.from.read_u16().await?.into(),
            127 => self.from.read_u64().await?,
            short => short.into(),
        };
        if self.left > if is_control { CONTROL_BYTES_MAX } else { FRAME_BYTES_MAX } {
            return Err(bad("a frame is too large"));
        }
        self.from.read_exact(&mut self.mask).await?;
        self.at = 0;
        Ok(true)
    }
}

/// Writes the server's frames.
pub struct FrameWriter<W> {
    to: W,
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    pub fn new(to: W) -> FrameWriter<W> {
        FrameWriter { to }
    }

    /// Writes a frame of two parts, the first of them small.
    pub async fn write(&mut self, kind: FrameKind, first: &[u8], rest: &[u8]) -> Result<()> {
        let code = match kind {
            FrameKind::Text => 1,
            FrameKind::Binary => 2,
            FrameKind::Close => 8,
            FrameKind::Ping => 9,
            FrameKind::Pong => 10,
        };
        let len = first.len() + rest.len();
        let mut head = vec![0x80 | code];
        match (u8::try_from(len), u16::try_from(len)) {
            (Ok(short @ ..=125), _) => head.push(short),
            (_, Ok(medium)) => {
                head.push(126);
                head.extend(medium.to_be_bytes());
            }
            _ => {
                head.push(127);
                head.extend(u64::try_from(len).unwrap_or(u64::MAX).to_be_bytes());
            }
        }
        head.extend_from_slice(first);
        self.to.write_all(&head).await?;
        self.to.write_all(rest).await?;
        self.to.flush().await
    }

    /// Says that nothing follows, and why.
    pub async fn close(&mut self, code: u16) -> Result<()> {
        self.write(FrameKind::Close, &code.to_be_bytes(), &[]).await?;
        self.to.shutdown().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(code: u8, data: &[u8]) -> Vec<u8> {
        let mut out = vec![0x80 | code];
        match data.len() {
            len @ ..126 => out.push(0x80 | u8::try_from(len).unwrap()),
            len => {
                out.push(0x80 | 127);
                out.extend(u64::try_from(len).unwrap().to_be_bytes());
            }
        }
        out.extend([1, 2, 3, 4]);
        out.extend(data.iter().enumerate().map(|(at, byte)| byte ^ [1, 2, 3, 4][at % 4]));
        out
    }

    #[tokio::test]
    async fn frames_come_in_pieces() {
        let large = vec![7; 40_000];
        let bytes = [masked(2, &large), masked(9, b"hi"), masked(1, b"")].concat();
        let mut reader = FrameReader::new(bytes.as_slice());
        let (mut got, mut pieces) = (Vec::new(), 0);
        loop {
            let piece = reader.next().await.unwrap().unwrap();
            assert_eq!((piece.kind, piece.is_first), (FrameKind::Binary, pieces == 0));
            got.extend_from_slice(piece.data);
            pieces += 1;
            if piece.is_last {
                break;
            }
        }
        assert!(got == large && pieces > 1);
        let ping = reader.next().await.unwrap().unwrap();
        assert_eq!(ping, Frame { kind: FrameKind::Ping, is_first: true, is_last: true, data: b"hi" });
        let empty = reader.next().await.unwrap().unwrap();
        assert_eq!(empty, Frame { kind: FrameKind::Text, is_first: true, is_last: true, data: b"" });
        assert_eq!(reader.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn bad_frames_are_refused() {
        for bytes in [
            vec![0x82, 1, 0],
            vec![0xc2, 0x80, 0, 0, 0, 0],
            vec![0x83, 0x80, 0, 0, 0, 0],
            vec![0x89, 0xfe, 1, 0, 0, 0, 0, 0],
            vec![0x82, 0xff, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            vec![0x82, 0x85, 0, 0, 0, 0, 1],
        ] {
            assert!(FrameReader::new(bytes.as_slice()).next().await.is_err(), "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn frames_are_written_with_their_length() {
        let mut out = Vec::new();
        let mut writer = FrameWriter::new(&mut out);
        writer.write(FrameKind::Binary, &[1], b"ab").await.unwrap();
        writer.write(FrameKind::Binary, &[], &[0; 300]).await.unwrap();
        writer.close(1000).await.unwrap();
        assert_eq!(out[..5], [0x82, 3, 1, b'a', b'b']);
        assert_eq!(out[5..9], [0x82, 126, 1, 44]);
        assert_eq!(out[309..], [0x88, 2, 3, 232]);
    }
}
