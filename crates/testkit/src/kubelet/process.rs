//! Processes: a command is run on this machine, with the opened streams.

use crate::kubelet::incoming::{Incoming, Opened, Shared};
use std::io::Result;
use std::process::Stdio;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, Command};
use tokio::sync::mpsc;

/// The process that is attached to: it says something, and repeats its input.
const ATTACHED: [&str; 3] = ["sh", "-c", "echo attached; cat"];

/// Waits for the streams that the query asks for, and runs its command.
pub async fn run(path: &str, query: &str, mut streams: mpsc::Receiver<Opened>, writer: Shared) -> Result<()> {
    let has = |name: &str| query.split('&').any(|pair| pair == format!("{name}=1"));
    let count = 1 + [has("input"), has("output"), has("error") && !has("tty"), has("tty")]
        .iter()
        .filter(|is_wanted| **is_wanted)
        .count();
    let mut opened = Vec::new();
    while opened.len() < count {
        let Some(stream) = streams.recv().await else { return Ok(()) };
        opened.push(stream);
    }
    let id = |kind: &str| {
        let found = opened.iter().find(|one| one.headers.get("streamtype").is_some_and(|of| of == kind));
        found.map_or(0, |stream| stream.id)
    };
    let (error, stdout, stderr, stdin) = (id("error"), id("stdout"), id("stderr"), id("stdin"));
    let words: Vec<String> = match path.starts_with("/attach/") {
        true => ATTACHED.map(String::from).to_vec(),
        false => query.split('&').filter_map(|pair| pair.strip_prefix("command=")).map(unescaped).collect(),
    };
    let (program, arguments) = words.split_first().expect("a command has a word");
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(why) => return end(&writer, error, &[stdout, stderr], &failure(&why.to_string())).await,
    };
    if let Some(to) = child.stdin.take() {
        let data = opened.into_iter().find(|stream| stream.id == stdin).map(|stream| stream.data);
        tokio::spawn(feed(data, to));
    }
    let (out, err) = (child.stdout.take(), child.stderr.take());
    tokio::try_join!(tell(out, stdout, &writer), tell(err, stderr, &writer))?;
    let status = match child.wait().await?.code() {
        Some(0) => r#"{"metadata":{},"status":"Success"}"#.into(),
        Some(code) => format!(
            r#"{{"metadata":{{}},"status":"Failure","reason":"NonZeroExitCode","message":"command terminated with non-zero exit code","details":{{"causes":[{{"reason":"ExitCode","message":"{code}"}}]}}}}"#
        ),
        None => failure("killed"),
    };
    end(&writer, error, &[stdout, stderr], &status).await?;
    // The other side ends the connection when it has read everything.
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    Ok(())
}

fn failure(why: &str) -> String {
    format!(r#"{{"metadata":{{}},"status":"Failure","message":{why:?}}}"#)
}

/// Hands a stream's data to a process; unread data is dropped.
async fn feed(data: Option<Incoming>, mut to: ChildStdin) {
    let Some(mut data) = data else { return };
    while let Some(bytes) = data.recv().await {
        if to.write_all(&bytes).await.is_err() {
            break;
        }
    }
    drop(to);
    while data.recv().await.is_some() {}
}

async fn tell(from: Option<impl AsyncRead + Unpin>, stream: u32, writer: &Shared) -> Result<()> {
    let Some(mut from) = from else { return Ok(()) };
    let mut buffer = vec![0; 32 << 10];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        if stream != 0 {
            writer.lock().await.data(stream, buffer.get(..count).unwrap_or_default(), false).await?;
        }
    }
}

/// Ends the streams of a process, that of errors with its status.
async fn end(writer: &Shared, error: u32, others: &[u32], status: &str) -> Result<()> {
    let mut writer = writer.lock().await;
    for stream in others.iter().filter(|stream| **stream != 0) {
        writer.data(*stream, &[], true).await?;
    }
    writer.data(error, status.as_bytes(), true).await
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let hex: String = rest.by_ref().take(2).map(char::from).collect();
                bytes.push(u8::from_str_radix(&hex, 16).unwrap_or(b'?'));
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
