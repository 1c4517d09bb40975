//! ServiceAccount: every pod runs as a service account that exists, and carries its token.

use super::pod_references::{NamedSecret, secrets_of_containers};
use super::tolerations::push;
use crate::plugin::Plugin;
use crate::request::{Request, is_true};
use pintle_access::node;
use pintle_object::meta;
use pintle_object::{Status, Value};

const MIRROR: &str = "kubernetes.io/config.mirror";
const ENFORCE: &str = "kubernetes.io/enforce-mountable-secrets";
const VOLUME: &str = "kube-api-access-";
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The lifetime of such tokens: an hour, and seven seconds that distinguish them from others.
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
        judge(request, object, &account, forbidden_secret)
    }

    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        let is_pod = request.is_resource("", "pods");
        if is_pod && request.is_update() && request.subresource() == "ephemeralcontainers" {
            let account = named_account(request, object)?;
            return judge(request, object, &account, forbidden_ephemeral_secret);
        }
        let is_created = matches!(request.subresource(), "" | "ephemeralcontainers") && request.is_create();
        if !is_pod || !is_created {
            return Ok(());
        }
        if is_mirror(object) {
            return judge_mirror(request, object);
        }
        let account = named_account(request, object)?;
        judge(request, object, &account, forbidden_secret)
    }
}

fn is_mirror(pod: &Value) -> bool {
    pod.at(&["metadata", "annotations", MIRROR]).is_some()
}

/// The account that a pod must have by now.
fn named_account(request: &Request<'_>, pod: &Value) -> Result<Value, Status> {
    if pod.str_at(&["spec", "serviceAccountName"]).is_empty() {
        let (namespace, name) = (request.namespace(), meta::name(pod));
        let why = format!("no service account specified for pod {namespace}/{name}");
        return Err(request.forbidden(pod, why));
    }
    account_of(request, pod)
}

fn account_of(request: &Request<'_>, pod: &Value) -> Result<Value, Status> {
    let (namespace, name) = (request.namespace(), pod.str_at(&["spec", "serviceAccountName"]));
    request.view.get("", "serviceaccounts", namespace, name).ok_or_else(|| {
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
    let name = existing.map_or_else(|| request.view.random_name(VOLUME), str::to_string);
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
    if node::pod_references(pod).iter().any(|(what, _)| what == node::NodeSource::Secret) {
        return refuse("reference secrets");
    }
    let volumes = pod.list_at(&["spec", "volumes"]).iter();
    let mut sources = volumes.flat_map(|volume| volume.list_at(&["projected", "sources"]));
    if sources.any(|source| source.map_at(&["serviceAccountToken"]).is_some()) {
        return refuse("use ServiceAccountToken volume projections");
    }
    Ok(())
}

/// An account may say that its pods use no secrets but those it lists.
fn judge(
    request: &Request<'_>,
    pod: &Value,
    account: &Value,
    forbidden: fn(&Value, &Value) -> Option<String>,
) -> Result<(), Status> {
    if !is_true(account.str_at(&["metadata", "annotations", ENFORCE])) {
        return Ok(());
    }
    match forbidden(pod, account) {
        Some(why) => Err(request.forbidden(pod, why)),
        None => Ok(()),
    }
}

/// The first use of a Secret that the account does not list: in volumes, containers, and for pulling images.
fn forbidden_secret(pod: &Value, account: &Value) -> Option<String> {
    let tail = tail(account);
    for volume in pod.list_at(&["spec", "volumes"]) {
        let name = volume.str_at(&["secret", "secretName"]);
        if volume.map_at(&["secret"]).is_some() && !lists(account, "secrets", name) {
            return Some(format!("volume with secret.secretName=\"{name}\" {tail} secret"));
        }
    }
    let containers = [("initContainers", "init container"), ("containers", "container")];
    let mut forbidden =
        containers.into_iter().filter_map(|(list, what)| forbidden_in(pod, account, list, what));
    if let Some(why) = forbidden.next() {
        return Some(why);
    }
    for (index, secret) in pod.list_at(&["spec", "imagePullSecrets"]).iter().enumerate() {
        let name = secret.str_at(&["name"]);
        if !lists(account, "imagePullSecrets", name) {
            return Some(format!("imagePullSecrets[{index}].name=\"{name}\" {tail} imagePullSecret"));
        }
    }
    None
}

/// The same of the containers that come to a running pod.
fn forbidden_ephemeral_secret(pod: &Value, account: &Value) -> Option<String> {
    forbidden_in(pod, account, "ephemeralContainers", "ephemeral container")
}

fn forbidden_in(pod: &Value, account: &Value, list: &str, what: &str) -> Option<String> {
    let mut named = secrets_of_containers(pod, list);
    let NamedSecret { container, variable, secret } =
        named.find(|named| !lists(account, "secrets", named.secret))?;
    let place = variable.map_or("envFrom".into(), |variable| format!("envVar {variable}"));
    let tail = tail(account);
    Some(format!("{what} {container} with {place} referencing secret.secretName=\"{secret}\" {tail} secret"))
}

fn lists(account: &Value, list: &str, name: &str) -> bool {
    account.list_at(&[list]).iter().any(|secret| secret.str_at(&["name"]) == name)
}

fn tail(account: &Value) -> String {
    format!("is not allowed because service account {} does not reference that", meta::name(account))
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
    fn an_account_can_limit_its_secrets() {
        let account = parse(r#"{"metadata":{"name":"a"},"secrets":[{"name":"mine"}]}"#);
        let tail = "is not allowed because service account a does not reference that";
        let check = |spec: &str, expected: &str| {
            let pod = parse(&format!(r#"{{"spec":{spec}}}"#));
            let found =
                forbidden_secret(&pod, &account).or_else(|| forbidden_ephemeral_secret(&pod, &account));
            let expected = if expected.is_empty() { None } else { Some(format!("{expected} {tail} secret")) };
            assert_eq!(found, expected, "{spec}");
        };
        check(r#"{"volumes":[{"secret":{"secretName":"mine"}}]}"#, "");
        check(r#"{"volumes":[{"secret":{"secretName":"x"}}]}"#, "volume with secret.secretName=\"x\"");
        let lists = [
            ("initContainers", "init container"),
            ("containers", "container"),
            ("ephemeralContainers", "ephemeral container"),
        ];
        for (list, what) in lists {
            let container = |fields: &str| format!(r#"{{"{list}":[{{"name":"c",{fields}}}]}}"#);
            let variable = |name: &str| {
                container(&format!(
                    r#""env":[{{"name":"E","valueFrom":{{"secretKeyRef":{{"name":"{name}"}}}}}}]"#
                ))
            };
            let source =
                |name: &str| container(&format!(r#""envFrom":[{{"secretRef":{{"name":"{name}"}}}}]"#));
            check(&variable("mine"), "");
            check(&source("mine"), "");
            let referencing = "referencing secret.secretName=\"x\"";
            check(&variable("x"), &format!("{what} c with envVar E {referencing}"));
            check(&source("x"), &format!("{what} c with envFrom {referencing}"));
        }
        let pod = parse(r#"{"spec":{"imagePullSecrets":[{"name":"x"}]}}"#);
        let expected = format!("imagePullSecrets[0].name=\"x\" {tail} imagePullSecret");
        assert_eq!(forbidden_secret(&pod, &account), Some(expected));
    }
}
