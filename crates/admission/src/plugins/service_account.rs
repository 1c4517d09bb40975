//! ServiceAccount: every pod runs as a service account that exists, and carries its token.

use super::tolerations::push;
use crate::chain::Plugin;
use crate::request::{Request, is_true};
use pintle_engine::meta;
use pintle_object::{Status, Value};

const MIRROR: &str = "kubernetes.io/config.mirror";
const ENFORCE: &str = "kubernetes.io/enforce-mountable-secrets";
const VOLUME: &str = "kube-api-access-";
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// An hour, and seven seconds by which these tokens are told from others.
const TOKEN_SECONDS: i64 = 3607;
const FILE_MODE: i64 = 0o644;

pub struct ServiceAccount;

impl Plugin for ServiceAccount {
    fn mutate(&self, request: &Request<'_>, object: &mut Value) -> Result<(), Status> {
        if !request.creates("", "pods") {
            return Ok(());
        }
        if is_mirror(object) {
            return judge_mirror(request, object);
        }
        if object.str_at(&["spec", "serviceAccountName"]).is_empty() {
            object.set(&["spec", "serviceAccountName"], "default");
        }
        let name = object.str_at(&["spec", "serviceAccountName"]).to_string();
        object.set(&["spec", "serviceAccount"], name);
        let account = account_of(request, object)?;
        if mounts_token(&account, object) {
            mount_token(request, object);
        }
        let secrets = account.list_at(&["imagePullSecrets"]);
        if object.list_at(&["spec", "imagePullSecrets"]).is_empty() && !secrets.is_empty() {
            object.set(&["spec", "imagePullSecrets"], secrets.to_vec());
        }
        judge_secrets(request, object, &account)
    }

    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        if !request.creates("", "pods") {
            return Ok(());
        }
        if is_mirror(object) {
            return judge_mirror(request, object);
        }
        let account = account_of(request, object)?;
        judge_secrets(request, object, &account)
    }
}

fn is_mirror(pod: &Value) -> bool {
    pod.at(&["metadata", "annotations", MIRROR]).is_some()
}

fn account_of(request: &Request<'_>, pod: &Value) -> Result<Value, Status> {
    let (namespace, name) = (request.namespace(), pod.str_at(&["spec", "serviceAccountName"]));
    request.stored("", "serviceaccounts", namespace, name).ok_or_else(|| {
        let missing = pintle_object::field::quote(name);
        let why = format!(
            "error looking up service account {namespace}/{name}: serviceaccount {missing} not found"
        );
        request.forbidden(pod, why)
    })
}

/// The pod's own word counts, then the account's.
fn mounts_token(account: &Value, pod: &Value) -> bool {
    let own = pod.at(&["spec", "automountServiceAccountToken"]).and_then(Value::as_bool);
    let general = account.at(&["automountServiceAccountToken"]).and_then(Value::as_bool);
    own.or(general).unwrap_or(true)
}

fn mount_token(request: &Request<'_>, pod: &mut Value) {
    let volumes = pod.list_at(&["spec", "volumes"]);
    let existing =
        volumes.iter().map(|volume| volume.str_at(&["name"])).find(|name| name.starts_with(VOLUME));
    let has_volume = existing.is_some();
    let name = existing.map_or_else(|| request.engine.generator.name(VOLUME), str::to_string);
    let mut is_mounted = false;
    for list in ["initContainers", "containers"] {
        let containers = pod.at_mut(&["spec", list]).and_then(Value::as_list_mut);
        for container in containers.into_iter().flatten() {
            let mounts = container.list_at(&["volumeMounts"]);
            if !mounts.iter().any(|mount| mount.str_at(&["mountPath"]) == MOUNT_PATH) {
                push(container, &["volumeMounts"], token_mount(&name));
                is_mounted = true;
            }
        }
    }
    if is_mounted && !has_volume {
        push(pod, &["spec", "volumes"], token_volume(&name));
    }
}

fn token_mount(volume: &str) -> Value {
    let mut mount = Value::map();
    mount.set(&["name"], volume);
    mount.set(&["readOnly"], true);
    mount.set(&["mountPath"], MOUNT_PATH);
    mount
}

/// A token, the cluster's root certificates and the pod's namespace, as files.
fn token_volume(name: &str) -> Value {
    let mut token = Value::map();
    token.set(&["serviceAccountToken", "expirationSeconds"], TOKEN_SECONDS);
    token.set(&["serviceAccountToken", "path"], "token");
    let mut key = Value::map();
    key.set(&["key"], "ca.crt");
    key.set(&["path"], "ca.crt");
    let mut roots = Value::map();
    roots.set(&["configMap", "name"], "kube-root-ca.crt");
    roots.set(&["configMap", "items"], vec![key]);
    let mut field = Value::map();
    field.set(&["path"], "namespace");
    field.set(&["fieldRef", "apiVersion"], "v1");
    field.set(&["fieldRef", "fieldPath"], "metadata.namespace");
    let mut namespace = Value::map();
    namespace.set(&["downwardAPI", "items"], vec![field]);
    let mut volume = Value::map();
    volume.set(&["name"], name);
    volume.set(&["projected", "sources"], vec![token, roots, namespace]);
    volume.set(&["projected", "defaultMode"], FILE_MODE);
    volume
}

/// Pods that a kubelet shows for its static pods may not reach for accounts or secrets.
fn judge_mirror(request: &Request<'_>, pod: &Value) -> Result<(), Status> {
    let refuse = |why: &str| Err(request.forbidden(pod, format!("a mirror pod may not {why}")));
    if !pod.str_at(&["spec", "serviceAccountName"]).is_empty() {
        return refuse("reference service accounts");
    }
    if names_secret(pod.at(&["spec"]).unwrap_or(&Value::Null)) {
        return refuse("reference secrets");
    }
    let volumes = pod.list_at(&["spec", "volumes"]).iter();
    let mut sources = volumes.flat_map(|volume| volume.list_at(&["projected", "sources"]));
    if sources.any(|source| source.get("serviceAccountToken").is_some()) {
        return refuse("use ServiceAccountToken volume projections");
    }
    Ok(())
}

/// Whether a pod's spec names a secret anywhere: the fields that do all go by these names.
fn names_secret(value: &Value) -> bool {
    match value {
        Value::List(items) => items.iter().any(names_secret),
        Value::Map(map) => map.iter().any(|(key, child)| match key {
            "secret" | "secretRef" | "secretKeyRef" | "nodePublishSecretRef" => {
                child.as_map().is_some_and(|map| !map.is_empty())
            }
            "imagePullSecrets" => child.as_list().is_some_and(|list| !list.is_empty()),
            "secretName" => child.as_str().is_some_and(|name| !name.is_empty()),
            _ => names_secret(child),
        }),
        _ => false,
    }
}

/// An account may say that its pods use no secrets but those it lists.
fn judge_secrets(request: &Request<'_>, pod: &Value, account: &Value) -> Result<(), Status> {
    if !is_true(account.str_at(&["metadata", "annotations", ENFORCE])) {
        return Ok(());
    }
    match forbidden_secret(pod, account) {
        Some(why) => Err(request.forbidden(pod, why)),
        None => Ok(()),
    }
}

fn forbidden_secret(pod: &Value, account: &Value) -> Option<String> {
    let lists = |list: &str, name: &str| {
        account.list_at(&[list]).iter().any(|secret| secret.str_at(&["name"]) == name)
    };
    let owner = meta::name(account);
    let tail = format!("is not allowed because service account {owner} does not reference that");
    for volume in pod.list_at(&["spec", "volumes"]) {
        let name = volume.str_at(&["secret", "secretName"]);
        if volume.get("secret").is_some() && !lists("secrets", name) {
            return Some(format!("volume with secret.secretName=\"{name}\" {tail} secret"));
        }
    }
    for (list, what) in [("initContainers", "init container"), ("containers", "container")] {
        for container in pod.list_at(&["spec", list]) {
            for env in container.list_at(&["env"]) {
                let name = env.str_at(&["valueFrom", "secretKeyRef", "name"]);
                if env.at(&["valueFrom", "secretKeyRef"]).is_some() && !lists("secrets", name) {
                    let (container, env) = (container.str_at(&["name"]), env.str_at(&["name"]));
                    return Some(format!(
                        "{what} {container} with envVar {env} referencing secret.secretName=\"{name}\" {tail} \
                         secret"
                    ));
                }
            }
        }
    }
    let mut pulls = pod.list_at(&["spec", "imagePullSecrets"]).iter().map(|secret| secret.str_at(&["name"]));
    let name = pulls.find(|name| !lists("imagePullSecrets", name))?;
    Some(format!("imagePullSecret name=\"{name}\" {tail} imagePullSecret"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Value {
        pintle_object::json::parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn the_pod_decides_on_the_token_before_the_account() {
        let check = |account: &str, pod: &str, expected: bool| {
            assert_eq!(mounts_token(&parse(account), &parse(pod)), expected);
        };
        check("{}", "{}", true);
        check(r#"{"automountServiceAccountToken":false}"#, "{}", false);
        check(
            r#"{"automountServiceAccountToken":false}"#,
            r#"{"spec":{"automountServiceAccountToken":true}}"#,
            true,
        );
    }

    #[test]
    fn secrets_are_found_wherever_a_spec_names_them() {
        let check = |spec: &str, expected: bool| assert_eq!(names_secret(&parse(spec)), expected, "{spec}");
        check(r#"{"volumes":[{"name":"s","secret":{"secretName":"x"}}]}"#, true);
        check(r#"{"containers":[{"envFrom":[{"secretRef":{"name":"x"}}]}]}"#, true);
        check(r#"{"volumes":[{"azureFile":{"secretName":"x"}}]}"#, true);
        check(r#"{"volumes":[{"configMap":{"name":"x"}}]}"#, false);
    }

    #[test]
    fn an_account_can_limit_its_secrets() {
        let account = parse(r#"{"metadata":{"name":"a"},"secrets":[{"name":"mine"}]}"#);
        let check = |pod: &str, expected: Option<&str>| {
            assert_eq!(forbidden_secret(&parse(pod), &account).as_deref(), expected);
        };
        check(r#"{"spec":{"volumes":[{"secret":{"secretName":"mine"}}]}}"#, None);
        check(
            r#"{"spec":{"imagePullSecrets":[{"name":"x"}]}}"#,
            Some(
                "imagePullSecret name=\"x\" is not allowed because service account a does not reference that \
                 imagePullSecret",
            ),
        );
    }
}
