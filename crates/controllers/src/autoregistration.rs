//! APIServices for the groups and versions of custom resources, which say that this server serves them. Managed ones
//! are made again when they are deleted, and repaired when they are changed; those without the server's label belong to
//! their users. (Upstream: kube-aggregator's `autoregister` controller.)

use crate::own_writes;
use crate::runner::{self, EventSource, Place, Reconciler};
use pintle_engine::options::DeleteOptions;
use pintle_engine::resource_table::Table;
use pintle_engine::{Engine, ObjectRef, ServedResource, own};
use pintle_object::{Reason, Status, Text, Value};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::watch;

const GROUP_PRIORITY: i64 = 1000;
const VERSION_PRIORITY: i64 = 100;
/// The label of APIServices that are kept in step with the served resources, and its value on them.
const AUTOMANAGED: &str = "kube-aggregator.kubernetes.io/automanaged";
const ALWAYS: &str = "true";

/// Begins to keep the APIServices until the store closes. Stored definitions must be served already.
pub fn control(engine: Arc<Engine>) {
    let Some(served) = engine.find_any("apiregistration.k8s.io", "apiservices") else { return };
    let Some(source) = EventSource::all(&served) else { return };
    let changes = engine.serving_changes();
    let controller =
        Autoregistration { engine: engine.clone(), served, source, changes, known: BTreeSet::new() };
    tokio::spawn(runner::run(engine, controller));
}

struct Autoregistration {
    engine: Arc<Engine>,
    served: Arc<ServedResource>,
    source: EventSource,
    /// Notifies of changes of the served custom resources.
    changes: watch::Receiver<()>,
    /// The names of the APIServices that there should have been when it was last looked.
    known: BTreeSet<Text>,
}

impl Reconciler for Autoregistration {
    const NAME: &'static str = "autoregister";

    fn sources(&self) -> Vec<EventSource> {
        vec![self.source.clone()]
    }

    async fn sync(&mut self, _: usize, _: &str, name: &str) -> Result<(), Status> {
        let is_wanted = wanted(&self.engine.table()).contains(name);
        let stored = self.source.read(&self.engine, &self.served, "", name)?;
        match (is_wanted, stored) {
            (true, None) => self.make(name).await,
            (false, None) => Ok(()),
            (_, Some(stored)) if !is_managed(&stored) => Ok(()),
            (true, Some(_)) => {
                let service = service(name);
                let corrected = |current: &Value| corrected(current, &service);
                own_writes::keep(&self.engine, None, &service, corrected, own::now()).await
            }
            (false, Some(_)) => self.delete(name).await,
        }
    }

    async fn woken(&mut self) -> Vec<Place> {
        if self.changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        let wanted = wanted(&self.engine.table());
        let differing = wanted.symmetric_difference(&self.known);
        let changed = differing.map(|name| (0, Text::default(), name.clone())).collect();
        self.known = wanted;
        changed
    }
}

impl Autoregistration {
    async fn make(&self, name: &str) -> Result<(), Status> {
        own_writes::keep(&self.engine, None, &service(name), |_| None, own::now()).await
    }

    async fn delete(&self, name: &str) -> Result<(), Status> {
        let user = own::user();
        let target = ObjectRef { served: &self.served, subresource: "", namespace: "", name };
        let mut context = self.engine.own_call(&user, own::now());
        match self.engine.delete(target, &DeleteOptions::default(), &mut context).await {
            Err(status) if status.reason != Reason::NotFound => Err(status),
            _ => Ok(()),
        }
    }
}

/// The names of APIServices for the custom resources of a table: `v1.example.org`.
fn wanted(table: &Table) -> BTreeSet<Text> {
    let custom = table.served().iter().filter(|served| served.custom.is_some());
    custom
        .map(|served| Text::from(format!("{}.{}", served.resource.version, served.resource.group).as_str()))
        .collect()
}

fn is_managed(service: &Value) -> bool {
    service.str_at(&["metadata", "labels", AUTOMANAGED]) == ALWAYS
}

fn corrected(current: &Value, wanted: &Value) -> Option<Value> {
    let mut next = current.clone();
    next.set(&["spec"], wanted.get("spec").cloned().unwrap_or_default());
    Some(next).filter(|next| next != current)
}

fn service(name: &str) -> Value {
    let (version, group) = name.split_once('.').unwrap_or((name, ""));
    let mut service = Value::map();
    service.set(&["kind"], "APIService");
    service.set(&["apiVersion"], "apiregistration.k8s.io/v1");
    service.set(&["metadata", "name"], name);
    service.set(&["metadata", "labels"], Value::map());
    service.set(&["metadata", "labels", AUTOMANAGED], ALWAYS);
    service.set(&["spec", "group"], group);
    service.set(&["spec", "version"], version);
    service.set(&["spec", "groupPriorityMinimum"], GROUP_PRIORITY);
    service.set(&["spec", "versionPriority"], VERSION_PRIORITY);
    service
}
