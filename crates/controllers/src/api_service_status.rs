//! Keeps the statuses of APIServices: whether the server behind each answers, with upstream's checks and intervals
//! (`kube-aggregator/pkg/controllers/status`). Each API of another server has a task of its own, so that a server that
//! hangs delays no other.

use crate::availability_metrics::AvailabilityMetrics;
use crate::runner::{self, EventSource, Reconciler};
use pintle_engine::UpdateSource;
use pintle_engine::{Engine, ObjectRef, ServedResource, own};
use pintle_kinds::api_service;
use pintle_object::field::quote;
use pintle_object::{Status, Value};
use pintle_proxy::{ApiServices, Remote};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

const GROUP: &str = "apiregistration.k8s.io";
const AVAILABLE: &str = "Available";
/// The label that names the Service of an EndpointSlice.
const SERVICE: &str = "kubernetes.io/service-name";

/// The time between two checks of a server that answers.
const CHECK_EVERY: Duration = Duration::from_secs(30);
/// The waits after failures: from the first to the longest, twice as long each time.
const RETRY_MIN: Duration = Duration::from_millis(5);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// Questions at once, of which one must be answered: a Service may have endpoints that do not answer.
const PROBES: usize = 5;

/// The place of APIServices among the sources; the others are Services and EndpointSlices.
const APIS: usize = 0;

/// Begins to follow APIServices, Services and EndpointSlices until the store closes. `remotes` is kept as APIServices
/// say.
pub fn control(engine: Arc<Engine>, remotes: Arc<ApiServices>, metrics: Arc<AvailabilityMetrics>) {
    let find = |group: &str, plural: &str| Followed::of(engine.find_any(group, plural)?);
    let found =
        (find(GROUP, "apiservices"), find("", "services"), find("discovery.k8s.io", "endpointslices"));
    let (Some(apis), Some(services), Some(slices)) = found else { return };
    let checker = AvailabilityChecker { engine: engine.clone(), apis, services, slices, remotes, metrics };
    let status =
        ApiServiceStatus { checker: Arc::new(checker), tasks: JoinSet::new(), checked: HashMap::new() };
    tokio::spawn(runner::run(engine, status));
}

/// A resource and where its objects are.
struct Followed {
    served: Arc<ServedResource>,
    source: EventSource,
}

impl Followed {
    fn of(served: Arc<ServedResource>) -> Option<Followed> {
        let source = EventSource::all(&served)?;
        Some(Followed { served, source })
    }

    fn read(&self, engine: &Engine, namespace: &str, name: &str) -> Result<Option<Value>, Status> {
        self.source.read(engine, &self.served, namespace, name)
    }
}

struct ApiServiceStatus {
    checker: Arc<AvailabilityChecker>,
    tasks: JoinSet<()>,
    checked: HashMap<String, Checked>,
}

/// An API of another server, which a task looks at.
struct Checked {
    /// The namespace of its Service.
    namespace: String,
    wake: Arc<Notify>,
    task: AbortHandle,
}

impl Drop for Checked {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The parts of a condition: status, reason and message.
#[derive(Debug, PartialEq, Eq)]
struct Said(&'static str, &'static str, String);

impl Reconciler for ApiServiceStatus {
    const NAME: &'static str = "api_service_status";

    fn sources(&self) -> Vec<EventSource> {
        let AvailabilityChecker { apis, services, slices, .. } = &*self.checker;
        [apis, services, slices].map(|followed| followed.source.clone()).into()
    }

    async fn sync(&mut self, source: usize, namespace: &str, name: &str) -> Result<(), Status> {
        if source == APIS {
            return self.sync_api(name).await;
        }
        for checked in self.checked.values().filter(|checked| checked.namespace == namespace) {
            checked.wake.notify_one();
        }
        Ok(())
    }
}

impl ApiServiceStatus {
    async fn sync_api(&mut self, name: &str) -> Result<(), Status> {
        let checker = &self.checker;
        // Tasks that were ended are forgotten.
        while self.tasks.try_join_next().is_some() {}
        let api = checker.apis.read(&checker.engine, "", name)?;
        checker.remotes.set(name, api.as_ref());
        let Some(service) = api.as_ref().and_then(api_service::service_of) else {
            self.checked.remove(name);
            return match &api {
                None => {
                    checker.metrics.forget(name);
                    Ok(())
                }
                Some(api) => checker.keep(api, name, &local()).await,
            };
        };
        let namespace = service.str_at(&["namespace"]).to_string();
        match self.checked.get_mut(name) {
            Some(checked) => {
                checked.namespace = namespace;
                checked.wake.notify_one();
            }
            None => {
                let wake = Arc::new(Notify::new());
                let task = self.tasks.spawn(checker.clone().watch(name.into(), wake.clone()));
                self.checked.insert(name.into(), Checked { namespace, wake, task });
            }
        }
        Ok(())
    }
}

fn local() -> Said {
    Said("True", "Local", String::from("Local APIServices are always available"))
}

/// Looks at one API at a time.
struct AvailabilityChecker {
    engine: Arc<Engine>,
    apis: Followed,
    services: Followed,
    slices: Followed,
    remotes: Arc<ApiServices>,
    metrics: Arc<AvailabilityMetrics>,
}

impl AvailabilityChecker {
    /// Looks at an API again and again: when something changed, after a while, and sooner when it failed.
    async fn watch(self: Arc<Self>, name: String, wake: Arc<Notify>) {
        let mut retry = RETRY_MIN;
        loop {
            let pause = match self.check(&name).await {
                Ok(()) => {
                    retry = RETRY_MIN;
                    CHECK_EVERY
                }
                Err(why) => {
                    tracing::debug!(name, "an aggregated API is not available: {why}");
                    let pause = retry;
                    retry = (retry * 2).min(RETRY_MAX);
                    pause
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = wake.notified() => {}
            }
        }
    }

    /// Checks whether an API is available; an error when its server is to be checked again soon.
    async fn check(&self, name: &str) -> Result<(), String> {
        let message = |status: Status| status.internal.unwrap_or(status.message);
        let Some(api) = self.apis.read(&self.engine, "", name).map_err(message)? else { return Ok(()) };
        let Some(service) = api_service::service_of(&api) else { return Ok(()) };
        if let Some(said) = self.without_service(service).map_err(message)? {
            return self.keep(&api, name, &said).await.map_err(message);
        }
        // A remote that is not known yet is looked at once it is: a change of the table wakes.
        let Some(remote) = self.remote(name) else { return Ok(()) };
        match self.probe(&remote).await {
            Ok(()) => {
                let said = Said("True", "Passed", String::from("all checks passed"));
                self.keep(&api, name, &said).await.map_err(message)
            }
            Err(why) => {
                let said = Said("False", "FailedDiscoveryCheck", why.clone());
                self.keep(&api, name, &said).await.map_err(message)?;
                Err(why)
            }
        }
    }

    fn remote(&self, name: &str) -> Option<Arc<Remote>> {
        let (version, group) = name.split_once('.').unwrap_or((name, ""));
        self.remotes.get(group, version)
    }

    /// Asks several times at once: one answer is enough.
    async fn probe(&self, remote: &Arc<Remote>) -> Result<(), String> {
        let mut probes = JoinSet::new();
        for _ in 0..PROBES {
            let (remotes, remote) = (self.remotes.clone(), remote.clone());
            probes.spawn(async move { remotes.probe(&remote).await });
        }
        let mut last = Ok(());
        while let Some(result) = probes.join_next().await {
            last = result.unwrap_or_else(|error| Err(error.to_string()));
            if last.is_ok() {
                break;
            }
        }
        last
    }

    /// The error of an API's Service. `at` is the API's reference to it.
    fn without_service(&self, at: &Value) -> Result<Option<Said>, Status> {
        let (namespace, name) = (at.str_at(&["namespace"]), at.str_at(&["name"]));
        let shown = format!("service/{name} in {}", quote(namespace));
        let Some(service) = self.services.read(&self.engine, namespace, name)? else {
            return Ok(Some(Said("False", "ServiceNotFound", format!("{shown} is not present"))));
        };
        if service.str_at(&["spec", "type"]) != "ClusterIP" {
            return Ok(None);
        }
        Ok(without_endpoint(&service, at, &self.slices_of(namespace, name), &shown))
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

    /// Writes the condition of an API, unless it has it already.
    async fn keep(&self, api: &Value, name: &str, said: &Said) -> Result<(), Status> {
        self.metrics.set_available(name, said.0 == "True");
        if is_said(api, said) {
            return Ok(());
        }
        let now = own::now();
        let user = own::user();
        let mut context = self.engine.own_call(&user, now);
        let next = |current: Option<&Value>, _: &mut Vec<String>| {
            let mut api = current.cloned().unwrap_or_default();
            set(&mut api, said, &now.to_seconds_text());
            Ok(api)
        };
        let target = ObjectRef { served: &self.apis.served, subresource: "status", namespace: "", name };
        self.engine.replace(target, UpdateSource::Patch(&next), false, &mut context).await?;
        if said.0 != "True" && was_available(api) {
            self.metrics.count_unavailable(name, said.1);
        }
        Ok(())
    }
}

fn was_available(api: &Value) -> bool {
    let mut conditions = api.list_at(&["status", "conditions"]).iter();
    conditions.any(|condition| is_available(condition) && condition.str_at(&["status"]) == "True")
}

/// The fault of a Service's port or of its endpoints.
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
