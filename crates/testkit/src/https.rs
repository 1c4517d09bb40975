//! `Https`: a server of the test's own, with a certificate of its own, for the process under test to call.

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls_pki_types::PrivateKeyDer;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub struct SeenRequest {
    /// With its query.
    pub path: String,
    /// Names in lower case.
    pub head: String,
    pub body: String,
}

/// Writes the answer to a request, head and all. An error ends the connection.
type Handler = dyn Fn(&SeenRequest, &mut dyn Write) -> std::io::Result<()> + Send + Sync;

/// Serves until the test ends.
pub struct Https {
    port: u16,
    /// The server's certificate, in PEM, which is its own authority.
    pub pem: String,
    asked: Arc<Mutex<Vec<SeenRequest>>>,
}

impl Https {
    /// Answers with codes and JSON documents.
    pub fn start(handler: impl Fn(&SeenRequest) -> (u16, String) + Send + Sync + 'static) -> Https {
        Https::start_raw(move |asked, stream| {
            let (code, body) = handler(asked);
            write!(
                stream,
                "HTTP/1.1 {code} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
        })
    }

    /// Answers with the bytes that the handler writes.
    pub fn start_raw(
        handler: impl Fn(&SeenRequest, &mut dyn Write) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Https {
        let (pem, config) = self_signed();
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let asked: Arc<Mutex<Vec<SeenRequest>>> = Arc::default();
        let https = Https { port, pem, asked: asked.clone() };
        let (config, handler): (_, Arc<Handler>) = (Arc::new(config), Arc::new(handler));
        std::thread::spawn(move || {
            for tcp in listener.incoming().flatten() {
                let _ = tcp.set_nodelay(true);
                let (config, handler, asked) = (config.clone(), handler.clone(), asked.clone());
                std::thread::spawn(move || talk(tcp, config, handler.as_ref(), &asked));
            }
        });
        https
    }

    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<SeenRequest> {
        self.asked.lock().expect("no handler panics with the list").clone()
    }
}

/// Answers requests until the client goes.
fn talk(
    tcp: TcpStream,
    config: Arc<ServerConfig>,
    handler: &Handler,
    asked: &Mutex<Vec<SeenRequest>>,
) -> Option<()> {
    let mut stream = StreamOwned::new(ServerConnection::new(config).ok()?, tcp);
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        seen.extend_from_slice(buffer.get(..count)?);
        let Some(request) = parse(&String::from_utf8_lossy(&seen)) else { continue };
        asked.lock().ok()?.push(request.clone());
        handler(&request, &mut stream).ok()?;
        seen.clear();
    }
}

/// A request, once all of it is there.
fn parse(text: &str) -> Option<SeenRequest> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let head = head.to_ascii_lowercase();
    let len = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    let path = text.split(' ').nth(1)?;
    (body.len() >= len.parse().ok()?).then(|| SeenRequest { path: path.into(), head, body: body.into() })
}

/// A certificate for loopback that is its own authority, in PEM, and a configuration that serves with it.
pub(crate) fn self_signed() -> (String, ServerConfig) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec![String::from("127.0.0.1")]).expect("a certificate can be made");
    let key = PrivateKeyDer::try_from(KeyPair::serialize_der(&signing_key)).expect("a made key is a key");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider supports the default protocol versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("the made certificate fits its key");
    (cert.pem(), config)
}
