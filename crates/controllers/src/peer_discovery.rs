//! Learns the APIs of other servers on the same store: the servers from their identity leases, the APIs from their
//! discovery (`apiserver/pkg/util/peerproxy` upstream).
//!
//! Definitions and APIServices are the same for all servers on one store, so their APIs are never looked for on other
//! servers: one that has not heard of a deletion would still list them.

use crate::identity_lease::{self, NAMESPACE};
use crate::peer_exclusions::Excluded;
use crate::runner::{self, EventSource, Place, Reconciler};
use pintle_engine::{Engine, ServedResource};
use pintle_kinds::api_service;
use pintle_object::{Status, Text, Value};
use pintle_proxy::peers::{Found, GroupVersion, PeerApis, Peers};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;

/// The places of the sources.
const LEASES: usize = 0;
const DEFINITIONS: usize = 1;

/// Begins to follow leases, definitions and APIServices until the store closes.
pub fn control(engine: &Arc<Engine>, peers: Arc<Peers>) {
    let find = |group: &str, plural: &str| FollowedPeer::of(engine.find_any(group, plural)?);
    let Some(leases) = find("coordination.k8s.io", "leases") else { return };
    let definitions = find("apiextensions.k8s.io", "customresourcedefinitions");
    let apis = find("apiregistration.k8s.io", "apiservices");
    let (Some(definitions), Some(apis)) = (definitions, apis) else { return };
    let discovery = PeerDiscovery {
        engine: engine.clone(),
        peers,
        followed: [leases, definitions, apis],
        excluded: Excluded::default(),
        known: BTreeMap::new(),
        raw: BTreeMap::new(),
    };
    tokio::spawn(runner::run(engine.clone(), discovery));
}

/// A resource and where its objects are.
struct FollowedPeer {
    served: Arc<ServedResource>,
    source: EventSource,
}

impl FollowedPeer {
    fn of(served: Arc<ServedResource>) -> Option<FollowedPeer> {
        let source = EventSource::all(&served)?;
        Some(FollowedPeer { served, source })
    }

    fn read(&self, engine: &Engine, namespace: &str, name: &str) -> Result<Option<Value>, Status> {
        self.source.read(engine, &self.served, namespace, name)
    }
}

struct PeerDiscovery {
    engine: Arc<Engine>,
    peers: Arc<Peers>,
    /// Leases, definitions and APIServices.
    followed: [FollowedPeer; 3],
    excluded: Excluded,
    /// The processes, by their leases, whose discovery has been read in full.
    known: BTreeMap<Text, String>,
    /// The APIs that they serve, with nothing left out.
    raw: BTreeMap<String, PeerApis>,
}

impl Reconciler for PeerDiscovery {
    const NAME: &'static str = "peer_discovery";

    fn sources(&self) -> Vec<EventSource> {
        let [mut leases, definitions, apis] = self.followed.each_ref().map(|one| one.source.clone());
        leases.predicate.namespace = Some(Text::from(NAMESPACE));
        vec![leases, definitions, apis]
    }

    async fn sync(&mut self, source: usize, namespace: &str, name: &str) -> Result<(), Status> {
        let [leases, definitions, apis] = &self.followed;
        let versions = match source {
            LEASES => {
                let lease = leases.read(&self.engine, namespace, name)?;
                return self.sync_lease(name, lease).await;
            }
            DEFINITIONS => {
                definitions.read(&self.engine, "", name)?.as_ref().map(of_definition).unwrap_or_default()
            }
            _ => apis.read(&self.engine, "", name)?.as_ref().and_then(of_api).into_iter().collect(),
        };
        if self.excluded.set((source, name), versions, Instant::now()) {
            self.tell();
        }
        Ok(())
    }

    fn known(&self) -> Vec<Place> {
        let leases = self.known.keys().map(|name| (LEASES, Text::from(NAMESPACE), name.clone()));
        leases.chain(self.excluded.objects().map(|(source, name)| (source, Text::default(), name))).collect()
    }

    async fn woken(&mut self) -> Vec<Place> {
        match self.excluded.next_end() {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
        if self.excluded.end(Instant::now()) {
            self.tell();
        }
        Vec::new()
    }
}

impl PeerDiscovery {
    /// Reads the discovery of a server when its lease names another process than before. Renewals change nothing.
    async fn sync_lease(&mut self, name: &str, lease: Option<Value>) -> Result<(), Status> {
        if name == self.peers.identity {
            return Ok(());
        }
        let holder = lease.as_ref().and_then(identity_lease::holder);
        let Some(holder) = holder else {
            if self.known.remove(name).is_some() | self.raw.remove(name).is_some() {
                self.tell();
            }
            return Ok(());
        };
        if self.known.get(name) == Some(&holder) {
            return Ok(());
        }
        let (apis, result) = self.peers.discover(name).await;
        match apis.is_empty() {
            true => drop(self.raw.remove(name)),
            false => drop(self.raw.insert(name.into(), apis)),
        }
        self.tell();
        result.map_err(Status::internal)?;
        self.known.insert(name.into(), holder);
        Ok(())
    }

    fn tell(&self) {
        let excluded = self.excluded.all();
        let found: Found =
            self.raw.iter().map(|(name, apis)| (name.clone(), Arc::new(apis.without(&excluded)))).collect();
        self.peers.set(found);
    }
}

fn of_definition(definition: &Value) -> Vec<GroupVersion> {
    let group = definition.str_at(&["spec", "group"]);
    let versions = definition.list_at(&["spec", "versions"]).iter();
    versions.map(|version| (group.to_string(), version.str_at(&["name"]).to_string())).collect()
}

/// None of an APIService that this server serves itself.
fn of_api(api: &Value) -> Option<GroupVersion> {
    api_service::service_of(api)?;
    let text = |field: &str| api.str_at(&["spec", field]).to_string();
    Some((text("group"), text("version")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Value {
        pintle_object::json::parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn versions_are_those_of_custom_resources_and_of_other_servers() {
        let pair = |group: &str, version: &str| (group.to_string(), version.to_string());
        let definition = parse(r#"{"spec":{"group":"a","versions":[{"name":"v1"},{"name":"v2"}]}}"#);
        assert_eq!(of_definition(&definition), [pair("a", "v1"), pair("a", "v2")]);
        let api = parse(r#"{"spec":{"group":"b","version":"v1","service":{"name":"s"}}}"#);
        assert_eq!(of_api(&api), Some(pair("b", "v1")));
        assert_eq!(of_api(&parse(r#"{"spec":{"group":"b","version":"v1"}}"#)), None);
    }
}
