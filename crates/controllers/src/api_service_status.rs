//! Keeps the statuses of APIServices of other servers: whether the Service that stands for one is there and has
//! endpoints. What this server serves itself is always available, and says so from the start.

use crate::runner::{self, Reconciler, Source};
use pintle_engine::update::Source as UpdateSource;
use pintle_engine::{Engine, Served, Target, own};
use pintle_kinds::api_service;
use pintle_object::field::quote;
use pintle_object::{Status, Value};
use std::sync::Arc;

const GROUP: &str = "apiregistration.k8s.io";
const AVAILABLE: &str = "Available";
/// The label that names the Service of an EndpointSlice.
const SERVICE: &str = "kubernetes.io/service-name";

/// The place of APIServices among the sources; the others are Services and EndpointSlices.
const APIS: usize = 0;

/// Begins to follow APIServices, Services and EndpointSlices until the store closes.
pub fn control(engine: Arc<Engine>) {
    let find = |group: &str, plural: &str| Followed::of(engine.find_any(group, plural)?);
    let found =
        (find(GROUP, "apiservices"), find("", "services"), find("discovery.k8s.io", "endpointslices"));
    let (Some(apis), Some(services), Some(slices)) = found else { return };
    tokio::spawn(runner::run(engine.clone(), ApiServiceStatus { engine, apis, services, slices }));
}

/// A resource and where its objects are.
struct Followed {
    served: Arc<Served>,
    source: Source,
}

impl Followed {
    fn of(served: Arc<Served>) -> Option<Followed> {
        let source = Source::all(&served)?;
        Some(Followed { served, source })
    }

    fn read(&self, engine: &Engine, namespace: &str, name: &str) -> Result<Option<Value>, Status> {
        self.source.read(engine, &self.served, namespace, name)
    }
}

struct ApiServiceStatus {
    engine: Arc<Engine>,
    apis: Followed,
    services: Followed,
    slices: Followed,
}

/// What a condition says: status, reason and message.
#[derive(Debug, PartialEq, Eq)]
struct Said(&'static str, &'static str, String);

impl Reconciler for ApiServiceStatus {
    const NAME: &'static str = "api_service_status";

    fn sources(&self) -> Vec<Source> {
        [&self.apis, &self.services, &self.slices].map(|followed| followed.source.clone()).into()
    }

    async fn sync(&mut self, source: usize, namespace: &str, name: &str) -> Result<(), Status> {
        if source == APIS { self.sync_api(name).await } else { self.sync_those_in(namespace).await }
    }
}

impl ApiServiceStatus {
    /// Looks at the APIs whose Service is in a namespace where something changed.
    async fn sync_those_in(&self, namespace: &str) -> Result<(), Status> {
        let snapshot = self.engine.store.snapshot(self.apis.source.collection);
        // Most clusters have none but those that the server serves itself.
        let names: Vec<String> = snapshot.range("", None).map(|one| one.attrs.name.to_string()).collect();
        for name in names.iter().filter(|name| !self.is_served_here(name)) {
            let api = self.apis.read(&self.engine, "", name)?;
            let service = api.as_ref().and_then(api_service::service_of);
            if service.is_some_and(|service| service.str_at(&["namespace"]) == namespace) {
                self.sync_api(name).await?;
            }
        }
        Ok(())
    }

    fn is_served_here(&self, name: &str) -> bool {
        let (version, group) = name.split_once('.').unwrap_or((name, ""));
        self.engine.table().serves(group, version)
    }

    async fn sync_api(&self, name: &str) -> Result<(), Status> {
        let Some(api) = self.apis.read(&self.engine, "", name)? else { return Ok(()) };
        let Some(service) = api_service::service_of(&api) else { return Ok(()) };
        let said = self.judge(service)?;
        if is_said(&api, &said) { Ok(()) } else { self.say(name, &said).await }
    }

    /// `at` is what the API says of its Service.
    fn judge(&self, at: &Value) -> Result<Said, Status> {
        let (namespace, name) = (at.str_at(&["namespace"]), at.str_at(&["name"]));
        let shown = format!("service/{name} in {}", quote(namespace));
        let Some(service) = self.services.read(&self.engine, namespace, name)? else {
            return Ok(Said("False", "ServiceNotFound", format!("{shown} is not present")));
        };
        if service.str_at(&["spec", "type"]) == "ClusterIP"
            && let Some(said) = without_endpoint(&service, at, &self.slices_of(namespace, name), &shown)
        {
            return Ok(said);
        }
        let why = String::from("other API servers are not called by this one yet");
        Ok(Said("False", "FailedDiscoveryCheck", why))
    }

    fn slices_of(&self, namespace: &str, service: &str) -> Vec<Value> {
        let snapshot = self.engine.store.snapshot(self.slices.source.collection);
        let prefix = self.slices.served.prefix(namespace);
        let all = snapshot.range(&prefix, None);
        let own = all.filter(|slice| {
            slice.attrs.labels.iter().any(|(key, value)| &**key == SERVICE && &**value == service)
        });
        own.filter_map(|slice| self.engine.storage_tree(&self.slices.served, slice).ok()).collect()
    }

    async fn say(&self, name: &str, said: &Said) -> Result<(), Status> {
        let now = own::now();
        let user = own::user();
        let mut call = self.engine.own_call(&user, now);
        let next = |current: Option<&Value>, _: &mut Vec<String>| {
            let mut api = current.cloned().unwrap_or_default();
            set(&mut api, said, &now.to_seconds_text());
            Ok(api)
        };
        let target = Target { served: &self.apis.served, subresource: "status", namespace: "", name };
        self.engine.write_over(target, UpdateSource::Patch(&next), false, &mut call).await.map(drop)
    }
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
