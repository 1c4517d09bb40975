//! Calls against servers of the test's own, in the clear and with TLS.

use crate::transport::AT_ONCE_MAX;
use crate::{Backoff, Client, Credential, Failure, Kubeconfig, Pem, Tls, Url, Webhook};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use pintle_object::{Value, json};
use rustls_pki_types::PrivateKeyDer;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

const SECOND: Duration = Duration::from_secs(5);
const QUICK: Backoff = Backoff { first: Duration::from_millis(1), factor: 1.0, jitter: 0.0, tries_max: 3 };

/// A server that answers each request with the next of its answers, the last one over and over.
struct Fake {
    port: u16,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    async fn start(answers: &[&str], acceptor: Option<TlsAcceptor>) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let fake = Fake { port, connections: Arc::default(), requests: Arc::default() };
        let (connections, requests) = (fake.connections.clone(), fake.requests.clone());
        let answers: Vec<String> = answers.iter().map(ToString::to_string).collect();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                let (requests, answers) = (requests.clone(), answers.clone());
                match acceptor.clone() {
                    None => drop(tokio::spawn(talk(tcp, requests, answers))),
                    Some(acceptor) => drop(tokio::spawn(async move {
                        if let Ok(tls) = acceptor.accept(tcp).await {
                            talk(tls, requests, answers).await;
                        }
                    })),
                }
            }
        });
        fake
    }

    fn url(&self, scheme: &str) -> Url {
        Url::parse(&format!("{scheme}://127.0.0.1:{}/hook", self.port)).unwrap()
    }

    fn client(&self) -> Client {
        Client::new(self.url("http"), Tls::default(), Credential::None).unwrap()
    }

    fn webhook(&self) -> Webhook {
        let found =
            Kubeconfig { server: self.url("http"), tls: Tls::default(), credential: Credential::None };
        Webhook::new(found, QUICK).unwrap()
    }

    fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    requests: Arc<Mutex<Vec<String>>>,
    answers: Vec<String>,
) {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        seen.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8(seen.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap_or("0");
        if body.len() < length.parse().unwrap() {
            continue;
        }
        let answer = {
            let mut requests = requests.lock().unwrap();
            requests.push(text.clone());
            answers[(requests.len() - 1).min(answers.len() - 1)].clone()
        };
        if answer == "hang up" {
            return;
        }
        let (code, body) = answer.split_once(' ').unwrap();
        let answer = format!("HTTP/1.1 {code} x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
        seen.clear();
    }
}

fn document() -> Value {
    json::parse(br#"{"kind":"Question"}"#).unwrap()
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let fake = Fake::start(&[r#"200 {"a":1}"#], None).await;
    let client = fake.client();
    for _ in 0..3 {
        let answer = client.send(Method::GET, "/hook", None, SECOND).await.unwrap();
        assert_eq!((answer.code, answer.body.as_ref()), (200, &br#"{"a":1}"#[..]));
    }
    assert_eq!((fake.count(), fake.connections.load(Ordering::Relaxed)), (3, 1));
}

#[tokio::test]
async fn documents_are_posted_to_the_path_of_the_server() {
    let fake = Fake::start(&[r#"200 {"kind":"Answer"}"#], None).await;
    let answer = fake.webhook().call(&document()).await.unwrap();
    assert_eq!(answer.str_at(&["kind"]), "Answer");
    let request = fake.requests.lock().unwrap().remove(0);
    assert!(request.starts_with("POST /hook?timeout=30s HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("Content-Type: application/json\r\n"), "{request}");
    assert!(request.ends_with(r#"{"kind":"Question"}"#), "{request}");
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let check = async |answers: &[&str], succeeds: bool, tries: usize| {
        let fake = Fake::start(answers, None).await;
        let answer = fake.webhook().call(&document()).await;
        assert_eq!((answer.is_ok(), fake.count()), (succeeds, tries), "{answers:?} {answer:?}");
    };
    check(&["500 {}", "200 {}"], true, 2).await;
    check(&["429 {}", "504 {}", "200 {}"], true, 3).await;
    check(&["500 {}"], false, 3).await;
    check(&["400 {}", "200 {}"], false, 1).await;
    check(&["503 {}", "200 {}"], false, 1).await;
    check(&["200 no json", "200 {}"], false, 1).await;
    check(&["hang up", "200 {}"], true, 2).await;
}

#[tokio::test]
async fn nobody_and_silence_are_failures() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let url = Url::parse(&format!("http://127.0.0.1:{port}")).unwrap();
    let nobody = Client::new(url, Tls::default(), Credential::None).unwrap();
    let failure = nobody.send(Method::GET, "/", None, SECOND).await.unwrap_err();
    assert!(matches!(failure, Failure::Unreachable(_)) && !failure.is_passing(), "{failure}");
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", silent.local_addr().unwrap())).unwrap();
    let client = Client::new(url, Tls::default(), Credential::None).unwrap();
    let failure = client.send(Method::GET, "/", None, Duration::from_millis(20)).await.unwrap_err();
    assert!(matches!(failure, Failure::TimedOut(_)), "{failure}");
}

/// A certificate of its own for a name, and its PEM.
fn self_signed(name: &str) -> (TlsAcceptor, String) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_string()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), made.cert.pem())
}

#[tokio::test]
async fn servers_are_known_by_their_certificates() {
    let (acceptor, pem) = self_signed("127.0.0.1");
    let (other_acceptor, _) = self_signed("127.0.0.1");
    let (named_acceptor, named_pem) = self_signed("hook.example");
    let check = async |acceptor: &TlsAcceptor, tls: Tls, expected: bool| {
        let fake = Fake::start(&["200 {}"], Some(acceptor.clone())).await;
        let client = Client::new(fake.url("https"), tls.clone(), Credential::None).unwrap();
        let found = client.send(Method::GET, "/", None, SECOND).await;
        assert_eq!(found.is_ok(), expected, "{tls:?} {found:?}");
    };
    let trusting = |pem: &str| Tls { authorities: Some(Pem::Inline(pem.into())), ..Tls::default() };
    check(&acceptor, trusting(&pem), true).await;
    check(&other_acceptor, trusting(&pem), false).await;
    check(&named_acceptor, trusting(&named_pem), false).await;
    let named = Tls { server_name: Some("hook.example".into()), ..trusting(&named_pem) };
    check(&named_acceptor, named, true).await;
    check(&other_acceptor, Tls { is_insecure: true, ..Tls::default() }, true).await;
}

#[test]
fn kubeconfigs_say_where_to_call_and_as_whom() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("token"), "t2\n").unwrap();
    let parse = |cluster: &str, user: &str| {
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  context: {{cluster: k, user: u}}\n\
             clusters:\n- name: k\n  cluster: {cluster}\nusers:\n- name: u\n  user: {user}\n"
        );
        Kubeconfig::parse(text.as_bytes(), dir.path())
    };
    let found = parse("{server: 'https://h:1/p', tls-server-name: name}", "{token: t}").unwrap();
    assert_eq!(found.server.to_string(), "https://h:1/p");
    assert_eq!(
        (found.tls.server_name.as_deref(), found.credential),
        (Some("name"), Credential::Token("t".into()))
    );
    let found = parse("{server: 'http://h'}", "{tokenFile: token, token: t}").unwrap();
    assert_eq!(found.credential, Credential::TokenFile(dir.path().join("token")));
    let found = parse("{server: 'http://h'}", "{username: a, password: b}").unwrap();
    assert_eq!(found.credential, Credential::Basic("YTpi".into()));
    let data = STANDARD.encode("pem");
    let found = parse(&format!("{{server: 'https://h', certificate-authority-data: {data}}}"), "{}").unwrap();
    assert!(matches!(found.tls.authorities, Some(Pem::Inline(bytes)) if bytes == b"pem"));
    for (cluster, user) in [
        ("{}", "{}"),
        ("{server: 'https://h', certificate-authority-data: '%'}", "{}"),
        ("{server: 'https://h', certificate-authority: a, insecure-skip-tls-verify: true}", "{}"),
        ("{server: 'https://h', proxy-url: 'http://p'}", "{}"),
        ("{server: 'https://h'}", "{client-key: k}"),
        ("{server: 'https://h'}", "{client-certificate: c}"),
        ("{server: 'https://h'}", "{exec: {command: x}}"),
    ] {
        assert!(parse(cluster, user).is_err(), "{cluster} {user}");
    }
    assert!(Kubeconfig::parse(b"current-context: x", Path::new("")).is_err());
    assert!(Kubeconfig::parse(b"{}", Path::new("")).is_err());
    let error = |text: &str| Kubeconfig::parse(text.as_bytes(), Path::new("")).unwrap_err();
    assert_eq!(error("kind: Pod\napiVersion: v1"), "no kind \"Pod\" is registered for version \"v1\"");
    assert_eq!(error("apiVersion: v2"), "no kind \"\" is registered for version \"v2\"");
    assert_eq!(error("clusters: {}"), "clusters: must be a list");
    let twice = error("current-context: a\ncurrent-context: b");
    assert_eq!(twice, "yaml: unmarshal errors:\n  line 2: key \"current-context\" already set in map");
}

#[tokio::test]
async fn webhooks_are_followed_nowhere_else() {
    let elsewhere = Fake::start(&["200 {}"], None).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/hook", listener.local_addr().unwrap())).unwrap();
    let location = elsewhere.url("http").to_string();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let answer = format!("HTTP/1.1 302 x\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
            let _ = tcp.read(&mut [0; 1024]).await;
            let _ = tcp.write_all(answer.as_bytes()).await;
        }
    });
    let found = Kubeconfig { server: url, tls: Tls::default(), credential: Credential::Token("t".into()) };
    assert!(Webhook::new(found, QUICK).unwrap().call(&document()).await.is_err());
    assert_eq!(elsewhere.count(), 0);
}

#[tokio::test]
async fn documents_are_followed_to_where_they_are() {
    let fake = Fake::start(&["200 there"], None).await;
    let there = fake.url("http").with_path("/new?x=1").to_string();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let old = format!("http://{}/old", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let answer = format!("HTTP/1.1 302 x\r\nlocation: {there}\r\ncontent-length: 0\r\n\r\n");
        let _ = tcp.read(&mut [0; 1024]).await;
        tcp.write_all(answer.as_bytes()).await.unwrap();
    });
    let answer = crate::fetch(&old, &Tls::default(), SECOND).await.unwrap();
    assert_eq!(answer.body.as_ref(), b"there");
    assert!(fake.requests.lock().unwrap()[0].starts_with("GET /new?x=1 "));
}

#[tokio::test]
async fn requests_beyond_those_at_once_wait_without_a_connection() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let server = Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
    let client = Arc::new(Client::new(server, Tls::default(), Credential::None).unwrap());
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE_MAX + 8 {
        let client = client.clone();
        asked.spawn(async move {
            client.send(Method::GET, "/", None, 12 * SECOND).await.map(|answer| answer.code)
        });
    }
    let mut open = Vec::new();
    for _ in 0..AT_ONCE_MAX {
        open.push(silent.accept().await.unwrap().0);
    }
    let more = tokio::time::timeout(Duration::from_millis(100), silent.accept());
    assert!(more.await.is_err(), "more requests are under way than may be");
    // One that ends makes room for another.
    open.pop();
    open.push(silent.accept().await.unwrap().0);
}
