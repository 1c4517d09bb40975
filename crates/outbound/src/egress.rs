//! `Egress`: which way connections leave the server, by an EgressSelectorConfiguration: directly, or by HTTP CONNECT
//! through a proxy (`apiserver/pkg/server/egressselector` upstream).

use crate::connect::{self, HANDSHAKE_MAX};
use crate::dial::{Dialed, Dialer, Direct, Pending, join_host_port};
use crate::failure::Failure;
use crate::tls::{Fresh, Pem, Tls};
use crate::url::Url;
use crate::words::Ends;
use pintle_object::Value;
use pintle_object::config_file::{Form, Kind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The most that a proxy may answer: Go's limit on heads.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// The dialers of the three kinds of traffic; direct where nothing is said.
#[derive(Clone)]
pub struct Egress {
    /// To nodes, Pods and Services.
    pub cluster: Arc<dyn Dialer>,
    /// To webhooks by URL, and to issuers of tokens.
    pub control_plane: Arc<dyn Dialer>,
}

impl Default for Egress {
    fn default() -> Egress {
        Egress { cluster: Arc::new(Direct), control_plane: Arc::new(Direct) }
    }
}

const KIND: Kind = Kind {
    group: "apiserver.k8s.io",
    versions: &["v1beta1", "v1alpha1"],
    name: "EgressSelectorConfiguration",
    fields: &[(
        "egressSelections",
        Form::List(&[
            ("name", Form::Text),
            (
                "connection",
                Form::Struct(&[
                    ("proxyProtocol", Form::Text),
                    (
                        "transport",
                        Form::Struct(&[
                            (
                                "tcp",
                                Form::Struct(&[
                                    ("url", Form::Text),
                                    (
                                        "tlsConfig",
                                        Form::Struct(&[
                                            ("caBundle", Form::Text),
                                            ("clientKey", Form::Text),
                                            ("clientCert", Form::Text),
                                            ("tlsServerName", Form::Text),
                                        ]),
                                    ),
                                ]),
                            ),
                            ("uds", Form::Struct(&[("udsName", Form::Text)])),
                        ]),
                    ),
                ]),
            ),
        ]),
    )],
};

impl Egress {
    pub fn read(path: &Path) -> Result<Egress, String> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| {
            format!("unable to read egress selector configuration from {shown:?} [{error}]")
        })?;
        Egress::parse(&text).map_err(|why| format!("{shown}: {why}"))
    }

    /// Reads a configuration. Unsupported settings are errors, since a direct connection may be forbidden.
    pub fn parse(text: &str) -> Result<Egress, String> {
        let document = KIND.read(text)?;
        let mut egress = Egress::default();
        let mut seen = Vec::new();
        for selection in document.list_at(&["egressSelections"]) {
            let name = selection.str_at(&["name"]).to_ascii_lowercase();
            if seen.contains(&name) {
                return Err(format!("service.connection: Duplicate value: {name:?}"));
            }
            let dialer = dialer(selection.get("connection").unwrap_or(&Value::Null))?;
            match name.as_str() {
                "cluster" => egress.cluster = dialer.unwrap_or_else(|| Arc::new(Direct)),
                "controlplane" => egress.control_plane = dialer.unwrap_or_else(|| Arc::new(Direct)),
                "etcd" if dialer.is_none() => {}
                "etcd" => return Err("etcd is reached directly only".into()),
                _ => {
                    return Err(format!(
                        "service.connection: Unsupported value: {name:?}: supported values: \"cluster\", \
                         \"controlplane\", \"etcd\""
                    ));
                }
            }
            seen.push(name);
        }
        Ok(egress)
    }
}

/// The dialer of a connection; none for a direct one.
fn dialer(connection: &Value) -> Result<Option<Arc<dyn Dialer>>, String> {
    let transport = connection.get("transport").filter(|transport| !transport.is_null());
    match (connection.str_at(&["proxyProtocol"]), transport) {
        ("Direct", None) => Ok(None),
        ("Direct", Some(_)) => {
            Err("service.connection.transport: Invalid value: \"direct\": config must be absent \
                                    for direct connect"
                .into())
        }
        ("HTTPConnect", None) => {
            Err("service.connection.transport: Required value: transport must be set for HTTPConnect".into())
        }
        ("HTTPConnect", Some(transport)) => {
            proxy(transport).map(|proxy| Some(Arc::new(proxy) as Arc<dyn Dialer>))
        }
        ("GRPC", _) => Err("service.connection.protocol: GRPC is not supported, HTTPConnect is".into()),
        (other, _) => Err(format!(
            "service.connection.protocol: Unsupported value: {other:?}: supported values: \"Direct\", \
             \"GRPC\", \"HTTPConnect\""
        )),
    }
}

fn proxy(transport: &Value) -> Result<Through, String> {
    let given = |name: &str| transport.get(name).filter(|value| !value.is_null());
    match (given("tcp"), given("uds")) {
        (Some(_), Some(_)) => Err("service.connection.tcp: TCP and UDS cannot both be set".into()),
        (None, None) => Err("service.connection.tcp: Required value: One of TCP or UDS must be set".into()),
        (None, Some(uds)) => match uds.str_at(&["udsName"]) {
            "" => {
                Err("service.connection.udsName: Invalid value: \"nil\": must be present for UDS connections"
                    .into())
            }
            name => Ok(Through::Uds(name.into())),
        },
        (Some(tcp), None) => tcp_proxy(tcp),
    }
}

fn tcp_proxy(tcp: &Value) -> Result<Through, String> {
    let text = tcp.str_at(&["url"]);
    let tls = tcp.get("tlsConfig").filter(|tls| !tls.is_null());
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Err(format!(
            "service.connection.url: Invalid value: {text:?}: supported connection protocols are http:// and \
             https://"
        ));
    }
    let url = Url::parse(text)?;
    let tls = match (url.is_tls, tls) {
        (false, None) => None,
        (false, Some(_)) => {
            return Err("service.connection.tlsConfig: Invalid value: \"nil\": config must not be present when using \
                        HTTP"
                .into());
        }
        (true, None) => {
            return Err(
                "service.connection.tlsConfig: Required value: TLSConfig must be present when using HTTPS"
                    .into(),
            );
        }
        (true, Some(tls)) => Some(Box::new(Fresh::new(proxy_tls(tls)?)?)),
    };
    Ok(Through::Tcp { url, tls })
}

fn proxy_tls(tls: &Value) -> Result<Tls, String> {
    let file = |name: &str| match tls.str_at(&[name]) {
        "" => Err(format!(
            "service.connection.tlsConfig.{name}: Invalid value: \"nil\": Using TLS requires {name}"
        )),
        path => Ok(Pem::File(path.into())),
    };
    let text = |name: &str| Some(tls.str_at(&[name])).filter(|text| !text.is_empty());
    Ok(Tls {
        authorities: text("caBundle").map(|path| Pem::File(path.into())),
        identity: Some((file("clientCert")?, file("clientKey")?)),
        server_name: text("tlsServerName").map(String::from),
        is_insecure: false,
    })
}

/// A proxy that opens a tunnel to each address.
enum Through {
    Tcp { url: Url, tls: Option<Box<Fresh>> },
    Uds(PathBuf),
}

impl Dialer for Through {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Pending<'a, Result<Dialed, Failure>> {
        Box::pin(async move {
            let address = join_host_port(host, port);
            let name = match self {
                Through::Tcp { .. } => "Proxy via http_connect protocol over tcp",
                Through::Uds(_) => "Proxy via http_connect protocol over uds",
            };
            let _span = pintle_traces::enter(name, |attributes| attributes.text("address", &address));
            let (mut dialed, proxy) = self.connect().await?;
            let asking = ask(&mut dialed, &proxy, &address);
            match tokio::time::timeout(HANDSHAKE_MAX, asking).await {
                Ok(asked) => asked.map(|()| dialed),
                Err(_) => {
                    Err(Failure::Unreachable(format!("proxy {proxy} did not answer while dialing {address}")))
                }
            }
        })
    }
}

impl Through {
    async fn connect(&self) -> Result<(Dialed, String), Failure> {
        match self {
            Through::Uds(path) => {
                let shown = path.display().to_string();
                let connected = tokio::net::UnixStream::connect(path).await;
                let stream = connected.map_err(|error| {
                    Failure::Unreachable(format!(
                        "dial unix {shown}: connect: {}",
                        crate::words::system(&error)
                    ))
                })?;
                Ok((Dialed { stream: Box::new(stream), ends: Ends::default() }, shown))
            }
            Through::Tcp { url, tls } => {
                let dialed = Direct.dial(&url.host, url.port).await?;
                let dialed = match tls {
                    None => dialed,
                    Some(tls) => connect::secure(dialed, tls, tls.server_name(&url.host), false).await?.0,
                };
                Ok((dialed, join_host_port(&url.host, url.port)))
            }
        }
    }
}

/// Asks a proxy for a tunnel. What follows its answer is the other side's.
async fn ask(dialed: &mut Dialed, proxy: &str, address: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        let why = crate::words::system(&error);
        Failure::Unreachable(format!(
            "reading HTTP response from CONNECT to {address} via proxy {proxy} failed: {why}"
        ))
    };
    let request = format!("CONNECT {address} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    dialed.stream.write_all(request.as_bytes()).await.map_err(failed)?;
    dialed.stream.flush().await.map_err(failed)?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= ANSWER_BYTES_MAX {
            return Err(failed(std::io::Error::other("the answer is too long")));
        }
        answer.push(dialed.stream.read_u8().await.map_err(failed)?);
    }
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.lines().next().and_then(|line| line.split_once(' ')).map_or("", |(_, status)| status);
    match status.split_once(' ').map_or(status, |(code, _)| code) {
        "200" => Ok(()),
        code => Err(Failure::Unreachable(format!(
            "proxy error from {proxy} while dialing {address}, code {code}: {status}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, UnixListener};

    fn file(connection: &str) -> String {
        format!(
            "apiVersion: apiserver.k8s.io/v1beta1\nkind: EgressSelectorConfiguration\negressSelections:\n\
             - name: cluster\n  connection: {connection}\n"
        )
    }

    #[test]
    fn configurations_that_cannot_be_followed_are_refused() {
        for (connection, why) in [
            ("{proxyProtocol: Direct, transport: {}}", "must be absent"),
            ("{proxyProtocol: HTTPConnect}", "transport must be set"),
            ("{proxyProtocol: HTTPConnect, transport: {}}", "One of TCP or UDS"),
            (
                "{proxyProtocol: HTTPConnect, transport: {tcp: {url: 'ftp://a'}}}",
                "supported connection protocols",
            ),
            (
                "{proxyProtocol: HTTPConnect, transport: {tcp: {url: 'https://a'}}}",
                "TLSConfig must be present",
            ),
            (
                "{proxyProtocol: HTTPConnect, transport: {tcp: {url: 'http://a', tlsConfig: {}}}}",
                "must not be present",
            ),
            ("{proxyProtocol: HTTPConnect, transport: {uds: {}}}", "must be present for UDS"),
            ("{proxyProtocol: GRPC}", "GRPC is not supported"),
            ("{proxyProtocol: SOCKS}", "Unsupported value: \"SOCKS\""),
            ("{proxyProtocol: Direct, protocol: x}", "unknown field"),
        ] {
            let refused = Egress::parse(&file(connection)).err().unwrap_or_default();
            assert!(refused.contains(why), "{connection}: {refused}");
        }
        let twice = format!(
            "{}- name: Cluster\n  connection: {{proxyProtocol: Direct}}\n",
            file("{proxyProtocol: Direct}")
        );
        assert!(Egress::parse(&twice).is_err_and(|why| why.contains("Duplicate value")));
        let etcd =
            file("{proxyProtocol: HTTPConnect, transport: {uds: {udsName: /x}}}").replace("cluster", "etcd");
        assert!(Egress::parse(&etcd).is_err_and(|why| why.contains("directly only")));
        assert!(Egress::parse(&file("{proxyProtocol: Direct}")).is_ok());
    }

    /// Answers one request for a tunnel, and gives the request.
    async fn tunnel(mut stream: impl crate::dial::Stream, status: &str) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(format!("HTTP/1.1 {status}\r\n\r\nhello").as_bytes()).await.unwrap();
        String::from_utf8(head).unwrap()
    }

    #[tokio::test]
    async fn connections_go_through_the_proxy_of_their_kind() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = listener.local_addr().unwrap();
        let connection =
            format!("{{proxyProtocol: HTTPConnect, transport: {{tcp: {{url: 'http://{proxy}'}}}}}}");
        let egress = Egress::parse(&file(&connection)).unwrap();
        let asked = tokio::spawn(async move {
            let first = tunnel(listener.accept().await.unwrap().0, "200 OK").await;
            tunnel(listener.accept().await.unwrap().0, "503 Gone").await;
            first
        });
        let mut dialed = egress.cluster.dial("fd00::1", 10250).await.ok().unwrap();
        let mut said = [0; 5];
        dialed.stream.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"hello");
        let refused = egress.cluster.dial("node", 1).await.err().unwrap().to_string();
        assert_eq!(refused, format!("proxy error from {proxy} while dialing node:1, code 503: 503 Gone"));
        assert_eq!(asked.await.unwrap(), "CONNECT [fd00::1]:10250 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    }

    #[tokio::test]
    async fn proxies_are_reached_by_sockets_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("proxy.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let connection =
            format!("{{proxyProtocol: HTTPConnect, transport: {{uds: {{udsName: {}}}}}}}", path.display());
        let egress = Egress::parse(&file(&connection)).unwrap();
        let asked = tokio::spawn(async move { tunnel(listener.accept().await.unwrap().0, "200 OK").await });
        assert!(egress.cluster.dial("node", 1).await.is_ok());
        assert!(asked.await.unwrap().starts_with("CONNECT node:1 "));
    }
}
