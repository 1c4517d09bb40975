//! `Hooks`: clients of the webhooks that objects of the cluster name, by URL or Service, each made once and kept.

use crate::auth_info::{AuthInfo, AuthInfos};
use crate::client::{Answer, Client};
use crate::credential::Credential;
use crate::dial::{Dialer, Direct, join_host_port};
use crate::failure::Failure;
use crate::faults::CertificateFaults;
use crate::proxies::Proxies;
use crate::services::ServiceResolver;
use crate::tls::{Pem, Tls};
use crate::transport::{Settings, Transport};
use crate::url::Url;
use bytes::Bytes;
use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Clients that are kept; the longest unused goes first. Upstream's number.
const CLIENTS_MAX: usize = 200;
/// The number of retries of a webhook that answers with `Retry-After`: client-go's.
const RETRIES_MAX: u32 = 10;
/// Redirects that one call follows: Go's number.
const REDIRECTS_MAX: usize = 10;
/// The name of the caller, and the port where none is given.
const USER_AGENT: &str = "kube-apiserver-admission";
const PORT: u16 = 443;

/// The address of a webhook, and the authorities of its certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HookTarget {
    pub address: HookAddress,
    /// PEM; the system's authorities when empty.
    pub ca_bundle: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HookAddress {
    Url(String),
    Service {
        namespace: String,
        name: String,
        /// May be empty.
        path: String,
        /// 443 when 0.
        port: u16,
    },
}

/// The way to this server itself, for webhooks that name the Service `kubernetes`.
#[derive(Clone, Debug)]
pub struct Loopback {
    pub tls: Tls,
    pub credential: Credential,
}

/// The common part of clients of webhooks.
pub struct Hooks {
    pub auth_infos: AuthInfos,
    pub services: Arc<ServiceResolver>,
    /// The ways to URLs and to Services.
    pub control_plane: Arc<dyn Dialer>,
    pub cluster: Arc<dyn Dialer>,
    pub proxies: Arc<Proxies>,
    pub loopback: Option<Loopback>,
    pub faults: CertificateFaults,
    clients: Mutex<HashMap<HookTarget, (Arc<HookClient>, Instant)>>,
}

impl Hooks {
    pub fn new(auth_infos: AuthInfos, services: Arc<ServiceResolver>, proxies: Arc<Proxies>) -> Hooks {
        Hooks {
            auth_infos,
            services,
            control_plane: Arc::new(Direct),
            cluster: Arc::new(Direct),
            proxies,
            loopback: None,
            faults: CertificateFaults::default(),
            clients: Mutex::default(),
        }
    }

    /// The client of a webhook. What cannot be used of its configuration is an error.
    pub fn client(&self, target: &HookTarget) -> Result<Arc<HookClient>, String> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((client, used)) = clients.get_mut(target) {
            *used = Instant::now();
            return Ok(client.clone());
        }
        let client = Arc::new(self.make(target)?);
        if clients.len() >= CLIENTS_MAX {
            let oldest = clients.iter().min_by_key(|(_, (_, used))| *used).map(|(target, _)| target.clone());
            oldest.and_then(|oldest| clients.remove(&oldest));
        }
        clients.insert(target.clone(), (client.clone(), Instant::now()));
        Ok(client)
    }

    fn make(&self, target: &HookTarget) -> Result<HookClient, String> {
        match &target.address {
            HookAddress::Url(url) => {
                let url = Url::parse(url)?;
                let auth = match (url.host.as_str(), url.port, &self.loopback) {
                    ("kubernetes.default.svc", PORT, Some(loopback)) => Caller::Own(loopback),
                    (host, port, _) => Caller::Known(self.auth_infos.of(host, port)),
                };
                let is_local = url.host.eq_ignore_ascii_case("localhost")
                    || url.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
                let path = url.path.clone();
                self.assemble(url, &path, auth, None, target, self.control_plane.clone(), is_local)
            }
            HookAddress::Service { namespace, name, path, port } => {
                let port = if *port == 0 { PORT } else { *port };
                let host = format!("{name}.{namespace}.svc");
                let url = Url::parse(&format!("https://{}", join_host_port(&host, port)))?;
                let auth = match (namespace.as_str(), name.as_str(), port, &self.loopback) {
                    ("default", "kubernetes", PORT, Some(loopback)) => Caller::Own(loopback),
                    _ => Caller::Known(self.auth_infos.of(&host, port)),
                };
                let dialer = self.services.dialer(namespace, name, port, self.cluster.clone());
                self.assemble(url, path, auth, Some(host), target, Arc::new(dialer), false)
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn assemble(
        &self,
        url: Url,
        path: &str,
        caller: Caller<'_>,
        server_name: Option<String>,
        target: &HookTarget,
        dialer: Arc<dyn Dialer>,
        is_http2_allowed: bool,
    ) -> Result<HookClient, String> {
        let (mut tls, auth) = match caller {
            Caller::Known(auth) => (Tls { identity: auth.identity.clone(), ..Tls::default() }, auth),
            Caller::Own(own) => {
                let auth = AuthInfo { credential: own.credential.clone(), ..AuthInfo::default() };
                (own.tls.clone(), auth)
            }
        };
        if !target.ca_bundle.is_empty() {
            tls.authorities = Some(with_bundle(tls.authorities.as_ref(), &target.ca_bundle)?);
        }
        tls.server_name = tls.server_name.or(server_name);
        let (proxies, faults) = (self.proxies.clone(), self.faults.clone());
        let settings = Settings { tls, is_http2_allowed, dialer, proxies, faults, ..Settings::default() };
        let transport = Arc::new(Transport::new(settings)?);
        let client = Client::over(transport, url, auth.credential).named(USER_AGENT);
        Ok(HookClient { client: client.acting_as(&auth.impersonation)?, path: clean_path(path) })
    }
}

enum Caller<'a> {
    Known(AuthInfo),
    Own(&'a Loopback),
}

fn with_bundle(known: Option<&Pem>, bundle: &[u8]) -> Result<Pem, String> {
    let mut all = known.map(Pem::read).transpose()?.unwrap_or_default();
    all.push(b'\n');
    all.extend_from_slice(bundle);
    Ok(Pem::Inline(all))
}

/// The client of one webhook.
pub struct HookClient {
    client: Client,
    path: String,
}

impl HookClient {
    /// Posts a document and returns the answer, whatever its code is. `said` is the timeout in the query, in whole
    /// seconds; `within` is the actual one. A webhook that answers with `Retry-After` is called again within that time.
    /// The body is bounded. Redirects are followed on the same server, as Go does it; those to others are returned as
    /// answers, since the configuration named this server.
    pub async fn post(
        &self,
        body: Bytes,
        said: Option<Duration>,
        within: Duration,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Answer, Failure> {
        let path = match said {
            Some(said) => format!("{}?timeout={}", self.path, seconds(said)),
            None => self.path.clone(),
        };
        let deadline = Instant::now() + within;
        for _ in 0..RETRIES_MAX {
            let left = deadline.saturating_duration_since(Instant::now());
            let answer = self.send(&path, body.clone(), left, headers).await?;
            let Some(after) = answer.retry_after() else { return Ok(answer) };
            let pause = Duration::from_secs(after.into());
            if Instant::now() + pause >= deadline {
                tokio::time::sleep_until(deadline.into()).await;
                let late = format!("client rate limiter Wait returned an error: {}", crate::words::DEADLINE);
                return Err(Failure::TimedOut(late));
            }
            tokio::time::sleep(pause).await;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        self.send(&path, body, left, headers).await
    }

    /// Posts once, and follows redirects.
    async fn send(
        &self,
        path: &str,
        body: Bytes,
        within: Duration,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Answer, Failure> {
        let deadline = Instant::now() + within;
        let (mut method, mut path) = (Method::POST, path.to_owned());
        for _ in 0..REDIRECTS_MAX {
            let left = deadline.saturating_duration_since(Instant::now());
            let given = (method == Method::POST).then(|| body.clone());
            let answer = self.client.send_with(method.clone(), &path, given, left, headers).await?;
            let Some(next) = self.redirect(&answer, &path) else { return Ok(answer) };
            if matches!(answer.code, 301..=303) {
                method = Method::GET;
            }
            path = next;
        }
        let why = Failure::Nonsense(format!("stopped after {REDIRECTS_MAX} redirects"));
        Err(Failure::Unreachable(why.to_string()).of_request(method.as_str(), &self.url()))
    }

    /// The path of this server that an answer leads to from another.
    fn redirect(&self, answer: &Answer, from: &str) -> Option<String> {
        let location = answer.header("location").filter(|_| matches!(answer.code, 301..=303 | 307 | 308))?;
        if location.starts_with('/') && !location.starts_with("//") {
            return Some(location.to_owned());
        }
        if let Some((scheme, rest)) = location.split_once("://") {
            let path = rest.find('/').map_or("/", |at| rest.get(at..).unwrap_or("/"));
            let authority = rest.split('/').next().unwrap_or_default();
            let there = Url::parse(&format!("{scheme}://{authority}")).ok()?;
            let here = self.client.server();
            let is_here = (there.is_tls, &there.host, there.port) == (here.is_tls, &here.host, here.port);
            return is_here.then(|| path.to_owned());
        }
        let plain = from.split('?').next().unwrap_or_default();
        let (parent, _) = plain.rsplit_once('/').unwrap_or_default();
        (!location.starts_with("//")).then(|| format!("{parent}/{location}"))
    }

    /// The address to which documents are posted, as errors show it.
    pub fn url(&self) -> String {
        self.client.server().with_path(self.path.clone()).to_string()
    }
}

fn seconds(duration: Duration) -> String {
    pintle_object::time::format_duration(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
}

/// A path as client-go joins it: one slash in front, none behind, no empty or dotted parts.
fn clean_path(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let mut out = String::from("/");
    out.push_str(&parts.join("/"));
    escape_path(&out)
}

/// Escapes the characters that a path must not contain; existing escapes stay.
fn escape_path(path: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@%!'()*".contains(&byte);
    let byte = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    path.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_clean() {
        for (given, path) in
            [("", "/"), ("/x/", "/x"), ("x//y", "/x/y"), ("/a/../b", "/b"), ("/a b", "/a%20b")]
        {
            assert_eq!(clean_path(given), path, "{given}");
        }
        assert_eq!(seconds(Duration::from_secs(10)), "10s");
    }
}
