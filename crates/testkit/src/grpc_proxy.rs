//! `GrpcProxy`: a proxy between the process under test and a gRPC server, which records the headers of calls.

use crate::api_server::Headers;
use crate::background::serve_until;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};

/// Calls so far: the path of the method, and the headers.
type Calls = Arc<Mutex<Vec<(String, HeaderMap)>>>;

/// Passes calls on until it is dropped.
pub struct GrpcProxy {
    port: u16,
    calls: Calls,
    /// Ends the runtime when it is dropped.
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl GrpcProxy {
    /// `to` is the address of the server, as `http://127.0.0.1:2379`.
    pub fn start(to: &str) -> GrpcProxy {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        listener.set_nonblocking(true).expect("a listener can be made not to block");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let to = String::from(to.strip_prefix("http://").expect("a server without TLS"));
        let (calls, (stop, stopped)) = (Calls::default(), tokio::sync::oneshot::channel());
        let serving = serve(listener, to, calls.clone());
        serve_until(stopped, serving);
        GrpcProxy { port, calls, _stop: stop }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Headers of the calls of a method so far.
    pub fn seen(&self, path: &str) -> Vec<Headers> {
        let calls = self.calls.lock().expect("no call panics with the list");
        calls.iter().filter(|(of, _)| of == path).map(|(_, headers)| Headers::from(headers.clone())).collect()
    }
}

async fn serve(listener: std::net::TcpListener, to: String, calls: Calls) {
    let listener = TcpListener::from_std(listener).expect("a listener of this machine");
    while let Ok((tcp, _)) = listener.accept().await {
        tokio::spawn(connection(tcp, to.clone(), calls.clone()));
    }
}

/// Each connection has one of its own to the server.
async fn connection(tcp: TcpStream, to: String, calls: Calls) {
    let Ok(behind) = TcpStream::connect(to).await else { return };
    let client = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let Ok((sender, driver)) = client.handshake::<_, Incoming>(TokioIo::new(behind)).await else { return };
    tokio::spawn(driver);
    let service = service_fn(move |request: Request<Incoming>| {
        let called = (request.uri().path().to_string(), request.headers().clone());
        calls.lock().expect("no call panics with the list").push(called);
        let mut sender = sender.clone();
        async move { sender.send_request(request).await as Result<Response<Incoming>, hyper::Error> }
    });
    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let _ = server.serve_connection(TokioIo::new(tcp), service).await;
}
