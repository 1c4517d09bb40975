//! `ApiServer`: an API server of the test's own behind the one under test, as an APIService names it. It knows the
//! server in front of it by its client certificate, believes that one's headers about who asks, and keeps what it saw.

mod body;
mod documents;
mod objects;

use crate::api_server::body::{Body, full, status};
use crate::background::serve_until;
use crate::certificates::{Authority, Pair};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderMap, HeaderValue, UPGRADE};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use objects::Objects;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::copy;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// The protocol of an upgraded stream: it repeats all that it is sent.
pub const ECHO: &str = "echo";

/// Serves `flunders` of one group in version `v1` until it is dropped.
pub struct ApiServer {
    port: u16,
    shared: Arc<ApiServerShared>,
    /// Ends the runtime when it is dropped.
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

struct ApiServerShared {
    group: String,
    /// Whether it believes everybody.
    is_open: bool,
    objects: Objects,
    /// By path.
    seen: Mutex<Vec<(String, HeaderMap)>>,
    hangs: AtomicBool,
    is_legacy: AtomicBool,
}

impl ApiServer {
    /// `front` is the authority, in PEM, of the trusted front proxies; `own` has signed the server's certificate.
    pub fn start(group: &str, front: &str, own: &Pair) -> ApiServer {
        ApiServer::begin(group, Some(front), own)
    }

    /// A server that trusts every client's headers about users, with an authority of its own, for a Service of the
    /// namespace `default`.
    pub fn open(service: &str, group: &str) -> (ApiServer, String) {
        let own = Authority::new(&format!("{service}-ca"));
        let pair = own.server(&[&format!("{service}.default.svc")]);
        (ApiServer::begin(group, None, &pair), own.pem())
    }

    fn begin(group: &str, front: Option<&str>, own: &Pair) -> ApiServer {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        listener.set_nonblocking(true).expect("a listener can be made not to block");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let shared = Arc::new(ApiServerShared {
            group: group.into(),
            is_open: front.is_none(),
            objects: Objects::new(group),
            seen: Mutex::default(),
            hangs: AtomicBool::new(false),
            is_legacy: AtomicBool::new(false),
        });
        let acceptor = TlsAcceptor::from(Arc::new(config(front, own)));
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let serving = serve(listener, acceptor, shared.clone());
        let thread = serve_until(stopped, serving);
        ApiServer { port, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// One with an authority and a certificate of its own, for a Service of the namespace `default`; the authority's
    /// certificate is given too, for the APIService.
    pub fn of_service(service: &str, group: &str, front: &str) -> (ApiServer, String) {
        let own = Authority::new(&format!("{service}-ca"));
        let pair = own.server(&[&format!("{service}.default.svc")]);
        (ApiServer::start(group, front, &pair), own.pem())
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on requests are taken, and no longer answered; or answered again.
    pub fn hang(&self, hangs: bool) {
        self.shared.hangs.store(hangs, Ordering::Relaxed);
    }

    /// From now on there are no OpenAPI documents of version 3.
    pub fn be_legacy(&self) {
        self.shared.is_legacy.store(true, Ordering::Relaxed);
    }

    /// Headers of the requests for a path so far, with any query.
    pub fn seen(&self, path: &str) -> Vec<Headers> {
        let seen = self.shared.seen.lock().expect("no request panics with the list");
        seen.iter().filter(|(of, _)| of == path).map(|(_, headers)| Headers(headers.clone())).collect()
    }
}

/// Headers of a request, as it came.
#[derive(Debug)]
pub struct Headers(HeaderMap);

impl From<HeaderMap> for Headers {
    fn from(headers: HeaderMap) -> Headers {
        Headers(headers)
    }
}

impl Headers {
    /// All values of a header. What is not UTF-8 fails the test.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let text = |value| std::str::from_utf8(value).expect("a header in UTF-8");
        self.0.get_all(name).iter().map(|value| text(value.as_bytes())).collect()
    }

    /// The names that begin with something, in lower case.
    pub fn names(&self, prefix: &str) -> Vec<&str> {
        self.0.keys().map(|name| name.as_str()).filter(|name| name.starts_with(prefix)).collect()
    }
}

impl Drop for ApiServer {
    /// Waits until the server no longer listens.
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

/// Requests a certificate of `front`; clients without one are let in, and get a 401.
fn config(front: Option<&str>, own: &Pair) -> ServerConfig {
    let certificates = |pem: &str| -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(pem.as_bytes()).map(|one| one.expect("a certificate")).collect()
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("a key");
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("the provider supports the default protocol versions");
    let builder = match front {
        None => builder.with_no_client_auth(),
        Some(front) => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates(front));
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = verifier.allow_unauthenticated().build().expect("there is an authority");
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config =
        builder.with_single_cert(certificates(&own.certificate), key).expect("the key is the certificate's");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

async fn serve(listener: std::net::TcpListener, acceptor: TlsAcceptor, shared: Arc<ApiServerShared>) {
    let listener = TcpListener::from_std(listener).expect("a listener of this machine");
    while let Ok((tcp, _)) = listener.accept().await {
        tokio::spawn(connection(tcp, acceptor.clone(), shared.clone()));
    }
}

async fn connection(tcp: TcpStream, acceptor: TlsAcceptor, shared: Arc<ApiServerShared>) {
    let Ok(stream) = acceptor.accept(tcp).await else { return };
    let session = stream.get_ref().1;
    let is_known = shared.is_open || session.peer_certificates().is_some_and(|shown| !shown.is_empty());
    let is_h2 = session.alpn_protocol() == Some(b"h2");
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(answer(&shared, request, is_known).await) }
    });
    let io = TokioIo::new(stream);
    if is_h2 {
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = server.serve_connection(io, service).await;
    } else {
        let server = hyper::server::conn::http1::Builder::new();
        let _ = server.serve_connection(io, service).with_upgrades().await;
    }
}

async fn answer(shared: &Arc<ApiServerShared>, request: Request<Incoming>, is_known: bool) -> Response<Body> {
    if shared.hangs.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
    keep(shared, &request);
    if !is_known || !request.headers().contains_key("x-remote-user") {
        return status(401, "Unauthorized");
    }
    if request.headers().get(UPGRADE).is_some_and(|protocol| protocol == ECHO) {
        return echo(request);
    }
    if shared.is_legacy.load(Ordering::Relaxed) && request.uri().path().starts_with("/openapi/v3") {
        return status(404, "NotFound");
    }
    if let Some(response) = documents::answer(&shared.group, &request) {
        return response;
    }
    shared.objects.answer(request).await
}

fn keep(shared: &ApiServerShared, request: &Request<Incoming>) {
    let head = (request.uri().path().to_string(), request.headers().clone());
    shared.seen.lock().expect("no request panics with the list").push(head);
}

/// Becomes a stream that echoes its input.
fn echo(request: Request<Incoming>) -> Response<Body> {
    tokio::spawn(async move {
        let Ok(stream) = hyper::upgrade::on(request).await else { return };
        let (mut read, mut write) = tokio::io::split(TokioIo::new(stream));
        let _ = copy(&mut read, &mut write).await;
    });
    let mut response = Response::new(full(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static(ECHO));
    response
}
