//! What a cluster starts with: namespaces, roles, classes and services that upstream's API server makes.
//!
//! `bootstrap/*.jsonl` holds those that are the same in every cluster, one object a line. What is missing is made
//! at every start; what is there already is left as it is.

use pintle_engine::admission::User;
use pintle_engine::allocate::IpPool;
use pintle_engine::update::Source;
use pintle_engine::{Call, Engine, Target, meta};
use pintle_object::time::Time;
use pintle_object::{GroupVersionKind, Reason, Status, Value};
use pintle_schema::decode;
use std::sync::Arc;
use tokio::task::JoinSet;

const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];
const SERVER: &str = "kube-apiserver";
const FLOW_CONTROL: &str = "api-priority-and-fairness-config-producer-v1";

/// Objects by the manager that their fields are accounted to.
static OBJECTS: [(&str, &str); 4] = [
    (SERVER, include_str!("../bootstrap/rbac.jsonl")),
    (SERVER, include_str!("../bootstrap/scheduling.jsonl")),
    (SERVER, include_str!("../bootstrap/apiservices.jsonl")),
    (FLOW_CONTROL, include_str!("../bootstrap/flowcontrol.jsonl")),
];

/// What differs from cluster to cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub service_cluster_ip_range: String,
    pub secure_port: u16,
    /// The authorities of client certificates, in PEM.
    pub client_authorities: String,
}

/// Makes what is missing: first the namespaces, then everything else at once, so that its writes share fsyncs.
pub async fn run(engine: &Arc<Engine>, cluster: &Cluster, now: Time) -> Result<(), Status> {
    let is_first = engine.find("", "v1", "namespaces").is_some_and(|served| {
        served.collection.is_some_and(|collection| engine.store.snapshot(collection).is_empty())
    });
    make_all(engine, namespaces(), now).await?;
    let mut objects = of_cluster(cluster);
    if is_first {
        // What pods need where no controller manager runs. Later starts leave it deleted if it is.
        objects.push((SERVER, object("v1", "ServiceAccount", "default", "default")));
    }
    for (manager, lines) in OBJECTS {
        for line in lines.lines() {
            let object = pintle_object::json::parse(line.as_bytes())
                .map_err(|error| Status::internal(error.message))?;
            objects.push((manager, object));
        }
    }
    make_all(engine, objects, now).await
}

fn namespaces() -> Vec<(&'static str, Value)> {
    let one = |name: &&str| {
        let mut namespace = object("v1", "Namespace", "", name);
        namespace.set(&["metadata", "labels", "kubernetes.io/metadata.name"], *name);
        namespace.set(&["spec", "finalizers"], vec![Value::from("kubernetes")]);
        (SERVER, namespace)
    };
    NAMESPACES.iter().map(one).collect()
}

fn of_cluster(cluster: &Cluster) -> Vec<(&'static str, Value)> {
    let mut authentication = object("v1", "ConfigMap", "kube-system", "extension-apiserver-authentication");
    authentication.set(&["data", "client-ca-file"], cluster.client_authorities.as_str());
    let mut objects = vec![(SERVER, authentication), (SERVER, service_cidr(cluster))];
    let first = cluster.service_cluster_ip_range.split(',').next().and_then(IpPool::parse);
    if let Some(pool) = first {
        objects.push((SERVER, kubernetes_service(&pool.first().to_string(), cluster.secure_port)));
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
    service.set(&["spec", "sessionAffinity"], "None");
    service.set(&["spec", "type"], "ClusterIP");
    service
}

fn object(api_version: &str, kind: &str, namespace: &str, name: &str) -> Value {
    let mut object = Value::map();
    object.set(&["apiVersion"], api_version);
    object.set(&["kind"], kind);
    object.set(&["metadata", "name"], name);
    if !namespace.is_empty() {
        object.set(&["metadata", "namespace"], namespace);
    }
    object
}

async fn make_all(
    engine: &Arc<Engine>,
    objects: Vec<(&'static str, Value)>,
    now: Time,
) -> Result<(), Status> {
    let mut tasks = JoinSet::new();
    for (manager, object) in objects {
        let engine = engine.clone();
        tasks.spawn(async move { make(&engine, manager, object, now).await });
    }
    while let Some(made) = tasks.join_next().await {
        made.map_err(Status::internal)??;
    }
    Ok(())
}

async fn make(engine: &Engine, manager: &str, object: Value, now: Time) -> Result<(), Status> {
    let (group, version) =
        object.str_at(&["apiVersion"]).split_once('/').unwrap_or(("", object.str_at(&["apiVersion"])));
    let kind = GroupVersionKind::new(group, version, object.str_at(&["kind"]));
    let Some(served) = engine
        .table()
        .served()
        .iter()
        .find(|served| served.gvk() == kind && served.collection.is_some())
        .cloned()
    else {
        return Ok(());
    };
    let (namespace, name) = (meta::namespace(&object).to_string(), meta::name(&object).to_string());
    let target = Target { served: &served, subresource: "", namespace: &namespace, name: &name };
    let is_there = |collection| engine.store.get(collection, &target.key()).is_some();
    if served.collection.is_none_or(is_there) {
        return Ok(());
    }
    let schema = &engine.api.schema;
    let json = pintle_object::json::to_string(&object);
    let decoded = decode::json::decode(schema, served.resource.ty, json.as_bytes());
    let decoded = decoded.map_err(Status::internal)?.value;
    let user =
        User { name: "system:apiserver".into(), groups: vec!["system:masters".into()], ..User::default() };
    let mut call = Call { user: &user, now, manager: manager.into(), dry_run: false, warnings: Vec::new() };
    match engine.create(target, decoded, &mut call).await {
        Err(status) if status.reason != Reason::AlreadyExists => return Err(status),
        _ => {}
    }
    match object.get("status") {
        Some(status) => set_status(engine, target, status, &mut call).await,
        None => Ok(()),
    }
}

/// Conditions hold from now on.
async fn set_status(
    engine: &Engine,
    target: Target<'_>,
    status: &Value,
    call: &mut Call<'_>,
) -> Result<(), Status> {
    let mut status = status.clone();
    for condition in status.at_mut(&["conditions"]).and_then(Value::as_list_mut).into_iter().flatten() {
        condition.set(&["lastTransitionTime"], call.now.to_seconds_text());
    }
    let set = |current: Option<&Value>, _: &mut Vec<String>| {
        let mut object = current.cloned().unwrap_or_default();
        object.set(&["status"], status.clone());
        Ok(object)
    };
    let target = Target { subresource: "status", ..target };
    engine.write_over(target, Source::Patch(&set), false, call).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(count, 175);
    }
}
