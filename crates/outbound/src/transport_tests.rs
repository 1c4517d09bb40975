//! Transports against servers of the test's own: versions of HTTP, upgrades, proxies, Services and refusals in words.

use crate::dial::Pending;
use crate::{
    AuthInfos, Client, Credential, Failure, HookAddress, HookTarget, Hooks, Limits, Pem, Proxies,
    RequestBody, ServiceResolver, ServiceSource, Settings, Tls, Transport, Url,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use pintle_object::{Value, json};
use rustls_pki_types::PrivateKeyDer;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

const SECOND: Duration = Duration::from_secs(5);

/// A TLS server that answers with the path and the version of each request.
struct Server {
    port: u16,
    pem: String,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn start(name: &str, is_http2: bool) -> Server {
        let made = rcgen::generate_simple_self_signed(vec![name.to_string()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = if is_http2 { vec![b"h2".to_vec()] } else { vec![b"http/1.1".to_vec()] };
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server {
            port: listener.local_addr().unwrap().port(),
            pem: made.cert.pem(),
            connections: Arc::default(),
        };
        let connections = server.connections.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, connections) = (acceptor.clone(), connections.clone());
                tokio::spawn(async move {
                    let Ok(tls) = acceptor.accept(tcp).await else { return };
                    connections.fetch_add(1, Ordering::Relaxed);
                    let io = TokioIo::new(tls);
                    if is_http2 {
                        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                            .serve_connection(io, service_fn(answer))
                            .await;
                    } else {
                        let _ = hyper::server::conn::http1::Builder::new()
                            .serve_connection(io, service_fn(answer))
                            .await;
                    }
                });
            }
        });
        server
    }

    fn tls(&self) -> Tls {
        Tls { authorities: Some(Pem::Inline(self.pem.clone().into())), ..Tls::default() }
    }

    fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port)
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    tokio::time::sleep(Duration::from_millis(20)).await;
    let text = format!("{:?} {}", request.version(), request.uri().path());
    let answer = Response::builder();
    let answer = if request.uri().path() == "/later" {
        answer.status(503).header("retry-after", "60")
    } else {
        answer
    };
    Ok(answer.body(Full::from(text)).unwrap())
}

async fn get(transport: &Transport, url: String) -> Result<String, Failure> {
    let request = Request::builder().uri(url).body(RequestBody::empty()).unwrap();
    let body = transport.round_trip(request).await?.into_body().collect().await.unwrap().to_bytes();
    Ok(String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn one_connection_serves_many_at_once_in_http2() {
    let server = Server::start("127.0.0.1", true).await;
    let transport = Transport::new(Settings { tls: server.tls(), ..Settings::default() }).unwrap();
    let asked = (0..20).map(|number| get(&transport, server.url(&format!("/{number}"))));
    for (number, answer) in futures_of(asked).await.into_iter().enumerate() {
        assert_eq!(answer.unwrap(), format!("HTTP/2.0 /{number}"));
    }
    assert_eq!(server.connections.load(Ordering::Relaxed), 1);
}

/// The results of concurrent requests.
async fn futures_of<T>(asked: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = asked.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = pending.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (one, done) in pending.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(answer) = one.as_mut().poll(cx)
            {
                *done = Some(answer);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test]
async fn failures_have_the_words_of_go() {
    let server = Server::start("hook.example", false).await;
    let said = async |tls: Tls| {
        let transport = Transport::new(Settings { tls, ..Settings::default() }).unwrap();
        get(&transport, server.url("/")).await.unwrap_err().to_string()
    };
    assert_eq!(
        said(server.tls()).await,
        "tls: failed to verify certificate: x509: cannot validate certificate for 127.0.0.1 because it \
         doesn't contain any IP SANs"
    );
    assert_eq!(
        said(Tls { server_name: Some("other.example".into()), ..server.tls() }).await,
        "tls: failed to verify certificate: x509: certificate is valid for hook.example, not other.example"
    );
    let other = Server::start("hook.example", false).await;
    assert_eq!(
        said(Tls { server_name: Some("hook.example".into()), ..other.tls() }).await,
        "tls: failed to verify certificate: x509: certificate signed by unknown authority"
    );
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = Url::parse(&format!("https://{dead}")).unwrap();
    let client = Client::new(url, Tls::default(), Credential::None).unwrap();
    assert_eq!(
        client.send(Method::POST, "/a?b=c", None, SECOND).await.unwrap_err().to_string(),
        format!("Post \"https://{dead}/a?b=c\": dial tcp {dead}: connect: connection refused")
    );
}

#[tokio::test]
async fn answers_and_waiting_requests_are_bounded() {
    let server = Server::start("127.0.0.1", false).await;
    let limits = Limits { at_once_max: 1, waiting_max: 1 };
    let transport =
        Arc::new(Transport::new(Settings { tls: server.tls(), limits, ..Settings::default() }).unwrap());
    let asked = (0..3).map(|_| get(&transport, server.url("/")));
    let refused = futures_of(asked).await.into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert_eq!(refused, [Failure::Overloaded]);
    let url = Url::parse(&server.url("")).unwrap();
    let client = Client::over(transport, url, Credential::None).reading(4);
    let failure = client.send(Method::GET, "/long", None, SECOND).await.unwrap_err();
    assert!(matches!(&failure, Failure::Nonsense(why) if why.contains("larger than 4 bytes")), "{failure}");
}

#[tokio::test]
async fn upgraded_connections_are_the_callers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(tcp.read_u8().await.unwrap());
        }
        let switched = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n>";
        tcp.write_all(switched).await.unwrap();
        let (mut from, mut to) = tcp.split();
        let _ = tokio::io::copy(&mut from, &mut to).await;
    });
    let transport = Transport::new(Settings::default()).unwrap();
    let request = Request::builder().uri(url).header("connection", "Upgrade").header("upgrade", "x");
    let (response, stream) = transport.upgrade(request.body(RequestBody::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 101);
    let mut stream = stream.unwrap();
    stream.write_all(b"hello").await.unwrap();
    let mut said = [0; 6];
    stream.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b">hello");
}

#[tokio::test]
async fn proxies_are_asked_for_a_tunnel() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://u:p@{}", listener.local_addr().unwrap());
    let asked = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(tcp.read_u8().await.unwrap());
        }
        tcp.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await.unwrap();
        String::from_utf8(head).unwrap()
    });
    let proxies = Proxies::new(|upper, _| (upper == "HTTPS_PROXY").then(|| proxy.clone())).unwrap();
    let transport = Transport::new(Settings { proxies: Arc::new(proxies), ..Settings::default() }).unwrap();
    let failure = get(&transport, "https://hook.example/x".into()).await.unwrap_err();
    assert_eq!(failure.to_string(), "Proxy Authentication Required");
    let head = asked.await.unwrap();
    assert!(head.starts_with("CONNECT hook.example:443 HTTP/1.1\r\nHost: hook.example:443\r\n"), "{head}");
    assert!(head.contains("Proxy-Authorization: Basic dTpw\r\n"), "{head}");
}

/// One Service whose endpoint is a port of loopback.
struct OneService(u16);

impl ServiceSource for OneService {
    fn service<'a>(&'a self, _: &'a str, name: &'a str) -> Pending<'a, Result<Option<Value>, String>> {
        let text = match name {
            "hook" => {
                r#"{"spec":{"type":"ClusterIP","clusterIP":"10.0.0.1","ports":[{"name":"h","port":443}]}}"#
            }
            "other" => r#"{"spec":{"type":"ExternalName","externalName":"x.example"}}"#,
            _ => return Box::pin(async { Ok(None) }),
        };
        Box::pin(async { Ok(json::parse(text.as_bytes()).ok()) })
    }

    fn endpoint_slices<'a>(&'a self, _: &'a str, _: &'a str) -> Pending<'a, Result<Vec<Value>, String>> {
        let text = format!(
            r#"{{"endpoints":[{{"addresses":["127.0.0.9"],"conditions":{{"ready":false}}}},
               {{"addresses":["127.0.0.1"]}}],"ports":[{{"name":"h","port":{}}}]}}"#,
            self.0
        );
        Box::pin(async move { Ok(json::parse(text.as_bytes()).into_iter().collect()) })
    }
}

#[tokio::test]
async fn webhooks_of_services_are_asked_where_the_services_are() {
    let server = Server::start("hook.ns.svc", true).await;
    let hooks = |uses_endpoints| {
        let resolver = ServiceResolver::new(Arc::new(OneService(server.port)), uses_endpoints, None);
        Hooks::new(AuthInfos::default(), Arc::new(resolver), Arc::default())
    };
    let target = |name: &str, port| HookTarget {
        address: HookAddress::Service { namespace: "ns".into(), name: name.into(), path: "/x".into(), port },
        ca_bundle: server.pem.clone().into(),
    };
    let post = async |hooks: &Hooks, target: HookTarget| {
        let client = hooks.client(&target).unwrap();
        client.post(Bytes::from("{}"), Some(10 * SECOND / 5), SECOND, &[]).await
    };
    let endpoints = hooks(true);
    // The server speaks HTTP/2 only, which webhooks of Services are not spoken to in.
    let failure = post(&endpoints, target("hook", 0)).await.unwrap_err().to_string();
    let prefix = "Post \"https://hook.ns.svc:443/x?timeout=10s\": ";
    assert_eq!(failure, format!("{prefix}remote error: tls: no application protocol"));
    let failure = post(&endpoints, target("hook", 444)).await.unwrap_err().to_string();
    assert!(failure.ends_with("no service port 444 found for service \"hook\""), "{failure}");
    let failure = post(&endpoints, target("none", 0)).await.unwrap_err().to_string();
    assert!(failure.ends_with("service \"none\" not found"), "{failure}");
    let failure = post(&endpoints, target("other", 0)).await.unwrap_err().to_string();
    assert!(failure.ends_with("unsupported service type \"ExternalName\""), "{failure}");
    let cluster = hooks(false);
    let resolved = cluster.services.resolve("ns", "other", 444).await;
    assert_eq!(resolved, Ok(("x.example".into(), 444)));
    assert_eq!(cluster.services.resolve("ns", "hook", 443).await, Ok(("10.0.0.1".into(), 443)));
}

#[tokio::test]
async fn webhooks_of_addresses_are_asked_once_within_their_time() {
    let server = Server::start("127.0.0.1", false).await;
    let resolver = Arc::new(ServiceResolver::new(Arc::new(OneService(0)), true, None));
    let auth = AuthInfos::parse(b"users: []", Path::new("")).unwrap();
    let hooks = Hooks::new(auth, resolver, Arc::default());
    let client = |path: &str| {
        let target =
            HookTarget { address: HookAddress::Url(server.url(path)), ca_bundle: server.pem.clone().into() };
        hooks.client(&target).unwrap()
    };
    assert!(Arc::ptr_eq(&client("/a"), &client("/a")));
    let answer = client("/a/").post(Bytes::from("{}"), None, SECOND, &[]).await.unwrap();
    assert_eq!(answer.body.as_ref(), b"HTTP/1.1 /a");
    let later = client("/later").post(Bytes::from("{}"), None, Duration::from_millis(100), &[]).await;
    assert!(matches!(&later, Err(Failure::TimedOut(_))), "{later:?}");
    let bad = HookTarget { address: HookAddress::Url(server.url("/")), ca_bundle: b"no PEM".to_vec() };
    let error = hooks.client(&bad).err().unwrap();
    assert_eq!(error, "unable to load root certificates: unable to parse bytes as PEM block");
}
