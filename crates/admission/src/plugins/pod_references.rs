//! The references of a pod: the Secrets with their field paths, and whether it refers to any object of the API.

use pintle_access::node::{NodeSource, pod_references};
use pintle_object::Value;

/// Sources of volumes that refer to no object of the API, unless they name a Secret.
const PLAIN_VOLUMES: [&str; 22] = [
    "awsElasticBlockStore",
    "azureDisk",
    "cephfs",
    "cinder",
    "downwardAPI",
    "emptyDir",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "gitRepo",
    "hostPath",
    "image",
    "iscsi",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
];

/// Sources of volumes that are objects, or lead to some, as upstream names them.
const API_VOLUMES: [(&str, &str); 7] = [
    ("configMap", "configmaps (via configmap volumes)"),
    ("secret", "secrets (via secret volumes)"),
    ("csi", "csidrivers (via CSI volumes)"),
    ("glusterfs", "endpoints (via glusterFS volumes)"),
    ("persistentVolumeClaim", "persistentvolumeclaims"),
    ("ephemeral", "persistentvolumeclaims (via ephemeral volumes)"),
    ("azureFile", "secrets (via azureFile volumes)"),
];

const API_PROJECTIONS: [(&str, &str); 5] = [
    ("configMap", "configmaps (via projected volumes)"),
    ("secret", "secrets (via projected volumes)"),
    ("serviceAccountToken", "serviceaccounts (via projected volumes)"),
    ("clusterTrustBundle", "clustertrustbundles"),
    ("podCertificate", "podcertificates"),
];

/// The first kind of objects that a pod refers to; an error for a volume of an unknown kind, which may be any.
pub fn api_reference(pod: &Value) -> Result<Option<&'static str>, String> {
    if !pod.str_at(&["spec", "serviceAccountName"]).is_empty() {
        return Ok(Some("serviceaccounts"));
    }
    let found = pod_references(pod);
    let names = |what| found.iter().any(|(own, _)| own == what);
    if names(NodeSource::Secret) {
        return Ok(Some("secrets"));
    }
    if names(NodeSource::ConfigMap) {
        return Ok(Some("configmaps"));
    }
    if !pod.list_at(&["spec", "resourceClaims"]).is_empty() {
        return Ok(Some("resourceclaims"));
    }
    for volume in pod.list_at(&["spec", "volumes"]) {
        let what = of_volume(volume)?;
        if what.is_some() {
            return Ok(what);
        }
    }
    Ok(None)
}

fn of_volume(volume: &Value) -> Result<Option<&'static str>, String> {
    let name = volume.str_at(&["name"]);
    if PLAIN_VOLUMES.iter().any(|source| is_set(volume, source)) {
        return Ok(None);
    }
    if let Some((_, what)) = API_VOLUMES.iter().find(|(source, _)| is_set(volume, source)) {
        return Ok(Some(what));
    }
    if !is_set(volume, "projected") {
        return Err(format!("unknown volume type for volume  {name:?}"));
    }
    for source in volume.list_at(&["projected", "sources"]) {
        if let Some((_, what)) = API_PROJECTIONS.iter().find(|(field, _)| is_set(source, field)) {
            return Ok(Some(what));
        }
        if !is_set(source, "downwardAPI") {
            return Err(format!("unknown source for projected volume {name:?}"));
        }
    }
    Ok(None)
}

fn is_set(value: &Value, field: &str) -> bool {
    value.get(field).is_some_and(|source| !source.is_null())
}

/// A Secret that a container names: the container, the variable when it is one, and the Secret.
pub struct NamedSecret<'a> {
    pub container: &'a str,
    pub variable: Option<&'a str>,
    pub secret: &'a str,
}

/// The Secrets that the containers of a list name, in upstream's order: variables of a container, then its sources.
pub fn secrets_of_containers<'a>(pod: &'a Value, list: &'a str) -> impl Iterator<Item = NamedSecret<'a>> {
    pod.list_at(&["spec", list]).iter().flat_map(|container| {
        let name = container.str_at(&["name"]);
        let variables = container.list_at(&["env"]).iter().filter_map(move |variable| {
            let reference = variable.at(&["valueFrom", "secretKeyRef"]).filter(|value| !value.is_null())?;
            let (variable, secret) = (Some(variable.str_at(&["name"])), reference.str_at(&["name"]));
            Some(NamedSecret { container: name, variable, secret })
        });
        let sources = container.list_at(&["envFrom"]).iter().filter_map(move |source| {
            let reference = source.get("secretRef").filter(|value| !value.is_null())?;
            Some(NamedSecret { container: name, variable: None, secret: reference.str_at(&["name"]) })
        });
        variables.chain(sources)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_leads_to_an_object_is_found() {
        let check = |spec: &str, expected: Result<Option<&str>, &str>| {
            let pod = pintle_object::json::parse(format!(r#"{{"spec":{spec}}}"#).as_bytes()).unwrap();
            assert_eq!(api_reference(&pod), expected.map_err(String::from), "{spec}");
        };
        let volume = |source: &str, expected| {
            check(&format!(r#"{{"volumes":[{{"name":"v",{source}}}]}}"#), expected);
        };
        check(r#"{"containers":[{"name":"c"}]}"#, Ok(None));
        check(r#"{"serviceAccountName":"a"}"#, Ok(Some("serviceaccounts")));
        check(r#"{"imagePullSecrets":[{"name":"s"}]}"#, Ok(Some("secrets")));
        check(r#"{"ephemeralContainers":[{"envFrom":[{"secretRef":{"name":"s"}}]}]}"#, Ok(Some("secrets")));
        check(r#"{"containers":[{"envFrom":[{"configMapRef":{"name":"c"}}]}]}"#, Ok(Some("configmaps")));
        check(r#"{"resourceClaims":[{"name":"r"}]}"#, Ok(Some("resourceclaims")));
        for source in PLAIN_VOLUMES {
            volume(&format!(r#""{source}":{{}}"#), Ok(None));
        }
        for (source, what) in API_VOLUMES {
            volume(&format!(r#""{source}":{{}}"#), Ok(Some(what)));
        }
        for (source, what) in API_PROJECTIONS {
            volume(
                &format!(r#""projected":{{"sources":[{{"downwardAPI":{{}}}},{{"{source}":{{}}}}]}}"#),
                Ok(Some(what)),
            );
        }
        volume(r#""rbd":{"secretRef":{"name":"s"}}"#, Ok(Some("secrets")));
        volume(r#""csi":{"driver":"d","nodePublishSecretRef":{"name":"s"}}"#, Ok(Some("secrets")));
        volume(r#""projected":{"sources":[{"downwardAPI":{}}]}"#, Ok(None));
        volume(r#""projected":{"sources":[{"new":{}}]}"#, Err("unknown source for projected volume \"v\""));
        volume(r#""new":{}"#, Err("unknown volume type for volume  \"v\""));
    }
}
