//! `Kubelet`: a node of the test's own, for the process under test to call: logs, processes and ports. Commands are
//! run on this machine, ports are those of its loopback.

mod head;
mod incoming;
mod process;
mod streams;

use crate::https::self_signed;
use crate::kubelet::head::{Head, Stream};
use std::io::Result;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// The lines of a log that is followed, and the pause between two.
pub const FOLLOWED_LINES: usize = 20;
const LINE_PAUSE: Duration = Duration::from_millis(20);

/// Serves until the test ends.
pub struct Kubelet {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Kubelet {
    pub fn start() -> Kubelet {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        listener.set_nonblocking(true).expect("a listener can be made not to block");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (acceptor, seen) = (TlsAcceptor::from(Arc::new(self_signed().1)), asked.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(serve(listener, acceptor, seen));
        });
        Kubelet { port, asked }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Method and address of all requests so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no request panics with the list").clone()
    }
}

async fn serve(listener: std::net::TcpListener, acceptor: TlsAcceptor, asked: Arc<Mutex<Vec<String>>>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    while let Ok((tcp, _)) = listener.accept().await {
        let (acceptor, asked) = (acceptor.clone(), asked.clone());
        tokio::spawn(async move {
            if let Ok(stream) = acceptor.accept(tcp).await {
                let _ = answer(stream, &asked).await;
            }
        });
    }
}

/// Answers the requests of a connection, up to one that upgrades it.
async fn answer(mut stream: Stream, asked: &Mutex<Vec<String>>) -> Result<()> {
    while let Some(head) = read_head(&mut stream).await? {
        let query = if head.query.is_empty() { String::new() } else { format!("?{}", head.query) };
        if let Ok(mut asked) = asked.lock() {
            asked.push(format!("{} {}{query}", head.method, head.path));
        }
        match head.path.split('/').nth(1).unwrap_or_default() {
            "containerLogs" => log(&mut stream, head.query.contains("follow=true")).await?,
            "exec" | "attach" | "portForward" => return streams::serve(stream, head).await,
            _ => stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await?,
        }
    }
    Ok(())
}

async fn read_head(stream: &mut Stream) -> Result<Option<Head>> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return Ok(None);
        }
        bytes.extend(byte);
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines();
    let mut first = lines.next().unwrap_or_default().split(' ');
    let method = first.next().unwrap_or_default().to_string();
    let target = first.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_string())).collect();
    Ok(Some(Head { method, path: path.into(), query: query.into(), headers }))
}

async fn log(stream: &mut Stream, is_followed: bool) -> Result<()> {
    let kind = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";
    if !is_followed {
        return stream.write_all(format!("{kind}Content-Length: 8\r\n\r\none\ntwo\n").as_bytes()).await;
    }
    stream.write_all(format!("{kind}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).await?;
    for number in 0..FOLLOWED_LINES {
        let line = format!("line {number}\n");
        stream.write_all(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes()).await?;
        stream.flush().await?;
        tokio::time::sleep(LINE_PAUSE).await;
    }
    stream.write_all(b"0\r\n\r\n").await
}
