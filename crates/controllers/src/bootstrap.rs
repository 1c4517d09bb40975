//! The first objects of a cluster: namespaces, roles, classes and services that upstream's API server makes.
//!
//! `bootstrap/*.jsonl` holds those that are the same in every cluster, one object a line. Missing objects are made at
//! every start, and some of them while the server runs (`kept`); existing ones are left as they are, except for the
//! repairs of `reconcile`.

use crate::{own_writes, reconcile};
use pintle_access::rbac::Rule;
use pintle_engine::Engine;
use pintle_kinds::allocator::IpPool;
use pintle_object::meta;
use pintle_object::time::Time;
use pintle_object::{Status, Value};
use std::sync::Arc;
use tokio::task::JoinSet;

const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];
/// The label of objects that come and go with the resources served at a start.
const AUTOMANAGED: &str = "kube-aggregator.kubernetes.io/automanaged";
const FLOW_CONTROL: &str = "api-priority-and-fairness-config-producer-v1";

/// The field manager of a write; the server itself when there is none.
type Manager = Option<&'static str>;

/// Objects by their manager.
static OBJECTS: [(Manager, &str); 4] = [
    (None, include_str!("../bootstrap/rbac.jsonl")),
    (None, include_str!("../bootstrap/scheduling.jsonl")),
    (None, include_str!("../bootstrap/apiservices.jsonl")),
    (Some(FLOW_CONTROL), FLOW_CONTROL_OBJECTS),
];
const FLOW_CONTROL_OBJECTS: &str = include_str!("../bootstrap/flowcontrol.jsonl");

/// Settings that differ from cluster to cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub service_cluster_ip_range: String,
    pub secure_port: u16,
}

/// Creates missing objects: first the namespaces, then all others at once, so that their writes share fsyncs.
pub async fn run(engine: &Arc<Engine>, cluster: &Cluster, now: Time) -> Result<(), Status> {
    let is_first = engine.find("", "v1", "namespaces").is_some_and(|served| {
        served.collection().is_some_and(|collection| engine.store.snapshot(collection).is_empty())
    });
    make_all(engine, namespaces(), now).await?;
    let mut objects = of_cluster(cluster, now);
    if is_first {
        // Pods need it where no controller manager runs. Later starts leave it deleted if it is.
        objects.push((None, object("v1", "ServiceAccount", "default", "default")));
    }
    for (manager, lines) in OBJECTS {
        objects.extend(parsed(lines)?.into_iter().map(|object| (manager, object)));
    }
    objects.retain(|(_, object)| is_served_service(engine, object));
    own_writes::delete(engine, ("apiregistration.k8s.io", "apiservices"), "", now, |service| {
        let is_ours = service.str_at(&["metadata", "labels", AUTOMANAGED]) == "onstart";
        is_ours && !serves(engine, meta::name(service))
    })
    .await?;
    make_all(engine, objects, now).await
}

/// Whether an object is the APIService of a served version; other objects are for every cluster.
fn is_served_service(engine: &Engine, object: &Value) -> bool {
    object.str_at(&["kind"]) != "APIService" || serves(engine, object.str_at(&["metadata", "name"]))
}

/// Whether anything is served under the version and group of an APIService's name: `v1.apps`.
fn serves(engine: &Engine, name: &str) -> bool {
    name.split_once('.').is_some_and(|(version, group)| engine.table().serves(group, version))
}

/// The permissions of every node: the built-in rules of the role `system:node`, not those of the stored one.
pub fn node_rules() -> Vec<Rule> {
    let is_role = |object: &Value| {
        object.str_at(&["kind"]) == "ClusterRole" && object.str_at(&["metadata", "name"]) == "system:node"
    };
    let lines = OBJECTS.iter().flat_map(|(_, lines)| lines.lines());
    let objects = lines.filter(|line| line.contains("\"system:node\""));
    let objects = objects.filter_map(|line| pintle_object::json::parse(line.as_bytes()).ok());
    objects.filter(is_role).flat_map(|role| Rule::read_all(&role)).collect()
}

fn namespaces() -> Vec<(Manager, Value)> {
    let one = |name: &&str| {
        let mut namespace = object("v1", "Namespace", "", name);
        namespace.set(&["metadata", "labels", "kubernetes.io/metadata.name"], *name);
        (None, namespace)
    };
    NAMESPACES.iter().map(one).collect()
}

/// Makes the system's namespaces that are missing.
pub(crate) async fn keep_namespaces(engine: &Arc<Engine>, now: Time) -> Result<(), Status> {
    make_all(engine, namespaces(), now).await
}

/// Makes the Service `kubernetes` and the default ServiceCIDR where they are missing.
pub(crate) async fn keep_services(engine: &Arc<Engine>, cluster: &Cluster, now: Time) -> Result<(), Status> {
    make_all(engine, services(cluster), now).await
}

/// Creates the ConfigMap with the date since which the use of legacy tokens is tracked.
pub(crate) async fn keep_tracking(engine: &Arc<Engine>, now: Time) -> Result<(), Status> {
    make_all(engine, vec![(None, tracking(now))], now).await
}

/// Creates and repairs flow schemas and priority levels, and deletes those of other releases.
pub(crate) async fn keep_flow_control(engine: &Arc<Engine>, now: Time) -> Result<(), Status> {
    let objects = parsed(FLOW_CONTROL_OBJECTS)?;
    for (plural, kind) in
        [("flowschemas", "FlowSchema"), ("prioritylevelconfigurations", "PriorityLevelConfiguration")]
    {
        let own = objects.iter().filter(|object| object.str_at(&["kind"]) == kind);
        let names: Vec<&str> = own.map(meta::name).collect();
        let is_wrong = |found: &Value| reconcile::is_kept_spec(found) && !names.contains(&meta::name(found));
        own_writes::delete(engine, ("flowcontrol.apiserver.k8s.io", plural), "", now, is_wrong).await?;
    }
    make_all(engine, objects.into_iter().map(|object| (Some(FLOW_CONTROL), object)).collect(), now).await
}

fn parsed(lines: &str) -> Result<Vec<Value>, Status> {
    let parse = |line: &str| pintle_object::json::parse(line.as_bytes());
    lines.lines().map(parse).collect::<Result<_, _>>().map_err(|error| Status::internal(error.message))
}

fn of_cluster(cluster: &Cluster, now: Time) -> Vec<(Manager, Value)> {
    let mut objects = services(cluster);
    objects.push((None, tracking(now)));
    objects
}

fn tracking(now: Time) -> Value {
    let name = "kube-apiserver-legacy-service-account-token-tracking";
    let mut tracking = object("v1", "ConfigMap", "kube-system", name);
    tracking.set(&["data", "since"], now.to_seconds_text().split('T').next().unwrap_or_default());
    tracking
}

fn services(cluster: &Cluster) -> Vec<(Manager, Value)> {
    let mut objects = vec![(None, service_cidr(cluster))];
    let first = cluster.service_cluster_ip_range.split(',').next().and_then(IpPool::parse);
    if let Some(pool) = first {
        objects.push((None, kubernetes_service(&pool.first().to_string(), cluster.secure_port)));
    }
    objects
}

fn service_cidr(cluster: &Cluster) -> Value {
    let ranges = cluster.service_cluster_ip_range.split(',').map(Value::from).collect::<Vec<_>>();
    let mut ready = Value::map();
    ready.set(&["type"], "Ready");
    ready.set(&["status"], "True");
    ready.set(&["reason"], "");
    ready.set(&["message"], "Kubernetes default Service CIDR is ready");
    let mut cidr = object("networking.k8s.io/v1", "ServiceCIDR", "", "kubernetes");
    cidr.set(&["spec", "cidrs"], ranges);
    cidr.set(&["status", "conditions"], vec![ready]);
    cidr
}

/// The Service that pods reach the API server by.
fn kubernetes_service(ip: &str, secure_port: u16) -> Value {
    let mut port = Value::map();
    port.set(&["name"], "https");
    port.set(&["protocol"], "TCP");
    port.set(&["port"], 443);
    port.set(&["targetPort"], i64::from(secure_port));
    let mut service = object("v1", "Service", "default", "kubernetes");
    service.set(&["metadata", "labels", "component"], "apiserver");
    service.set(&["metadata", "labels", "provider"], "kubernetes");
    service.set(&["spec", "clusterIP"], ip);
    service.set(&["spec", "ports"], vec![port]);
    service.set(&["spec", "ipFamilyPolicy"], "SingleStack");
    service.set(&["spec", "sessionAffinity"], "None");
    service.set(&["spec", "type"], "ClusterIP");
    service
}

pub fn object(api_version: &str, kind: &str, namespace: &str, name: &str) -> Value {
    let mut object = Value::map();
    object.set(&["apiVersion"], api_version);
    object.set(&["kind"], kind);
    object.set(&["metadata", "name"], name);
    if !namespace.is_empty() {
        object.set(&["metadata", "namespace"], namespace);
    }
    object
}

async fn make_all(engine: &Arc<Engine>, objects: Vec<(Manager, Value)>, now: Time) -> Result<(), Status> {
    let mut tasks = JoinSet::new();
    for (manager, object) in objects {
        let engine = engine.clone();
        tasks.spawn(async move {
            let reconciled = |current: &Value| reconcile::reconciled(current, &object);
            own_writes::keep(&engine, manager, &object, reconciled, now).await
        });
    }
    while let Some(made) = tasks.join_next().await {
        made.map_err(Status::internal)??;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::GroupVersionKind;
    use pintle_schema::decode;

    #[test]
    fn every_line_is_an_object_of_a_served_kind() {
        let api = pintle_schema::builtin();
        let mut count = 0;
        for line in OBJECTS.iter().flat_map(|(_, lines)| lines.lines()) {
            let object = pintle_object::json::parse(line.as_bytes()).unwrap();
            let api_version = object.str_at(&["apiVersion"]);
            let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
            let kind = GroupVersionKind::new(group, version, object.str_at(&["kind"]));
            let ty = api.kind(&kind).unwrap();
            assert!(decode::json::decode(&api.schema, ty, line.as_bytes()).is_ok(), "{line}");
            count += 1;
        }
        assert_eq!(count, 189);
    }
}
