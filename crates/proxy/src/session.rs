//! `Session`: a process' streams between a web socket and a kubelet, each direction as fast as its reader.

use crate::error_stream::{ChannelVersion, internal};
use crate::pod::Streams;
use crate::spdy;
use crate::websocket::{self, FrameKind};
use pintle_object::json;
use std::io::{Error, ErrorKind, Result};
use std::sync::Mutex as Lock;
use std::sync::PoisonError;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf};
use tokio::sync::Mutex;

/// The time between two pings of the kubelet on a silent connection.
const PING_EVERY: Duration = Duration::from_secs(5);
/// The idle timeout of a client: that of kubelets.
const IDLE_MAX: Duration = Duration::from_secs(4 * 60 * 60);
/// The time that a kubelet may take to accept a stream.
const REPLY_MAX: Duration = Duration::from_secs(30);
/// The time that the end of a connection to a kubelet may take.
const CLOSE_MAX: Duration = Duration::from_secs(2);
/// The most that a kubelet says of errors, and sends before it has all streams.
const ERROR_BYTES_MAX: usize = 1 << 20;
const EARLY_BYTES_MAX: usize = 256 << 10;
/// The longest message about the size of a terminal.
const RESIZE_BYTES_MAX: usize = 4 << 10;

/// The streams of a process, and the form of its end.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pub streams: Streams,
    pub version: ChannelVersion,
}

/// The ids of a kubelet's streams, 0 for missing ones.
#[derive(Clone, Copy, Debug, Default)]
struct Ids {
    error: u32,
    stdin: u32,
    stdout: u32,
    stderr: u32,
    resize: u32,
}

impl Process {
    /// The kinds of streams in the order in which they are opened.
    fn kinds(self) -> Vec<&'static str> {
        let Streams { stdin, stdout, stderr, tty } = self.streams;
        let all = [
            ("error", true),
            ("stdin", stdin),
            ("stdout", stdout),
            ("stderr", stderr && !tty),
            ("resize", tty && self.version.has_resize),
        ];
        all.into_iter().filter(|(_, is_wanted)| *is_wanted).map(|(kind, _)| kind).collect()
    }
}

/// The common part of both directions.
pub struct Session<W, K> {
    client: Mutex<websocket::FrameWriter<W>>,
    kubelet: Mutex<spdy::FrameWriter<K>>,
    ids: Ids,
    /// Streams whose own side has ended.
    ended: Lock<Vec<u32>>,
    last: Lock<Instant>,
}

/// A session whose process has ended, with the status for its client.
pub struct Ended<W, S> {
    pub status: String,
    pub client: websocket::FrameWriter<W>,
    reader: spdy::FrameReader<ReadHalf<S>>,
}

impl<W, S: AsyncRead + AsyncWrite + Unpin> Ended<W, S> {
    /// Reads the rest of the kubelet's output: closing the connection earlier would reset it, and lose its last bytes.
    pub async fn drain(mut self) {
        let rest = async { while let Ok(Some(_)) = self.reader.next().await {} };
        let _ = tokio::time::timeout(CLOSE_MAX, rest).await;
    }
}

/// A part of the data that came before all streams were open.
struct Early {
    stream: u32,
    data: Vec<u8>,
    is_last: bool,
}

/// The streams of the kubelet that have not ended, and its error so far.
struct Progress {
    waits_for: Vec<u32>,
    said: Vec<u8>,
}

impl<W: AsyncWrite + Unpin, S: AsyncRead + AsyncWrite + Unpin> Session<W, WriteHalf<S>> {
    /// Runs until the process ends, and gives the status of its end; none when the client is gone.
    pub async fn run<R: AsyncRead + Unpin>(
        process: Process,
        mut from: websocket::FrameReader<R>,
        to: websocket::FrameWriter<W>,
        stream: S,
    ) -> Option<Ended<W, S>> {
        let (kubelet_from, kubelet_to) = tokio::io::split(stream);
        let mut reader = spdy::FrameReader::new(kubelet_from);
        let mut writer = match spdy::FrameWriter::new(kubelet_to) {
            Ok(writer) => writer,
            Err(error) => return Some(Ended { status: internal(&error.to_string()), client: to, reader }),
        };
        let (ids, early) = match open(process, &mut reader, &mut writer).await {
            Ok(opened) => opened,
            Err(error) => return Some(Ended { status: internal(&error.to_string()), client: to, reader }),
        };
        let session = Session {
            client: Mutex::new(to),
            kubelet: Mutex::new(writer),
            ids,
            ended: Lock::default(),
            last: Lock::new(Instant::now()),
        };
        let said = tokio::select! {
            said = session.down(&mut reader, early) => said.ok(),
            _ = session.up(&mut from) => None,
            () = session.idle() => None,
            _ = session.pings() => None,
        };
        let _ = tokio::time::timeout(CLOSE_MAX, session.end()).await;
        let status = process.version.status(&said?);
        Some(Ended { status, client: session.client.into_inner(), reader })
    }

    /// Copies from the kubelet to the client until the process ends; returns the content of the error stream.
    async fn down(&self, reader: &mut spdy::FrameReader<ReadHalf<S>>, early: Vec<Early>) -> Result<Vec<u8>> {
        let Ids { error, stdout, stderr, .. } = self.ids;
        let waits_for = [error, stdout, stderr].into_iter().filter(|id| *id != 0).collect();
        let mut progress = Progress { waits_for, said: Vec::new() };
        for Early { stream, data, is_last } in early {
            self.data(&mut progress, stream, &data, is_last).await?;
        }
        while !progress.waits_for.is_empty() {
            // A kubelet that is gone has said all that it says.
            let Ok(Some(frame)) = reader.next().await else { break };
            match frame {
                spdy::Frame::Data { stream, data, is_last } => {
                    self.data(&mut progress, stream, data, is_last).await?
                }
                spdy::Frame::Headers { stream, is_last: true }
                | spdy::Frame::Reply { stream, is_last: true }
                | spdy::Frame::Reset { stream } => self.data(&mut progress, stream, &[], true).await?,
                spdy::Frame::Ping { id } => self.kubelet.lock().await.pong(id).await?,
                spdy::Frame::Headers { .. }
                | spdy::Frame::Reply { .. }
                | spdy::Frame::GoAway
                | spdy::Frame::Other => {}
            }
        }
        Ok(progress.said)
    }

    async fn data(&self, progress: &mut Progress, stream: u32, data: &[u8], is_last: bool) -> Result<()> {
        let Ids { error, stdin, stdout, stderr, .. } = self.ids;
        if !data.is_empty() && stream != 0 {
            if stream == stdout || stream == stderr {
                let channel = if stream == stdout { 1 } else { 2 };
                self.client.lock().await.write(FrameKind::Binary, &[channel], data).await?;
                self.touch();
            } else if stream == error {
                let room = ERROR_BYTES_MAX.saturating_sub(progress.said.len());
                progress.said.extend_from_slice(&data[..data.len().min(room)]);
            }
        }
        if is_last {
            progress.waits_for.retain(|id| *id != stream);
            // The stream is closed for a kubelet that reads no more input.
            if stream == stdin {
                self.finish(stdin).await?;
            }
        }
        Ok(())
    }

    /// From the client to the kubelet, until the client is gone.
    async fn up<R: AsyncRead + Unpin>(&self, from: &mut websocket::FrameReader<R>) -> Result<()> {
        let mut channel = 0;
        let mut resize = Vec::new();
        while let Some(frame) = from.next().await? {
            self.touch();
            match frame.kind {
                FrameKind::Close => return Ok(()),
                FrameKind::Ping => self.client.lock().await.write(FrameKind::Pong, frame.data, &[]).await?,
                FrameKind::Pong => {}
                FrameKind::Text | FrameKind::Binary => {
                    let data = match (frame.is_first, frame.data) {
                        (true, []) => continue,
                        (true, [first, rest @ ..]) => {
                            channel = *first;
                            rest
                        }
                        (false, rest) => rest,
                    };
                    match (channel, data) {
                        (255, [which]) if frame.is_last => self.close_channel(*which).await?,
                        (255, _) => return Ok(()),
                        (0, data) => self.input(data).await?,
                        (4, data) => self.resize(&mut resize, data).await?,
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }

    async fn close_channel(&self, which: u8) -> Result<()> {
        match which {
            0 => self.finish(self.ids.stdin).await,
            1..=4 => Ok(()),
            _ => Err(Error::new(ErrorKind::InvalidData, "there is no such channel")),
        }
    }

    async fn input(&self, data: &[u8]) -> Result<()> {
        let stdin = self.ids.stdin;
        if stdin == 0 || data.is_empty() || self.has_ended(stdin) {
            return Ok(());
        }
        self.kubelet.lock().await.data(stdin, data, false).await
    }

    /// Sizes of the terminal, each in the form that kubelets read.
    async fn resize(&self, pending: &mut Vec<u8>, data: &[u8]) -> Result<()> {
        if self.ids.resize == 0 || pending.len() + data.len() > RESIZE_BYTES_MAX {
            return Ok(());
        }
        pending.extend_from_slice(data);
        while let Some(end) = pending.iter().position(|byte| *byte == b'}') {
            let one: Vec<u8> = pending.drain(..=end).collect();
            let Ok(size) = json::parse(&one) else { continue };
            let of = |name: &str| {
                let fields = size.as_map().into_iter().flat_map(|map| map.iter());
                let mut named = fields.filter(|(key, _)| key.eq_ignore_ascii_case(name));
                named.next().and_then(|(_, value)| u16::try_from(value.as_i64()?).ok()).unwrap_or(0)
            };
            let line = format!("{{\"Width\":{},\"Height\":{}}}\n", of("width"), of("height"));
            self.kubelet.lock().await.data(self.ids.resize, line.as_bytes(), false).await?;
        }
        Ok(())
    }

    /// Ends this side of a stream, once.
    async fn finish(&self, stream: u32) -> Result<()> {
        if stream == 0 || self.has_ended(stream) {
            return Ok(());
        }
        self.lock_ended().push(stream);
        self.kubelet.lock().await.data(stream, &[], true).await
    }

    fn has_ended(&self, stream: u32) -> bool {
        self.lock_ended().contains(&stream)
    }

    fn lock_ended(&self) -> std::sync::MutexGuard<'_, Vec<u32>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touch(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Waits until the client has been silent for too long.
    async fn idle(&self) {
        loop {
            let quiet = self.last.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
            match IDLE_MAX.checked_sub(quiet) {
                Some(left) if !left.is_zero() => tokio::time::sleep(left).await,
                _ => return,
            }
        }
    }

    async fn pings(&self) -> Result<()> {
        loop {
            tokio::time::sleep(PING_EVERY).await;
            self.kubelet.lock().await.ping().await?;
        }
    }

    /// Ends all streams and the connection.
    async fn end(&self) -> Result<()> {
        let mut kubelet = self.kubelet.lock().await;
        let Ids { error, stdin, stdout, stderr, resize } = self.ids;
        for stream in [error, stdin, stdout, stderr, resize] {
            if stream != 0 && !self.has_ended(stream) {
                kubelet.reset(stream).await?;
            }
        }
        kubelet.close().await
    }
}

/// Opens the streams of a process one after the other.
async fn open<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    process: Process,
    reader: &mut spdy::FrameReader<R>,
    writer: &mut spdy::FrameWriter<W>,
) -> Result<(Ids, Vec<Early>)> {
    let mut ids = Ids::default();
    let mut early = Vec::new();
    for (number, kind) in (0..).zip(process.kinds()) {
        let stream = 1 + 2 * number;
        writer.open(stream, &[("streamType", kind)]).await?;
        let replied = tokio::time::timeout(REPLY_MAX, reply(stream, reader, writer, &mut early)).await;
        replied.map_err(|_| Error::new(ErrorKind::TimedOut, "Timeout occurred"))??;
        match kind {
            "error" => ids.error = stream,
            "stdin" => ids.stdin = stream,
            "stdout" => ids.stdout = stream,
            "stderr" => ids.stderr = stream,
            _ => ids.resize = stream,
        }
    }
    Ok((ids, early))
}

/// Waits for the reply to a new stream, and keeps data that comes before it.
async fn reply<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    wanted: u32,
    reader: &mut spdy::FrameReader<R>,
    writer: &mut spdy::FrameWriter<W>,
    early: &mut Vec<Early>,
) -> Result<()> {
    loop {
        match reader.next().await? {
            None => return Err(Error::new(ErrorKind::UnexpectedEof, "connection closed")),
            Some(spdy::Frame::Reply { stream, is_last }) => {
                if is_last {
                    early.push(Early { stream, data: Vec::new(), is_last });
                }
                if stream == wanted {
                    return Ok(());
                }
            }
            Some(spdy::Frame::Reset { stream }) if stream == wanted => {
                return Err(Error::new(ErrorKind::ConnectionReset, "Stream reset"));
            }
            Some(spdy::Frame::Data { stream, data, is_last }) => {
                let held: usize = early.iter().map(|one| one.data.len()).sum();
                if held + data.len() > EARLY_BYTES_MAX {
                    return Err(Error::new(
                        ErrorKind::InvalidData,
                        "too much came before all streams were open",
                    ));
                }
                early.push(Early { stream, data: data.to_vec(), is_last });
            }
            Some(spdy::Frame::Ping { id }) => writer.pong(id).await?,
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    /// A client's frame, masked with zeros.
    fn frame(data: &[u8]) -> Vec<u8> {
        let mut out = vec![0x82, 0x80 | u8::try_from(data.len()).unwrap(), 0, 0, 0, 0];
        out.extend_from_slice(data);
        out
    }

    /// Replies to streams as they are opened, and then says something on them.
    async fn kubelet(mut stream: DuplexStream, streams: usize) -> DuplexStream {
        let mut compressor = spdy::Compressor::new().unwrap();
        for number in 0..streams {
            let mut head = [0; 8];
            stream.read_exact(&mut head).await.unwrap();
            assert_eq!(head[..4], [0x80, 3, 0, 1]);
            let len = u32::from_be_bytes([0, head[5], head[6], head[7]]);
            let mut body = vec![0; usize::try_from(len).unwrap()];
            stream.read_exact(&mut body).await.unwrap();
            assert_eq!(body[3], u8::try_from(1 + 2 * number).unwrap());
            let block = compressor.pack(&[]).unwrap();
            let len = u8::try_from(block.len() + 4).unwrap();
            let reply = [&[0x80, 3, 0, 2, 0, 0, 0, len], &body[..4], &block].concat();
            stream.write_all(&reply).await.unwrap();
        }
        stream
    }

    #[tokio::test]
    async fn a_process_is_fed_and_heard_to_its_end() {
        let (client, mut theirs) = tokio::io::duplex(1 << 16);
        let (ours, node) = tokio::io::duplex(1 << 16);
        let streams = Streams { stdin: true, stdout: true, stderr: false, tty: true };
        let process = Process { streams, version: ChannelVersion::of("v5.channel.k8s.io") };
        let (from, to) = tokio::io::split(client);
        let running = tokio::spawn(async move {
            let run = Session::run(
                process,
                websocket::FrameReader::new(from),
                websocket::FrameWriter::new(to),
                ours,
            );
            run.await.map(|ended| ended.status)
        });
        let mut node = kubelet(node, 4).await;
        for sent in [
            frame(b"\x04{\"Width\":80,\"Height\":24}"),
            frame(b"\x00hi"),
            frame(b"\xff\x00"),
            frame(b"\x00lost"),
        ] {
            theirs.write_all(&sent).await.unwrap();
        }
        let resize = b"{\"Width\":80,\"Height\":24}\n";
        let expected = [
            &[0, 0, 0, 7, 0, 0, 0, 25][..],
            resize,
            &[0, 0, 0, 3, 0, 0, 0, 2],
            b"hi",
            &[0, 0, 0, 3, 1, 0, 0, 0],
        ]
        .concat();
        let mut got = vec![0; expected.len()];
        node.read_exact(&mut got).await.unwrap();
        assert_eq!(got, expected);
        node.write_all(&[&[0, 0, 0, 5, 1, 0, 0, 3][..], b"out"].concat()).await.unwrap();
        let status = br#"{"status":"Success"}"#;
        node.write_all(&[&[0, 0, 0, 1, 1, 0, 0, 20][..], status].concat()).await.unwrap();
        assert_eq!(running.await.unwrap().unwrap(), r#"{"metadata":{},"status":"Success"}"#);
        let mut told = [0; 6];
        theirs.read_exact(&mut told).await.unwrap();
        assert_eq!(&told, b"\x82\x04\x01out");
    }

    #[tokio::test]
    async fn a_client_that_leaves_ends_its_process() {
        let (client, theirs) = tokio::io::duplex(1 << 16);
        let (ours, node) = tokio::io::duplex(1 << 16);
        let streams = Streams { stdout: true, ..Streams::default() };
        let process = Process { streams, version: ChannelVersion::of("v4.channel.k8s.io") };
        let (from, to) = tokio::io::split(client);
        let running = tokio::spawn(async move {
            let run = Session::run(
                process,
                websocket::FrameReader::new(from),
                websocket::FrameWriter::new(to),
                ours,
            );
            run.await.is_none()
        });
        let mut node = kubelet(node, 2).await;
        drop(theirs);
        assert!(running.await.unwrap());
        let mut rest = Vec::new();
        node.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest[..16], [0x80, 3, 0, 3, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 5]);
    }
}
