//! Defaults of pods that depend on other fields.

use crate::set_default;
use pintle_object::{Map, Value};

/// Defaults of a pod of its own: besides those of its spec, requests that follow limits.
pub fn default_pod(pod: &mut Value) {
    drop_init_annotations(pod.get_mut("metadata"));
    mirror_ips(pod);
    let Some(spec) = pod.at_mut(&["spec"]) else { return };
    if spec.int_at(&["terminationGracePeriodSeconds"]).is_some_and(|seconds| seconds < 0) {
        spec.set(&["terminationGracePeriodSeconds"], 1);
    }
    default_spec(spec);
    for list in ["containers", "initContainers"] {
        for container in items(spec, &[list]) {
            requests_from_limits(container);
        }
    }
    default_pod_requests(spec);
    set_default(spec, &[], "enableServiceLinks", true);
    if spec.bool_at(&["hostNetwork"]) {
        for list in ["containers", "initContainers"] {
            for container in items(spec, &[list]) {
                host_ports(container);
            }
        }
    }
}

/// Defaults of the pod template at a path.
pub fn default_template(object: &mut Value, path: &[&str]) {
    let Some(template) = object.at_mut(path) else { return };
    drop_init_annotations(template.get_mut("metadata"));
    if let Some(spec) = template.get_mut("spec") {
        default_spec(spec);
    }
}

/// Defaults of every pod spec, of pods and templates.
pub fn default_spec(spec: &mut Value) {
    service_account(spec);
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for container in items(spec, &[list]) {
            image_pull_policy(container);
        }
    }
    for volume in items(spec, &["volumes"]) {
        default_volume(volume);
    }
}

/// A volume without a source is an empty directory.
fn default_volume(volume: &mut Value) {
    let Some(map) = volume.as_map_mut() else { return };
    if map.keys().all(|key| key == "name") {
        map.insert("emptyDir", Map::new());
    }
    if let Some(image) = volume.get_mut("image").filter(|image| image.str_at(&["pullPolicy"]).is_empty()) {
        let is_latest = is_latest(image.str_at(&["reference"]));
        image.set(&["pullPolicy"], if is_latest { "Always" } else { "IfNotPresent" });
    }
}

/// The deprecated `serviceAccount` says the same as `serviceAccountName`.
fn service_account(spec: &mut Value) {
    let name = match spec.str_at(&["serviceAccountName"]) {
        "" => spec.str_at(&["serviceAccount"]),
        name => name,
    };
    if !name.is_empty() {
        let name = name.to_string();
        spec.set(&["serviceAccountName"], name.as_str());
        spec.set(&["serviceAccount"], name);
    }
}

fn image_pull_policy(container: &mut Value) {
    if container.str_at(&["imagePullPolicy"]).is_empty() {
        let is_latest = is_latest(container.str_at(&["image"]));
        container.set(&["imagePullPolicy"], if is_latest { "Always" } else { "IfNotPresent" });
    }
}

/// Whether an image has the tag `latest` or, having no digest, no tag.
///
/// ```text
/// app            app:latest      reg:5000/app     latest
/// app:1          app@sha256:...  Bad:latest       something else
/// ```
fn is_latest(image: &str) -> bool {
    let (image, digest) = match image.split_once('@') {
        Some((image, digest)) => (image, Some(digest)),
        None => (image, None),
    };
    let last = image.rsplit('/').next().unwrap_or("");
    let (repository, tag) = match last.split_once(':') {
        Some((name, tag)) => (image.strip_suffix(&format!(":{tag}")).unwrap_or(name), Some(tag)),
        None => (image, None),
    };
    if !is_repository(repository) {
        return false;
    }
    match tag {
        Some(tag) => tag == "latest",
        None => digest.is_none(),
    }
}

/// Whether a text can be `registry/path/name`: lower-case parts, of which the first may be a host with a port.
fn is_repository(text: &str) -> bool {
    const NAME_LEN_MAX: usize = 255;
    if text.len() > NAME_LEN_MAX {
        return false;
    }
    let parts: Vec<&str> = text.split('/').collect();
    let is_part = |part: &str| {
        let edge = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        edge(part.as_bytes().first())
            && edge(part.as_bytes().last())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
    };
    let is_host = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b))
    };
    match parts.as_slice() {
        [only] => is_part(only),
        [first, rest @ ..] => (is_host(first) || is_part(first)) && rest.iter().all(|part| is_part(part)),
        [] => false,
    }
}

/// A limit without a request is requested.
fn requests_from_limits(container: &mut Value) {
    let Some(limits) = container.map_at(&["resources", "limits"]).cloned() else { return };
    for (resource, limit) in limits.iter() {
        if container.at(&["resources", "requests", resource]).is_none() {
            container.set(&["resources", "requests", resource], limit.clone());
        }
    }
}

/// Limits of the whole pod are requested where neither the pod nor a container requests them.
fn default_pod_requests(spec: &mut Value) {
    let Some(limits) = spec.map_at(&["resources", "limits"]).cloned() else { return };
    for (resource, limit) in limits.iter() {
        let is_requested = spec.at(&["resources", "requests", resource]).is_some()
            || ["containers", "initContainers"].iter().any(|list| {
                spec.list_at(&[list])
                    .iter()
                    .any(|container| container.at(&["resources", "requests", resource]).is_some())
            });
        let is_huge = resource.starts_with("hugepages-");
        let is_own = spec.at(&["resources", "requests", resource]).is_some();
        if !is_requested || (is_huge && !is_own) {
            spec.set(&["resources", "requests", resource], limit.clone());
        }
    }
}

fn host_ports(container: &mut Value) {
    for port in items(container, &["ports"]) {
        if port.int_at(&["hostPort"]).unwrap_or(0) == 0
            && let Some(number) = port.int_at(&["containerPort"])
        {
            port.set(&["hostPort"], number);
        }
    }
}

/// The first of `podIPs` is `podIP`; where they differ, `podIP` counts.
fn mirror_ips(pod: &mut Value) {
    let ip = pod.str_at(&["status", "podIP"]).to_string();
    let first = pod.list_at(&["status", "podIPs"]).first().map(|first| first.str_at(&["ip"]).to_string());
    match first {
        Some(first) if ip.is_empty() => pod.set(&["status", "podIP"], first),
        Some(first) if first == ip => {}
        None if ip.is_empty() => {}
        _ => {
            let entry: Map = [("ip", ip)].into_iter().collect();
            pod.set(&["status", "podIPs"], vec![Value::Map(entry)]);
        }
    }
}

/// Drops the annotations that held init containers before fields did, as upstream does wherever it sees them.
fn drop_init_annotations(metadata: Option<&mut Value>) {
    const INIT: [&str; 4] = [
        "pod.beta.kubernetes.io/init-containers",
        "pod.alpha.kubernetes.io/init-containers",
        "pod.beta.kubernetes.io/init-container-statuses",
        "pod.alpha.kubernetes.io/init-container-statuses",
    ];
    let Some(metadata) = metadata.and_then(Value::as_map_mut) else { return };
    let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_map_mut) else { return };
    let len = annotations.len();
    annotations.retain(|name, _| !INIT.contains(&name));
    if annotations.is_empty() && len > 0 {
        metadata.remove("annotations");
    }
}

fn items<'a>(value: &'a mut Value, path: &[&str]) -> impl Iterator<Item = &'a mut Value> {
    value.at_mut(path).and_then(Value::as_list_mut).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_without_tag_or_digest_are_latest() {
        let cases = [
            ("app", true),
            ("app:latest", true),
            ("reg.example.com:5000/team/app", true),
            ("app:1", false),
            ("app@sha256:0123456789012345678901234567890123456789012345678901234567890123", false),
            ("", false),
            ("Bad/Image:latest", false),
        ];
        for (image, expected) in cases {
            assert_eq!(is_latest(image), expected, "{image}");
        }
    }

    #[test]
    fn limits_are_requested() {
        let json = br#"{"spec":{"containers":[{"image":"a:1","resources":{"limits":{"cpu":"1"}}}]}}"#;
        let mut pod = pintle_object::json::parse(json).expect("test data is JSON");
        default_pod(&mut pod);
        let container = &pod.list_at(&["spec", "containers"])[0];
        assert_eq!(container.str_at(&["resources", "requests", "cpu"]), "1");
        assert_eq!(container.str_at(&["imagePullPolicy"]), "IfNotPresent");
        assert!(pod.bool_at(&["spec", "enableServiceLinks"]));
    }

    #[test]
    fn what_old_clients_know_follows_what_new_ones_know() {
        let cases = [
            (r#"{"status":{"podIP":"1"}}"#, r#"{"status":{"podIP":"1","podIPs":[{"ip":"1"}]}}"#),
            (r#"{"status":{"podIPs":[{"ip":"1"}]}}"#, r#"{"status":{"podIP":"1","podIPs":[{"ip":"1"}]}}"#),
            (
                r#"{"status":{"podIP":"2","podIPs":[{"ip":"1"},{"ip":"3"}]}}"#,
                r#"{"status":{"podIP":"2","podIPs":[{"ip":"2"}]}}"#,
            ),
            (
                r#"{"metadata":{"annotations":{"pod.beta.kubernetes.io/init-containers":"[]"}}}"#,
                r#"{"metadata":{}}"#,
            ),
        ];
        for (pod, expected) in cases {
            let mut tree = pintle_object::json::parse(pod.as_bytes()).expect("test data is JSON");
            default_pod(&mut tree);
            assert_eq!(pintle_object::json::to_string(&tree), expected, "{pod}");
        }
    }
}
