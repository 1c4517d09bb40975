//! Data that comes in on the streams of a session.

use crate::kubelet::head::Stream;
use pintle_proxy::spdy::Compressor;
use std::collections::HashMap;
use std::io::Result;
use std::sync::Arc;
use tokio::io::{AsyncWriteExt, WriteHalf};
use tokio::sync::{Mutex, mpsc};

/// Bytes that arrive on a stream; it ends with the stream.
pub type Incoming = mpsc::Receiver<Vec<u8>>;

pub type Shared = Arc<Mutex<StreamWriter>>;

pub struct Opened {
    pub id: u32,
    pub headers: HashMap<String, String>,
    pub data: Incoming,
}

/// Writes frames, one at a time.
pub struct StreamWriter {
    pub to: WriteHalf<Stream>,
    pub headers: Compressor,
}

impl StreamWriter {
    pub(crate) async fn reply(&mut self, stream: u32) -> Result<()> {
        let block = self.headers.pack(&[])?;
        self.control(2, &[&stream.to_be_bytes()[..], &block].concat()).await
    }

    pub(crate) async fn control(&mut self, kind: u16, body: &[u8]) -> Result<()> {
        let len = u32::try_from(body.len()).unwrap_or_default();
        let head = [&0x8003_u16.to_be_bytes()[..], &kind.to_be_bytes(), &len.to_be_bytes()].concat();
        self.to.write_all(&head).await?;
        self.to.write_all(body).await?;
        self.to.flush().await
    }

    pub async fn data(&mut self, stream: u32, data: &[u8], is_last: bool) -> Result<()> {
        let len = u32::try_from(data.len()).unwrap_or_default() | if is_last { 1 << 24 } else { 0 };
        self.to.write_all(&[stream.to_be_bytes(), len.to_be_bytes()].concat()).await?;
        self.to.write_all(data).await?;
        self.to.flush().await
    }
}
