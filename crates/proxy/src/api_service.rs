//! Other API servers behind this one, as APIServices name them: where each is, and requests that are passed on to it
//! with the user's name on them (`kube-aggregator/pkg/apiserver/handler_proxy.go` upstream).

use crate::forward::{Incoming, Reply};
use crate::location::Location;
use crate::server_behind::{Refused, RemoteDocument, document, pass_on, set_user};
use arc_swap::ArcSwap;
use hyper::header::{HeaderValue, LOCATION};
use hyper::{HeaderMap, StatusCode};
use pintle_object::user::User;
use pintle_object::{Value, bytes as base64};
use pintle_outbound::{
    CertificateFaults, Dialer, Pem, Proxies, RequestBody, ServiceResolver, Settings, Tls, Transport,
    join_host_port,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The port of a Service where an APIService names none.
const PORT_DEFAULT: u16 = 443;
/// The user of availability checks.
const PROBER: &str = "system:kube-aggregator";
const MASTERS: &str = "system:masters";
/// The timeout of a probe.
const PROBE_MAX: Duration = Duration::from_secs(5);

/// The ways to other API servers: Services, dialer, proxies.
pub struct Ways {
    pub services: Arc<ServiceResolver>,
    pub dialer: Arc<dyn Dialer>,
    pub proxies: Arc<Proxies>,
    /// The certificate and key that this server shows (`--proxy-client-cert-file`, `--proxy-client-key-file`).
    pub identity: Option<(Pem, Pem)>,
    /// Whether redirects are refused (`--aggregator-reject-forwarding-redirect`).
    pub rejects_redirects: bool,
    /// Counts certificates of outdated kinds.
    pub faults: CertificateFaults,
}

/// The APIs that other servers serve, by group and version.
pub struct ApiServices {
    ways: Ways,
    table: ArcSwap<Table>,
    changed: watch::Sender<u64>,
}

type Table = HashMap<(String, String), Arc<Remote>>;

/// One API of another server.
pub struct Remote {
    /// That of its APIService: `v1.metrics.k8s.io`.
    pub name: String,
    pub group: String,
    pub version: String,
    /// Whether it is known to answer.
    pub is_available: bool,
    service: ServicePort,
    /// The trust that the transport was made from.
    trust: Trust,
    transport: Result<Arc<Transport>, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ServicePort {
    namespace: String,
    name: String,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Trust {
    authorities: Vec<u8>,
    is_insecure: bool,
    server_name: String,
}

impl ApiServices {
    pub fn new(ways: Ways) -> ApiServices {
        ApiServices { ways, table: ArcSwap::default(), changed: watch::Sender::new(0) }
    }

    /// Takes an APIService over as it is now: one that is this server's own, or gone, leaves nothing.
    pub fn set(&self, name: &str, api: Option<&Value>) {
        let (version, group) = name.split_once('.').unwrap_or((name, ""));
        let key = (String::from(group), String::from(version));
        let old = self.table.load().get(&key).cloned();
        let new = api.and_then(|api| self.remote(name, &key, api, old.as_deref()));
        if new.is_none() && old.is_none() {
            return;
        }
        self.table.rcu(|table| {
            let mut table = Table::clone(table);
            match &new {
                Some(remote) => table.insert(key.clone(), remote.clone()),
                None => table.remove(&key),
            };
            table
        });
        self.changed.send_modify(|count| *count += 1);
    }

    fn remote(
        &self,
        name: &str,
        (group, version): &(String, String),
        api: &Value,
        old: Option<&Remote>,
    ) -> Option<Arc<Remote>> {
        let spec = api.get("spec")?;
        let at = spec.get("service").filter(|service| !service.is_null())?;
        let text = |field: &str| at.str_at(&[field]).to_string();
        let port = at.int_at(&["port"]).and_then(|port| u16::try_from(port).ok()).unwrap_or(PORT_DEFAULT);
        let service = ServicePort { namespace: text("namespace"), name: text("name"), port };
        let trust = Trust {
            authorities: base64::decode(spec.str_at(&["caBundle"])).unwrap_or_default(),
            is_insecure: spec.bool_at(&["insecureSkipTLSVerify"]),
            server_name: format!("{}.{}.svc", service.name, service.namespace),
        };
        // Connections are kept as long as the trust is unchanged.
        let transport = match old.filter(|old| old.trust == trust) {
            Some(old) => old.transport.clone(),
            None => self.transport(&trust),
        };
        let mut conditions = api.list_at(&["status", "conditions"]).iter();
        let is_available =
            conditions.any(|one| one.str_at(&["type"]) == "Available" && one.str_at(&["status"]) == "True");
        let (name, group, version) = (name.into(), group.clone(), version.clone());
        Some(Arc::new(Remote { name, group, version, is_available, service, trust, transport }))
    }

    fn transport(&self, trust: &Trust) -> Result<Arc<Transport>, String> {
        let authorities = (!trust.authorities.is_empty()).then(|| Pem::Inline(trust.authorities.clone()));
        let tls = Tls {
            authorities,
            is_insecure: trust.is_insecure,
            server_name: Some(trust.server_name.clone()),
            identity: self.ways.identity.clone(),
        };
        let settings = Settings {
            tls,
            dialer: self.ways.dialer.clone(),
            proxies: self.ways.proxies.clone(),
            faults: self.ways.faults.clone(),
            ..Settings::default()
        };
        Transport::new(settings).map(Arc::new)
    }

    pub fn is_empty(&self) -> bool {
        self.table.load().is_empty()
    }

    pub fn get(&self, group: &str, version: &str) -> Option<Arc<Remote>> {
        let table = self.table.load();
        if table.is_empty() {
            return None;
        }
        table.get(&(group.into(), version.into())).cloned()
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<Arc<Remote>> {
        let mut all: Vec<Arc<Remote>> = self.table.load().values().cloned().collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// Counts the changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Passes a request on. Its path and query are the client's; headers about the user are replaced.
    pub async fn forward(&self, remote: &Remote, incoming: Incoming, user: &User) -> Result<Reply, Refused> {
        if !remote.is_available {
            return Err(unavailable());
        }
        let internal = |text: &String| Refused { code: 500, text: text.clone() };
        let transport = remote.transport.as_ref().map_err(internal)?;
        let ServicePort { namespace, name, port } = &remote.service;
        let (host, port) = self.ways.services.resolve(namespace, name, *port).await.map_err(|error| {
            tracing::error!("error resolving {namespace}/{name}: {error}");
            unavailable()
        })?;
        match pass_on(transport, &join_host_port(&host, port), incoming, user).await {
            Ok(Reply::Answer(answer)) if self.is_refused(answer.status(), answer.headers()) => Err(Refused {
                code: 502,
                text: String::from("the backend attempted to redirect this request, which is not permitted"),
            }),
            reply => reply,
        }
    }

    fn is_refused(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        let leads_away = headers.get(LOCATION).is_some_and(|location| !location.is_empty());
        self.ways.rejects_redirects && status.is_redirection() && leads_away
    }

    /// Reads a document of another server in the name of one of this server's own users.
    pub async fn read(
        &self,
        remote: &Remote,
        path: &str,
        headers: HeaderMap,
        user: &User,
        within: Duration,
    ) -> Result<RemoteDocument, String> {
        let read =
            async { document(path, self.forward(remote, Incoming::get(path, headers), user).await).await };
        tokio::time::timeout(within, read).await.unwrap_or_else(|_| Err(String::from("request timed out")))
    }

    /// Looks whether a server answers for the API; why not, when it does not.
    pub async fn probe(&self, remote: &Remote) -> Result<(), String> {
        let transport = remote.transport.as_ref().map_err(String::clone)?;
        let ServicePort { namespace, name, port } = &remote.service;
        let (host, port) = self.ways.services.resolve(namespace, name, *port).await?;
        let path = match remote.group.as_str() {
            "" => format!("/api/{}", remote.version),
            group => format!("/apis/{group}/{}", remote.version),
        };
        let location =
            Location { is_tls: true, host: join_host_port(&host, port), path, query: String::new() };
        let url = location.to_string();
        let failing = |why: String| format!("failing or missing response from {url}: {why}");
        let mut request = hyper::Request::new(RequestBody::empty());
        *request.uri_mut() = location.uri().map_err(|status| failing(status.message))?;
        let prober = User { name: PROBER.into(), groups: vec![MASTERS.into()], ..User::default() };
        set_user(request.headers_mut(), &prober).map_err(&failing)?;
        request.headers_mut().insert("user-agent", HeaderValue::from_static("Go-http-client/1.1"));
        let answer = match tokio::time::timeout(PROBE_MAX, transport.round_trip(request)).await {
            Ok(answer) => answer.map_err(|failure| failing(failure.of_request("GET", &url).to_string()))?,
            Err(_) => {
                return Err(failing(format!(
                    "Get \"{url}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
                )));
            }
        };
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(failing(format!("bad status from {url}: {}", status.as_u16()))),
        }
    }
}

fn unavailable() -> Refused {
    Refused { code: 503, text: String::from("service unavailable\n") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_outbound::{Direct, Pending, ServiceSource};

    struct NoServices;

    impl ServiceSource for NoServices {
        fn service<'a>(&'a self, _: &'a str, _: &'a str) -> Pending<'a, Result<Option<Value>, String>> {
            Box::pin(std::future::ready(Ok(None)))
        }

        fn endpoint_slices<'a>(&'a self, _: &'a str, _: &'a str) -> Pending<'a, Result<Vec<Value>, String>> {
            Box::pin(std::future::ready(Ok(Vec::new())))
        }
    }

    fn services() -> ApiServices {
        ApiServices::new(Ways {
            services: Arc::new(ServiceResolver::new(Arc::new(NoServices), false, None)),
            dialer: Arc::new(Direct),
            proxies: Arc::default(),
            identity: None,
            rejects_redirects: true,
            faults: CertificateFaults::default(),
        })
    }

    fn api(spec: &str, status: &str) -> Value {
        let text = format!(
            r#"{{"spec":{spec},"status":{{"conditions":[{{"type":"Available","status":"{status}"}}]}}}}"#
        );
        pintle_object::json::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn local_apis_and_those_that_went_are_not_there() {
        let services = services();
        assert!(services.is_empty());
        services.set("v1.example.com", Some(&api(r#"{"group":"example.com"}"#, "True")));
        assert!(services.is_empty());
        let remote = r#"{"insecureSkipTLSVerify":true,"service":{"namespace":"ns","name":"s"}}"#;
        services.set("v1.example.com", Some(&api(remote, "False")));
        let found = services.get("example.com", "v1").unwrap();
        assert!(!found.is_available);
        assert_eq!((found.service.port, found.trust.server_name.as_str()), (443, "s.ns.svc"));
        services.set("v1.example.com", Some(&api(remote, "True")));
        let later = services.get("example.com", "v1").unwrap();
        assert!(later.is_available);
        let (one, other) = (found.transport.as_ref().unwrap(), later.transport.as_ref().unwrap());
        assert!(Arc::ptr_eq(one, other), "connections are kept");
        assert!(services.get("example.com", "v2").is_none());
        services.set("v1.example.com", None);
        assert!(services.is_empty());
    }

    #[tokio::test]
    async fn what_is_not_available_is_not_asked() {
        let services = services();
        let remote = r#"{"insecureSkipTLSVerify":true,"service":{"namespace":"ns","name":"s"}}"#;
        for (status, code) in [("False", 503), ("True", 503)] {
            services.set("v1.example.com", Some(&api(remote, status)));
            let found = services.get("example.com", "v1").unwrap();
            let user = User::anonymous();
            let read = services.read(&found, "/apis", HeaderMap::new(), &user, PROBE_MAX).await.unwrap();
            assert_eq!((read.status, &read.body[..]), (code, &b"service unavailable\n"[..]));
        }
        let found = services.get("example.com", "v1").unwrap();
        assert_eq!(services.probe(&found).await, Err(String::from("service \"s\" not found")));
    }
}
