//! APIServices for the groups and versions of custom resources: they tell that this server serves them.

use super::controller::{now, system};
use crate::engine::{Engine, Target};
use crate::options::DeleteOptions;
use pintle_object::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::watch;

const GROUP_PRIORITY: i64 = 1000;
const VERSION_PRIORITY: i64 = 100;
/// Those with the value `true` come and go with what is served.
const AUTOMANAGED: &str = "kube-aggregator.kubernetes.io/automanaged";

/// Keeps the APIServices as the groups and versions are that were sent last, until the sender is gone.
pub(super) fn keep(engine: Arc<Engine>) -> watch::Sender<BTreeSet<(String, String)>> {
    let (sender, mut receiver) = watch::channel(BTreeSet::new());
    tokio::spawn(async move {
        while receiver.changed().await.is_ok() {
            let versions = receiver.borrow_and_update().clone();
            register(&engine, &versions).await;
        }
    });
    sender
}

/// Makes those that are missing among the groups and versions, and deletes those that are too many. What fails is
/// done the next time.
async fn register(engine: &Engine, versions: &BTreeSet<(String, String)>) {
    let Some(services) = engine.find_any("apiregistration.k8s.io", "apiservices") else { return };
    let Some(collection) = services.collection else { return };
    let mut missing: BTreeSet<String> =
        versions.iter().map(|(group, version)| format!("{version}.{group}")).collect();
    let mut extra = Vec::new();
    for object in engine.store.snapshot(collection).range("", None) {
        let digest = &object.digest;
        let is_ours = digest.labels.iter().any(|(key, value)| key == AUTOMANAGED && value == "true");
        if !missing.remove(digest.name.as_str()) && is_ours {
            extra.push(digest.name.to_string());
        }
    }
    let user = system();
    for name in extra {
        let target = Target { served: &services, subresource: "", namespace: "", name: &name };
        let _ = engine.delete(target, &DeleteOptions::default(), &mut engine.own_call(&user, now())).await;
    }
    for name in missing {
        let target = Target { served: &services, subresource: "", namespace: "", name: "" };
        let _ = engine.create(target, service(&name), &mut engine.own_call(&user, now())).await;
    }
}

/// `v1.example.org`
fn service(name: &str) -> Value {
    let (version, group) = name.split_once('.').unwrap_or((name, ""));
    let mut service = Value::map();
    service.set(&["kind"], "APIService");
    service.set(&["apiVersion"], "apiregistration.k8s.io/v1");
    service.set(&["metadata", "name"], name);
    service.set(&["metadata", "labels"], Value::map());
    service.set(&["metadata", "labels", AUTOMANAGED], "true");
    service.set(&["spec", "group"], group);
    service.set(&["spec", "version"], version);
    service.set(&["spec", "groupPriorityMinimum"], GROUP_PRIORITY);
    service.set(&["spec", "versionPriority"], VERSION_PRIORITY);
    service
}
