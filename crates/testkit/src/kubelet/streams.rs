//! SPDY/3.1 as kubelets serve it: streams that the other side opens, for processes and ports.

use super::process;
use crate::kubelet::head::{Head, Stream};
use crate::kubelet::incoming::{Opened, Shared, StreamWriter};
use pintle_proxy::spdy::{Compressor, Decompressor};
use std::collections::HashMap;
use std::io::{Error, ErrorKind, Result};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};

/// The number of pieces of a stream that wait for its reader.
const QUEUE: usize = 16;
/// The versions of the protocol for processes that it speaks.
const VERSION: &str = "v4.channel.k8s.io";

pub async fn serve(mut stream: Stream, head: Head) -> Result<()> {
    let offered = head.headers.iter().filter(|(name, _)| name == "x-stream-protocol-version");
    let offered: Vec<&str> = offered.flat_map(|(_, value)| value.split(',')).map(str::trim).collect();
    let chosen =
        if offered.contains(&VERSION) { VERSION } else { offered.first().copied().unwrap_or_default() };
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\
         X-Stream-Protocol-Version: {chosen}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.flush().await?;
    let (from, to) = tokio::io::split(stream);
    let writer: Shared = Arc::new(Mutex::new(StreamWriter { to, headers: Compressor::new()? }));
    let (opened, streams) = mpsc::channel(QUEUE);
    let reading = read(from, writer.clone(), opened);
    let serving = async {
        match head.path.starts_with("/portForward/") {
            true => ports(streams, writer.clone()).await,
            false => process::run(&head.path, &head.query, streams, writer.clone()).await,
        }
    };
    tokio::select! {
        ended = reading => ended,
        ended = serving => ended,
    }
}

/// Reads frames to the end of the connection.
async fn read(mut from: ReadHalf<Stream>, writer: Shared, opened: mpsc::Sender<Opened>) -> Result<()> {
    let mut headers = Decompressor::default();
    let mut streams: HashMap<u32, mpsc::Sender<Vec<u8>>> = HashMap::new();
    loop {
        let mut head = [0; 8];
        from.read_exact(&mut head).await?;
        let [a, b, c, d, flags, x, y, z] = head;
        let mut body = vec![0; usize::try_from(u32::from_be_bytes([0, x, y, z])).unwrap_or_default()];
        from.read_exact(&mut body).await?;
        let is_last = flags & 1 != 0;
        let id = |bytes: &[u8]| {
            let first = bytes.first_chunk::<4>().ok_or_else(|| Error::from(ErrorKind::InvalidData));
            first.map(|bytes| u32::from_be_bytes(*bytes) & 0x7fff_ffff)
        };
        if a & 0x80 == 0 {
            let stream = u32::from_be_bytes([a, b, c, d]);
            if let Some(sender) = streams.get(&stream).filter(|_| !body.is_empty()) {
                let _ = sender.send(body).await;
            }
            if is_last {
                streams.remove(&stream);
            }
            continue;
        }
        match u16::from_be_bytes([c, d]) {
            1 => {
                let stream = id(&body)?;
                let unpacked = headers.unpack(body.get(10..).unwrap_or_default())?.into_iter().collect();
                let (sender, data) = mpsc::channel(QUEUE);
                if !is_last {
                    streams.insert(stream, sender);
                }
                writer.lock().await.reply(stream).await?;
                let _ = opened.send(Opened { id: stream, headers: unpacked, data }).await;
            }
            3 => drop(streams.remove(&id(&body)?)),
            6 => writer.lock().await.control(6, &body).await?,
            _ => {}
        }
    }
}

/// Connects each pair of streams, one for data and one for errors, with a port of loopback.
async fn ports(mut streams: mpsc::Receiver<Opened>, writer: Shared) -> Result<()> {
    let mut errors: HashMap<String, u32> = HashMap::new();
    while let Some(stream) = streams.recv().await {
        let request = stream.headers.get("requestid").cloned().unwrap_or_default();
        if stream.headers.get("streamtype").map(String::as_str) == Some("error") {
            errors.insert(request, stream.id);
            continue;
        }
        let error = errors.remove(&request).unwrap_or_default();
        tokio::spawn(port(stream, error, writer.clone()));
    }
    Ok(())
}

async fn port(mut stream: Opened, error: u32, writer: Shared) -> Result<()> {
    let port = stream.headers.get("port").and_then(|port| port.parse().ok()).unwrap_or(0);
    let tcp = match TcpStream::connect(("127.0.0.1", port)).await {
        Ok(tcp) => tcp,
        Err(why) => return writer.lock().await.data(error, why.to_string().as_bytes(), true).await,
    };
    let (mut from, mut to) = tcp.into_split();
    let sending = async {
        while let Some(data) = stream.data.recv().await {
            to.write_all(&data).await?;
        }
        to.shutdown().await
    };
    let told = async {
        let mut buffer = vec![0; 32 << 10];
        loop {
            let count = from.read(&mut buffer).await?;
            let data = buffer.get(..count).unwrap_or_default();
            writer.lock().await.data(stream.id, data, count == 0).await?;
            if count == 0 {
                return writer.lock().await.data(error, &[], true).await;
            }
        }
    };
    tokio::try_join!(sending, told).map(|_: ((), ())| ())
}
