//! Proxied requests: a body that is passed on as it comes, and a connection that becomes a stream of its own in both
//! directions (101 Switching Protocols).

use crate::activity::InFlight;
use crate::response::{Body, Response};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, UPGRADE};
use hyper::upgrade::OnUpgrade;
use hyper::{HeaderMap, Version, http};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::JoinHandle;

/// The body and the upgrade of a request that has not been read.
#[derive(Default)]
pub struct Exchange {
    /// Not read yet; its reader takes it with back pressure to the client.
    pub body: Option<Incoming>,
    /// There where the client asks for an upgrade and the connection can have one (HTTP/1.1).
    pub upgrade: Option<OnUpgrade>,
}

impl Exchange {
    /// The exchange of an incoming request.
    pub fn new(parts: &mut http::request::Parts, body: Incoming) -> Exchange {
        let on = parts.extensions.remove::<OnUpgrade>();
        let is_asked = parts.version == Version::HTTP_11 && asks_for_upgrade(&parts.headers);
        Exchange { body: Some(body), upgrade: on.filter(|_| is_asked) }
    }
}

/// Whether the headers ask for another protocol on the same connection.
fn asks_for_upgrade(headers: &HeaderMap) -> bool {
    let mut connection = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let is_named = |list: &str| list.split(',').any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    headers.contains_key(UPGRADE) && connection.any(is_named)
}

/// The stream that a connection becomes when one of its answers is an upgrade.
#[derive(Clone, Default)]
pub struct Tunnel(Arc<Mutex<Option<JoinHandle<()>>>>);

impl Tunnel {
    /// Begins to serve the stream where an answer is an upgrade. The request is under way until the stream ends.
    pub fn begin(&self, response: &mut Response, in_flight: InFlight) -> Option<InFlight> {
        if !matches!(response.body, Body::Upgrade(_)) {
            return Some(in_flight);
        }
        if let Body::Upgrade(upgrade) = std::mem::replace(&mut response.body, Body::Bytes(Bytes::new())) {
            let task = upgrade.begin(std::mem::take(&mut response.carried.held), in_flight);
            self.lock().replace(task);
        }
        None
    }

    /// Waits for the end of the stream, if there is one, or ends it when `until` does.
    pub async fn end(&self, until: impl Future<Output = ()>) {
        let Some(mut task) = self.lock().take() else { return };
        tokio::select! {
            _ = &mut task => return,
            () = until => {}
        }
        task.abort();
    }

    fn lock(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Tunnel {
    /// No stream outlives its connection's task.
    fn drop(&mut self) {
        if Arc::strong_count(&self.0) == 1
            && let Some(task) = self.lock().take()
        {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::Activity;
    use crate::answer_gate::AnswerGate;
    use crate::http_body::to_http;
    use crate::upgrade::Upgrade;
    use crate::write_coalescing::Coalesced;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use std::convert::Infallible;
    use std::future::poll_fn;
    use std::net::Ipv4Addr;
    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;

    /// Serves one connection whose only answer is an upgrade to a stream that says everything back.
    async fn serve(
        stream: tokio::io::DuplexStream,
        activity: Arc<Activity>,
        until: impl Future<Output = ()>,
    ) {
        let tunnel = Tunnel::default();
        let (own, requests) = (tunnel.clone(), activity.clone());
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let (own, in_flight) = (own.clone(), requests.begin(None));
            async move {
                let (mut parts, body) = request.into_parts();
                let exchange = Exchange::new(&mut parts, body);
                let upgrade = Upgrade::new(exchange.upgrade.unwrap(), |stream| async move {
                    let (mut read, mut write) = tokio::io::split(stream);
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
                let mut response =
                    Response::upgraded(upgrade).with("connection", "Upgrade").with("upgrade", "x");
                let in_flight = own.begin(&mut response, in_flight);
                Ok::<_, Infallible>(to_http(response, Version::HTTP_11, in_flight))
            }
        });
        let held = Coalesced::new(stream, AnswerGate::default());
        let connection = hyper::server::conn::http1::Builder::new();
        let connection = connection.serve_connection(TokioIo::new(held.clone()), service).with_upgrades();
        let mut connection = std::pin::pin!(connection);
        poll_fn(|context| held.poll_driven(context, connection.as_mut())).await.unwrap();
        tunnel.end(until).await;
    }

    const ASK: &[u8] = b"POST /exec HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";

    async fn upgraded(client: &mut tokio::io::DuplexStream) {
        client.write_all(ASK).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
    }

    #[tokio::test]
    async fn a_connection_becomes_a_stream_in_both_directions() {
        let (mut client, server) = tokio::io::duplex(64);
        let activity = Arc::new(Activity::new(Ipv4Addr::LOCALHOST.into(), Arc::default()));
        let serving = tokio::spawn(serve(server, activity.clone(), std::future::pending()));
        upgraded(&mut client).await;
        let (mut read, mut write) = tokio::io::split(client);
        // More than the stream buffers: a writer waits for a slow reader.
        let sent: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
        let mut heard = vec![0; sent.len()];
        let (wrote, read_all) = tokio::join!(write.write_all(&sent), read.read_exact(&mut heard));
        wrote.unwrap();
        read_all.unwrap();
        assert!(heard == sent && !activity.is_resting());
        write.shutdown().await.unwrap();
        serving.await.unwrap();
        assert!(activity.is_resting());
    }

    #[tokio::test]
    async fn a_stream_ends_with_its_server() {
        let (mut client, server) = tokio::io::duplex(1 << 10);
        let activity = Arc::new(Activity::new(Ipv4Addr::LOCALHOST.into(), Arc::default()));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(serve(server, activity, async { drop(stopped.await) }));
        upgraded(&mut client).await;
        drop(stop);
        serving.await.unwrap();
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
    }

    fn check(headers: &[(&'static str, &'static str)], expected: bool) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, http::HeaderValue::from_static(value));
        }
        assert_eq!(asks_for_upgrade(&map), expected, "{headers:?}");
    }

    #[test]
    fn an_upgrade_is_asked_for_by_both_headers() {
        check(&[("upgrade", "SPDY/3.1"), ("connection", "Upgrade")], true);
        check(&[("upgrade", "websocket"), ("connection", "keep-alive"), ("connection", "a, upgrade")], true);
        check(&[("upgrade", "websocket")], false);
        check(&[("connection", "upgrade")], false);
        check(&[("upgrade", "websocket"), ("connection", "upgraded")], false);
    }
}
