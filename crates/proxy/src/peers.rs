//! Other servers on the same store, which may serve other APIs: their discovery, and requests that are passed on to
//! them (`apiserver/pkg/util/peerproxy` upstream).

use crate::forward::{Incoming, Reply};
use crate::server_behind::{Refused, document, pass_on};
use arc_swap::ArcSwap;
use hyper::HeaderMap;
use hyper::header::{ACCEPT, HeaderName, HeaderValue};
use pintle_metrics::{Counters, Registry};
use pintle_object::user::User;
use pintle_object::{Value, json};
use pintle_outbound::{Dialer, Pem, Settings, Tls, Transport};
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// The header of a request that was passed on once: the server that it came to answers it.
pub const PROXIED: HeaderName = HeaderName::from_static("x-kubernetes-peer-proxied");
/// The name that certificates of all servers of a cluster are for.
const SERVER_NAME: &str = "kubernetes.default.svc";

/// The user that reads the discovery of peers, and its media types: without the APIs of their own peers.
const READER: &str = "system:apiserver";
const AUTHENTICATED: &str = "system:authenticated";
const FORMS: HeaderValue = HeaderValue::from_static(
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList;profile=nopeer,\
     application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json",
);
/// The timeout of reading one of the documents.
const DOCUMENT_MAX: Duration = Duration::from_secs(10);

/// The addresses of other servers, by their identities.
pub trait Addresses: Send + Sync {
    /// Host and port; an error if the server has not published them, or is gone.
    fn address(&self, identity: &str) -> Result<String, String>;
}

/// The APIs of other servers, by their identities.
pub type Found = BTreeMap<String, Arc<PeerApis>>;

/// A group and a version.
pub type GroupVersion = (String, String);

/// The APIs of one server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PeerApis {
    /// Groups, versions and resources.
    resources: HashSet<(String, String, String)>,
    /// The `APIGroupDiscovery` of each named group, in the server's order.
    pub groups: Vec<Value>,
}

impl PeerApis {
    /// Takes over a document of aggregated discovery. The core group is served at a path of its own, and not among
    /// the others.
    pub fn add(&mut self, list: &Value) {
        for group in list.list_at(&["items"]) {
            let name = group.str_at(&["metadata", "name"]);
            for version in group.list_at(&["versions"]) {
                for resource in version.list_at(&["resources"]) {
                    let [version, resource] = [version.str_at(&["version"]), resource.str_at(&["resource"])];
                    self.resources.insert((name.into(), version.into(), resource.into()));
                }
            }
            let is_known = self.groups.iter().any(|known| known.str_at(&["metadata", "name"]) == name);
            if !name.is_empty() && !is_known {
                self.groups.push(group.clone());
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.groups.is_empty()
    }

    pub fn serves(&self, group: &str, version: &str, resource: &str) -> bool {
        self.resources.contains(&(group.into(), version.into(), resource.into()))
    }

    /// The same without some versions of groups; groups of which nothing is left are left out.
    pub fn without(&self, excluded: &HashSet<GroupVersion>) -> PeerApis {
        let is_excluded = |group: &str, version: &str| excluded.contains(&(group.into(), version.into()));
        let resources = self.resources.iter().filter(|(group, version, _)| !is_excluded(group, version));
        let groups = self.groups.iter().filter_map(|group| {
            let name = group.str_at(&["metadata", "name"]);
            let versions = group.list_at(&["versions"]).iter();
            let kept: Vec<Value> = versions
                .filter(|version| !is_excluded(name, version.str_at(&["version"])))
                .cloned()
                .collect();
            let mut group = group.clone();
            (!kept.is_empty()).then(|| {
                group.set(&["versions"], kept);
                group
            })
        });
        PeerApis { resources: resources.cloned().collect(), groups: groups.collect() }
    }
}

/// The ways to other servers: authorities, identity, addresses.
pub struct PeerWays {
    /// The authorities of their certificates (`--peer-ca-file`).
    pub authorities: PathBuf,
    /// The certificate and key that this server shows, as to those behind it.
    pub identity: (Pem, Pem),
    pub dialer: Arc<dyn Dialer>,
}

/// The servers beside this one.
pub struct Peers {
    /// That of this server.
    pub identity: String,
    pub metrics: PeerMetrics,
    transport: Transport,
    addresses: Arc<dyn Addresses>,
    found: ArcSwap<Found>,
    changes: AtomicU64,
    /// Counts the requests that are passed on.
    turn: AtomicUsize,
}

impl Peers {
    pub fn new(
        identity: &str,
        ways: PeerWays,
        addresses: Arc<dyn Addresses>,
        metrics: PeerMetrics,
    ) -> Result<Peers, String> {
        let tls = Tls {
            authorities: Some(Pem::File(ways.authorities)),
            server_name: Some(SERVER_NAME.into()),
            identity: Some(ways.identity),
            ..Tls::default()
        };
        let transport = Transport::new(Settings { tls, dialer: ways.dialer, ..Settings::default() })?;
        Ok(Peers {
            identity: identity.into(),
            metrics,
            transport,
            addresses,
            found: ArcSwap::default(),
            changes: AtomicU64::new(0),
            turn: AtomicUsize::new(0),
        })
    }

    pub fn found(&self) -> Arc<Found> {
        self.found.load_full()
    }

    /// Replaces the APIs of peers.
    pub fn set(&self, found: Found) {
        self.found.store(Arc::new(found));
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// The number of changes of the APIs of peers.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// The servers that have a resource.
    pub fn serving(&self, group: &str, version: &str, resource: &str) -> Vec<String> {
        let found = self.found.load();
        let serving = found.iter().filter(|(_, apis)| apis.serves(group, version, resource));
        serving.map(|(identity, _)| identity.clone()).collect()
    }

    /// The address of one of some servers, of each in turn; none when no address is known.
    pub fn pick(&self, identities: &[String]) -> Option<String> {
        let address = |identity: &String| match self.addresses.address(identity) {
            Ok(address) => Some(address),
            Err(why) => {
                tracing::error!(identity, "unknown address of a peer: {why}");
                None
            }
        };
        let addresses: Vec<String> = identities.iter().filter_map(address).collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        addresses.get(turn.checked_rem(addresses.len())?).cloned()
    }

    /// Passes a request on to the server at an address.
    pub async fn forward(
        &self,
        address: &str,
        mut incoming: Incoming,
        user: &User,
    ) -> Result<Reply, Refused> {
        incoming.headers.insert(PROXIED, HeaderValue::from_static("true"));
        pass_on(&self.transport, address, incoming, user).await
    }

    /// Reads the discovery of a server. A partial result comes with the error about the rest.
    pub async fn discover(&self, identity: &str) -> (PeerApis, Result<(), String>) {
        let mut apis = PeerApis::default();
        let address = match self.addresses.address(identity) {
            Ok(address) => address,
            Err(why) => {
                self.metrics.failed_read("hostport_resolution");
                return (apis, Err(format!("the address of {identity} is not known: {why}")));
            }
        };
        let mut result = Ok(());
        for path in ["/api", "/apis"] {
            match self.document(&address, path).await {
                Ok(list) => apis.add(&list),
                Err(why) => {
                    self.metrics.failed_read("fetch_discovery");
                    result = Err(format!("{path} of {identity} at {address} is not read: {why}"));
                }
            }
        }
        (apis, result)
    }

    /// A document of aggregated discovery.
    async fn document(&self, address: &str, path: &str) -> Result<Value, String> {
        let groups = vec![AUTHENTICATED.into()];
        let reader = User { name: READER.into(), uid: READER.into(), groups, ..User::default() };
        let headers = HeaderMap::from_iter([(ACCEPT, FORMS)]);
        let read = async {
            document(path, self.forward(address, Incoming::get(path, headers), &reader).await).await
        };
        let read = tokio::time::timeout(DOCUMENT_MAX, read).await;
        let document = read.unwrap_or_else(|_| Err(String::from("request timed out")))?;
        self.metrics.passed(document.status, ["", "", ""]);
        if document.status != 200 {
            return Err(format!("discovery request failed with status: {}", document.status));
        }
        let list = json::parse(&document.body).map_err(|error| error.to_string())?;
        match list.str_at(&["kind"]) {
            "APIGroupDiscoveryList" => Ok(list),
            other => Err(format!("error decoding discovery response: its kind is {other:?}")),
        }
    }
}

/// Counters of requests to other servers, under upstream's names.
#[derive(Clone)]
pub struct PeerMetrics {
    passed: Counters,
    failed: Counters,
    failed_reads: Counters,
}

impl PeerMetrics {
    pub fn new(registry: &Registry) -> PeerMetrics {
        PeerMetrics {
            passed: registry.counters("apiserver_rerouted_request_total"),
            failed: registry.counters("apiserver_peer_proxy_errors_total"),
            failed_reads: registry.counters("apiserver_peer_discovery_sync_errors_total"),
        }
    }

    /// Counts a request for a group, version and resource that was passed on and answered.
    pub fn passed(&self, code: u16, [group, version, resource]: [&str; 3]) {
        self.passed.with(&[&code.to_string(), group, resource, version]).inc();
    }

    /// Counts a request that could not be passed on for lack of an address.
    pub fn failed(&self, [group, version, resource]: [&str; 3]) {
        self.failed.with(&[group, resource, "endpoint_resolution", version]).inc();
    }

    fn failed_read(&self, why: &str) {
        self.failed_reads.with(&[why]).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Value {
        pintle_object::json::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn versions_can_be_left_out() {
        let mut apis = PeerApis::default();
        apis.add(&parse(
            r#"{"items":[{"metadata":{},"versions":[{"version":"v1","resources":[{"resource":"pods"}]}]}]}"#,
        ));
        apis.add(&parse(
            r#"{"items":[
                {"metadata":{"name":"a"},"versions":[{"version":"v1","resources":[{"resource":"x"}]},
                                                     {"version":"v2","resources":[{"resource":"x"}]}]},
                {"metadata":{"name":"b"},"versions":[{"version":"v1","resources":[{"resource":"y"}]}]}]}"#,
        ));
        assert!(apis.serves("", "v1", "pods") && apis.serves("a", "v2", "x") && !apis.serves("a", "v2", "y"));
        let left = apis.without(&HashSet::from([("a".into(), "v2".into()), ("b".into(), "v1".into())]));
        assert!(left.serves("", "v1", "pods") && left.serves("a", "v1", "x") && !left.serves("a", "v2", "x"));
        let groups =
            r#"[{"metadata":{"name":"a"},"versions":[{"version":"v1","resources":[{"resource":"x"}]}]}]"#;
        assert_eq!(Value::from(left.groups), parse(groups));
        assert_eq!(apis.without(&HashSet::new()), apis);
    }
}
