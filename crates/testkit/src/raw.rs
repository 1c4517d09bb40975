//! Connections that send arbitrary bytes, and the time until the server closes them.

use crate::tls;
use rustls_pki_types::ServerName;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// The beginning of HTTP/2: the preface, and empty settings.
pub const HTTP2_BEGIN: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// A connection that speaks TLS and nothing else by itself.
pub struct Raw(TlsStream<TcpStream>);

impl Raw {
    /// Connects; `protocols` are offered by ALPN.
    pub async fn connect(port: u16, protocols: &[&[u8]]) -> std::io::Result<Raw> {
        let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
        let name = ServerName::try_from("localhost").expect("a name");
        Ok(Raw(tls::connector(protocols).connect(name, tcp).await?))
    }

    pub async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }

    /// Reads until the text is part of the input, or the end.
    pub async fn read_until(&mut self, text: &str) -> String {
        let mut all = Vec::new();
        let mut part = [0; 4096];
        while let Ok(len @ 1..) = self.0.read(&mut part).await {
            all.extend_from_slice(&part[..len]);
            if String::from_utf8_lossy(&all).contains(text) {
                break;
            }
        }
        String::from_utf8_lossy(&all).into_owned()
    }

    /// The time until the server closes, with `drip` sent every `every`; none when it does not within `max`.
    pub async fn closed_after(&mut self, drip: &[u8], every: Duration, max: Duration) -> Option<Duration> {
        let began = Instant::now();
        let mut part = [0; 4096];
        while began.elapsed() < max {
            match tokio::time::timeout(every, self.0.read(&mut part)).await {
                Ok(Ok(0) | Err(_)) => return Some(began.elapsed()),
                Ok(Ok(_)) => {}
                Err(_) if self.send(drip).await.is_err() => return Some(began.elapsed()),
                Err(_) => {}
            }
        }
        None
    }
}
