//! Keeps the statuses of APIServices of other servers: whether the Service that stands for one is there and has
//! endpoints. What this server serves itself is always available, and says so from the start.

use crate::admission::User;
use crate::engine::{Engine, Served, Target};
use crate::update::Source;
use pintle_object::field::quote;
use pintle_object::time::Time;
use pintle_object::{Status, Value};
use pintle_store::{CollectionId, EventKind, Interest, Step, WatchFrom};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

const GROUP: &str = "apiregistration.k8s.io";
const AVAILABLE: &str = "Available";
/// The label that names the Service of an EndpointSlice.
const SERVICE: &str = "kubernetes.io/service-name";

/// Begins to follow APIServices, Services and EndpointSlices until the store closes.
pub fn control(engine: Arc<Engine>) {
    let find = |group: &str, plural: &str| Some(Kept::of(engine.find_any(group, plural)?)).flatten();
    let found =
        (find(GROUP, "apiservices"), find("", "services"), find("discovery.k8s.io", "endpointslices"));
    let (Some(apis), Some(services), Some(slices)) = found else { return };
    let controller = Controller { engine: engine.clone(), apis, services, slices };
    tokio::spawn(async move { controller.run().await });
}

/// Whether an API is another server's, which cannot be reached.
pub fn is_remote(engine: &Engine, group: &str, version: &str) -> bool {
    let Some(apis) = engine.find_any(GROUP, "apiservices").and_then(Kept::of) else { return false };
    apis.read(engine, "", &format!("{version}.{group}")).is_some_and(|api| service_of(&api).is_some())
}

/// A resource and where its objects are.
struct Kept {
    served: Arc<Served>,
    collection: CollectionId,
}

impl Kept {
    fn of(served: Arc<Served>) -> Option<Kept> {
        let collection = served.collection?;
        Some(Kept { served, collection })
    }

    fn read(&self, engine: &Engine, namespace: &str, name: &str) -> Option<Value> {
        let object = engine.store.get(self.collection, &self.served.key(namespace, name))?;
        engine.storage_tree(&self.served, &object).ok()
    }
}

struct Controller {
    engine: Arc<Engine>,
    apis: Kept,
    services: Kept,
    slices: Kept,
}

/// What a condition says: status, reason and message.
#[derive(Debug, PartialEq, Eq)]
struct Said(&'static str, &'static str, String);

impl Controller {
    async fn run(&self) {
        let watch = |kept: &Kept| {
            self.engine.store.watch(kept.collection, WatchFrom::InitialState, Interest::default())
        };
        let (Ok(mut apis), Ok(mut services), Ok(mut slices)) =
            (watch(&self.apis), watch(&self.services), watch(&self.slices))
        else {
            return;
        };
        loop {
            let (step, is_api) = tokio::select! {
                step = apis.next() => (step, true),
                step = services.next() => (step, false),
                step = slices.next() => (step, false),
            };
            match step {
                Step::Event(event) if is_api && event.kind == EventKind::Deleted => {}
                Step::Event(event) if is_api => self.sync(&event.object.digest.name).await,
                Step::Event(event) => self.sync_those_in(&event.object.digest.namespace).await,
                Step::InitialDone(_) => {}
                Step::TooSlow | Step::Closed => return,
            }
        }
    }

    /// Looks at the APIs whose Service is in a namespace where something changed.
    async fn sync_those_in(&self, namespace: &str) {
        let snapshot = self.engine.store.snapshot(self.apis.collection);
        // What this server serves itself is all that there is in most clusters.
        let names: Vec<String> = snapshot.range("", None).map(|one| one.digest.name.to_string()).collect();
        for name in names.iter().filter(|name| !self.is_served_here(name)) {
            let api = self.apis.read(&self.engine, "", name);
            if api.as_ref().and_then(service_of).is_some_and(|at| at.str_at(&["namespace"]) == namespace) {
                self.sync(name).await;
            }
        }
    }

    fn is_served_here(&self, name: &str) -> bool {
        let (version, group) = name.split_once('.').unwrap_or((name, ""));
        self.engine.table().serves(group, version)
    }

    async fn sync(&self, name: &str) {
        let Some(api) = self.apis.read(&self.engine, "", name) else { return };
        let Some(said) = service_of(&api).map(|service| self.judge(service)) else { return };
        if is_said(&api, &said) {
            return;
        }
        if let Err(status) = self.say(name, &said).await {
            tracing::debug!(name, status.message, "the status of an API service was not written");
        }
    }

    /// `at` is what the API says of its Service.
    fn judge(&self, at: &Value) -> Said {
        let (namespace, name) = (at.str_at(&["namespace"]), at.str_at(&["name"]));
        let shown = format!("service/{name} in {}", quote(namespace));
        let Some(service) = self.services.read(&self.engine, namespace, name) else {
            return Said("False", "ServiceNotFound", format!("{shown} is not present"));
        };
        if service.str_at(&["spec", "type"]) == "ClusterIP"
            && let Some(said) = without_endpoint(&service, at, &self.slices_of(namespace, name), &shown)
        {
            return said;
        }
        Said(
            "False",
            "FailedDiscoveryCheck",
            String::from("other API servers are not called by this one yet"),
        )
    }

    fn slices_of(&self, namespace: &str, service: &str) -> Vec<Value> {
        let snapshot = self.engine.store.snapshot(self.slices.collection);
        let prefix = self.slices.served.prefix(namespace);
        let all = snapshot.range(&prefix, None);
        let own = all.filter(|slice| {
            slice.digest.labels.iter().any(|(key, value)| &**key == SERVICE && &**value == service)
        });
        own.filter_map(|slice| self.engine.storage_tree(&self.slices.served, slice).ok()).collect()
    }

    async fn say(&self, name: &str, said: &Said) -> Result<(), Status> {
        let now = now();
        let groups = vec![String::from("system:masters")];
        let user = User { name: "system:apiserver".into(), groups, ..User::default() };
        let mut call = self.engine.own_call(&user, now);
        let next = |current: Option<&Value>, _: &mut Vec<String>| {
            let mut api = current.cloned().unwrap_or_default();
            set(&mut api, said, &now.to_seconds_text());
            Ok(api)
        };
        let target = Target { served: &self.apis.served, subresource: "status", namespace: "", name };
        self.engine.write_over(target, Source::Patch(&next), false, &mut call).await.map(drop)
    }
}

/// What an API says of the Service that stands for it; nothing when this server serves it.
fn service_of(api: &Value) -> Option<&Value> {
    api.at(&["spec", "service"]).filter(|service| !service.is_null())
}

/// What is amiss with the port of a Service or its endpoints.
fn without_endpoint(service: &Value, at: &Value, slices: &[Value], shown: &str) -> Option<Said> {
    let number = at.int_at(&["port"]).unwrap_or(443);
    let ports = service.list_at(&["spec", "ports"]);
    let Some(port) = ports.iter().find(|port| port.int_at(&["port"]) == Some(number)) else {
        let why = format!("{shown} is not listening on port {number}");
        return Some(Said("False", "ServicePortError", why));
    };
    if slices.is_empty() {
        let why = format!("cannot find endpointslices for {shown}");
        return Some(Said("False", "EndpointsNotFound", why));
    }
    let port = port.str_at(&["name"]);
    if slices.iter().any(|slice| has_endpoint(slice, port)) {
        return None;
    }
    let why = format!("endpointslices for {shown} have no addresses with port name {}", quote(port));
    Some(Said("False", "MissingEndpoints", why))
}

fn has_endpoint(slice: &Value, port: &str) -> bool {
    let is_ready =
        |endpoint: &Value| endpoint.at(&["conditions", "ready"]).and_then(Value::as_bool) != Some(false);
    let is_port = |one: &Value| one.str_at(&["name"]) == port && one.int_at(&["port"]).is_some();
    slice.list_at(&["endpoints"]).iter().any(is_ready) && slice.list_at(&["ports"]).iter().any(is_port)
}

fn is_available(condition: &Value) -> bool {
    condition.str_at(&["type"]) == AVAILABLE
}

fn is_said(api: &Value, said: &Said) -> bool {
    let text = |condition: &Value, field: &str| condition.str_at(&[field]).to_string();
    let mut conditions = api.list_at(&["status", "conditions"]).iter();
    conditions.find(|condition| is_available(condition)).is_some_and(|condition| {
        text(condition, "status") == said.0
            && text(condition, "reason") == said.1
            && text(condition, "message") == said.2
    })
}

/// Sets the condition; the time of its transition stays while the status does.
fn set(api: &mut Value, said: &Said, now: &str) {
    let mut conditions = api.list_at(&["status", "conditions"]).to_vec();
    let place = conditions.iter().position(is_available).unwrap_or_else(|| {
        let mut fresh = Value::map();
        fresh.set(&["type"], AVAILABLE);
        conditions.push(fresh);
        conditions.len() - 1
    });
    if let Some(condition) = conditions.get_mut(place) {
        if condition.str_at(&["status"]) != said.0 {
            condition.set(&["status"], said.0);
            condition.set(&["lastTransitionTime"], now);
        }
        condition.set(&["reason"], said.1);
        condition.set(&["message"], said.2.as_str());
    }
    api.set(&["status", "conditions"], conditions);
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time { seconds: i64::try_from(since.as_secs()).unwrap_or(0), nanos: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Value {
        pintle_object::json::parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn an_api_needs_a_port_and_an_endpoint() {
        let service = parse(r#"{"spec":{"ports":[{"name":"https","port":443}]}}"#);
        let slice = |ready: &str, port: &str| {
            parse(&format!(
                r#"{{"endpoints":[{{"conditions":{ready}}}],"ports":[{{"name":"{port}","port":8443}}]}}"#
            ))
        };
        let check = |at: &str, slices: &[Value], expected: Option<(&str, &str)>| {
            let found = without_endpoint(&service, &parse(at), slices, "s");
            let found = found.as_ref().map(|said| (said.1, said.2.as_str()));
            assert_eq!(found, expected);
        };
        check(r#"{"port":80}"#, &[], Some(("ServicePortError", "s is not listening on port 80")));
        check("{}", &[], Some(("EndpointsNotFound", "cannot find endpointslices for s")));
        let why = "endpointslices for s have no addresses with port name \"https\"";
        check("{}", &[slice(r#"{"ready":false}"#, "https")], Some(("MissingEndpoints", why)));
        check("{}", &[slice("{}", "http")], Some(("MissingEndpoints", why)));
        check("{}", &[slice("{}", "http"), slice("{}", "https")], None);
    }

    #[test]
    fn a_condition_keeps_its_time_while_its_status_stays() {
        let mut api = Value::map();
        let said = Said("False", "A", String::from("a"));
        set(&mut api, &said, "1");
        assert!(is_said(&api, &said));
        set(&mut api, &Said("False", "B", String::from("b")), "2");
        let time = |api: &Value| {
            api.list_at(&["status", "conditions"])[0].str_at(&["lastTransitionTime"]).to_string()
        };
        assert_eq!(time(&api), "1");
        set(&mut api, &Said("True", "B", String::from("b")), "3");
        assert_eq!(time(&api), "3");
    }
}
