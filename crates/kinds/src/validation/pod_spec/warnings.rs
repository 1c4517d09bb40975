//! Warnings about pods and templates that are valid all the same.

use crate::validation::check::present;
use crate::validation::resources::quantity;
use crate::validation::{net, node_labels};
use pintle_object::field::quote;
use pintle_object::{Path, Seen, Value};
use std::collections::BTreeMap;

const CONTAINER_LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];
pub const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
pub const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
pub const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

/// Warnings about a pod, or about the template at a path.
pub fn warnings(owner: &Value, path: &Path<'_>, out: &mut Vec<String>) {
    let nothing = Value::map();
    let spec = owner.get("spec").unwrap_or(&nothing);
    let spec_path = path.child("spec");
    placement(spec, &spec_path, out);
    annotations(owner, path, out);
    volumes(spec, &spec_path.child("volumes"), out);
    super::overlap::warnings(spec.list_at(&["volumes"]), out);
    names_and_addresses(spec, &spec_path, out);
    fractions(spec.get("overhead"), &spec_path.child("overhead"), out);
    let scope = WarningScope { owner, spec, path, is_template: !path.to_string().is_empty() };
    if present(spec, &["securityContext", "seccompProfile"]).is_none() {
        scope.seccomp(SECCOMP_POD, out);
    }
    each_container(spec, &spec_path, &mut |container, path| scope.container(container, path, out));
    ports(spec, &spec_path, out);
    port_names(spec, &spec_path, out);
    if spec.int_at(&["terminationGracePeriodSeconds"]).is_some_and(|seconds| seconds < 0) {
        let path = spec_path.child("terminationGracePeriodSeconds");
        out.push(format!("{path}: must be >= 0; negative values are invalid and will be treated as 1"));
    }
    null_selectors(spec, &spec_path.child("affinity"), out);
    address_forms(spec, &spec_path, out);
}

pub fn each_container(spec: &Value, path: &Path<'_>, visit: &mut dyn FnMut(&Value, &Path<'_>)) {
    for list in CONTAINER_LISTS {
        let path = path.child(list);
        for (index, container) in spec.list_at(&[list]).iter().enumerate() {
            visit(container, &path.index(index));
        }
    }
}

fn placement(spec: &Value, path: &Path<'_>, out: &mut Vec<String>) {
    let selector = path.child("nodeSelector");
    for key in spec.map_at(&["nodeSelector"]).into_iter().flat_map(|labels| labels.keys()) {
        if let Some(why) = node_labels::deprecated(key) {
            out.push(format!("{}: {why}", selector.key(key)));
        }
    }
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    let affinity = path.child("affinity");
    let affinity = affinity.child("nodeAffinity");
    let required = affinity.child(REQUIRED);
    let required = required.child("nodeSelectorTerms");
    let terms = spec.list_at(&["affinity", "nodeAffinity", REQUIRED, "nodeSelectorTerms"]);
    for (index, term) in terms.iter().enumerate() {
        node_labels::warn_term(term, false, &required.index(index), out);
    }
    let preferred = affinity.child(PREFERRED);
    for (index, weighted) in spec.list_at(&["affinity", "nodeAffinity", PREFERRED]).iter().enumerate() {
        let term = weighted.get("preference").unwrap_or(&Value::Null);
        node_labels::warn_term(term, true, &preferred.index(index).child("preference"), out);
    }
    let spread = path.child("topologySpreadConstraints");
    for (index, constraint) in spec.list_at(&["topologySpreadConstraints"]).iter().enumerate() {
        let path = spread.index(index);
        let key = constraint.str_at(&["topologyKey"]);
        if let Some(why) = node_labels::deprecated(key) {
            out.push(format!("{}: {key} is {why}", path.child("topologyKey")));
        }
        null_selector(constraint, &path, out);
    }
}

fn null_selector(owner: &Value, path: &Path<'_>, out: &mut Vec<String>) {
    if present(owner, &["labelSelector"]).is_none() {
        let path = path.child("labelSelector");
        out.push(format!("{path}: a null labelSelector results in matching no pod"));
    }
}

fn null_selectors(spec: &Value, path: &Path<'_>, out: &mut Vec<String>) {
    for kind in ["podAffinity", "podAntiAffinity"] {
        let path = path.child(kind);
        let required = path.child("requiredDuringSchedulingIgnoredDuringExecution");
        let terms = spec.list_at(&["affinity", kind, "requiredDuringSchedulingIgnoredDuringExecution"]);
        for (index, term) in terms.iter().enumerate() {
            null_selector(term, &required.index(index), out);
        }
        let preferred = path.child("preferredDuringSchedulingIgnoredDuringExecution");
        let terms = spec.list_at(&["affinity", kind, "preferredDuringSchedulingIgnoredDuringExecution"]);
        for (index, weighted) in terms.iter().enumerate() {
            let term = weighted.get("podAffinityTerm").unwrap_or(&Value::Null);
            null_selector(term, &preferred.index(index).child("podAffinityTerm"), out);
        }
    }
}

/// Annotations that do nothing any more.
const NON_FUNCTIONAL: [(&str, &str); 3] = [
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    ("security.alpha.kubernetes.io/sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
    (
        "security.alpha.kubernetes.io/unsafe-sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
];

fn annotations(owner: &Value, path: &Path<'_>, out: &mut Vec<String>) {
    let path = path.child("metadata");
    let path = path.child("annotations");
    for (key, why) in NON_FUNCTIONAL {
        if owner.at(&["metadata", "annotations", key]).is_some() {
            out.push(format!("{}: {why}", path.key(key)));
        }
    }
}

/// Volumes of plugins that are gone or going: field in JSON, field as upstream names it, since when.
const VOLUMES: [(&str, &str, &str); 9] = [
    ("photonPersistentDisk", "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

fn volumes(spec: &Value, path: &Path<'_>, out: &mut Vec<String>) {
    for (index, volume) in spec.list_at(&["volumes"]).iter().enumerate() {
        let path = path.index(index);
        for (field, shown, why) in VOLUMES {
            if present(volume, &[field]).is_some() {
                out.push(format!("{}: {why}", path.child(shown)));
            }
        }
        let storage = ["ephemeral", "volumeClaimTemplate", "spec", "resources", "requests", "storage"];
        if let Some(value) = volume.at(&storage) {
            let names = ["ephemeral", "volumeClaimTemplate", "spec", "resources", "requests"];
            fraction(value, &format!("{path}.{}[storage]", names.join(".")), out);
        }
    }
}

fn names_and_addresses(spec: &Value, path: &Path<'_>, out: &mut Vec<String>) {
    let aliases = path.child("hostAliases");
    let list = spec.list_at(&["hostAliases"]);
    let mut seen = Seen::new();
    for (index, alias) in list.iter().enumerate() {
        let ip = alias.str_at(&["ip"]);
        let path = aliases.index(index);
        if seen.again(ip) {
            out.push(format!("{}: duplicate ip {}", path.child("ip"), quote(ip)));
        }
    }
    let secrets = path.child("imagePullSecrets");
    let list = spec.list_at(&["imagePullSecrets"]);
    let mut seen = Seen::new();
    for (index, secret) in list.iter().enumerate() {
        let name = secret.str_at(&["name"]);
        let path = secrets.index(index);
        if seen.again(name) {
            out.push(format!("{}: duplicate name {}", path.child("name"), quote(name)));
        }
    }
    for (index, secret) in list.iter().enumerate() {
        if secret.str_at(&["name"]).is_empty() {
            out.push(format!("{}: invalid empty name \"\"", secrets.index(index).child("name")));
        }
    }
}

/// Forms of addresses that are on their way out.
fn address_forms(spec: &Value, path: &Path<'_>, out: &mut Vec<String>) {
    let servers = path.child("dnsConfig");
    let servers = servers.child("nameservers");
    for (index, server) in spec.list_at(&["dnsConfig", "nameservers"]).iter().enumerate() {
        net::warn_ip(server.as_str().unwrap_or(""), &servers.index(index), out);
    }
    let aliases = path.child("hostAliases");
    for (index, alias) in spec.list_at(&["hostAliases"]).iter().enumerate() {
        net::warn_ip(alias.str_at(&["ip"]), &aliases.index(index).child("ip"), out);
    }
}

/// Bytes come whole.
fn fractions(amounts: Option<&Value>, path: &Path<'_>, out: &mut Vec<String>) {
    for resource in ["memory", "ephemeral-storage"] {
        if let Some(value) = amounts.and_then(|amounts| amounts.get(resource)) {
            fraction(value, &path.key(resource).to_string(), out);
        }
    }
}

fn fraction(value: &Value, path: &str, out: &mut Vec<String>) {
    if !quantity(value).is_whole() {
        let shown = quote(value.as_str().unwrap_or(""));
        out.push(format!("{path}: fractional byte value {shown} is invalid, must be an integer"));
    }
}

/// Parts of a pod that warnings of a container look at besides it.
struct WarningScope<'a> {
    owner: &'a Value,
    spec: &'a Value,
    path: &'a Path<'a>,
    is_template: bool,
}

impl WarningScope<'_> {
    fn annotation(&self, key: &str, why: &str, out: &mut Vec<String>) {
        if self.owner.at(&["metadata", "annotations", key]).is_some() {
            let path = self.path.child("metadata");
            let path = path.child("annotations");
            out.push(format!("{}: {why}", path.key(key)));
        }
    }

    fn seccomp(&self, key: &str, out: &mut Vec<String>) {
        self.annotation(key, "non-functional in v1.27+; use the \"seccompProfile\" field instead", out);
    }

    fn container(&self, container: &Value, path: &Path<'_>, out: &mut Vec<String>) {
        let name = container.str_at(&["name"]);
        let has = |field: &str| present(container, &["securityContext", field]).is_some();
        if !has("seccompProfile") {
            self.seccomp(&format!("{SECCOMP_CONTAINER}{name}"), out);
        }
        let of_pod = present(self.spec, &["securityContext", "appArmorProfile"]).is_some();
        // A pod is warned when its annotation becomes a field.
        if self.is_template && !of_pod && !has("appArmorProfile") {
            self.annotation(&format!("{APP_ARMOR}{name}"), APP_ARMOR_DEPRECATED, out);
        }
        let resources = path.child("resources");
        for resource in ["memory", "ephemeral-storage"] {
            for field in ["limits", "requests"] {
                if let Some(value) = container.at(&["resources", field, resource]) {
                    fraction(value, &resources.child(field).key(resource).to_string(), out);
                }
            }
        }
        hidden_variables(container, &path.child("env"), out);
    }
}

pub const APP_ARMOR_DEPRECATED: &str = "deprecated since v1.30; use the \"appArmorProfile\" field instead";

/// Warns about repeated variables, unless the later one refers to the earlier.
fn hidden_variables(container: &Value, path: &Path<'_>, out: &mut Vec<String>) {
    let variables = container.list_at(&["env"]);
    let mut seen = Seen::new();
    for (index, variable) in variables.iter().enumerate() {
        let name = variable.str_at(&["name"]);
        if !seen.again(name) {
            continue;
        }
        let reference = format!("$({name})");
        let value = variable.str_at(&["value"]);
        let builds_on = value != reference && value.contains(&reference);
        if present(variable, &["valueFrom"]).is_some() || !builds_on {
            let (path, name) = (path.index(index), quote(name));
            out.push(format!(
                "{path}: hides previous definition of {name}, which may be dropped when using apply"
            ));
        }
    }
}

/// The number of equal ports that are warned about.
const SAME_PORTS_MAX: usize = 100;
/// Past as many warnings none is added about ports: an answer carries a few KiB of them.
const PORT_WARNINGS_MAX: usize = 1000;

struct Port<'a> {
    shown: String,
    key: (i64, &'a str),
    host: (i64, &'a str),
}

fn ports(spec: &Value, path: &Path<'_>, out: &mut Vec<String>) {
    let mut before: BTreeMap<(i64, &str), Vec<Port<'_>>> = BTreeMap::new();
    for list in CONTAINER_LISTS {
        let path = path.child(list);
        for (index, container) in spec.list_at(&[list]).iter().enumerate() {
            let path = path.index(index);
            let path = path.child("ports");
            for (index, port) in container.list_at(&["ports"]).iter().enumerate() {
                let port = Port::read(port, path.index(index).to_string(), out);
                let same = before.entry(port.key).or_default();
                for other in same.iter() {
                    if out.len() < PORT_WARNINGS_MAX {
                        port.warn(other, out);
                    }
                }
                // Of many equal ones, the first are enough.
                if same.len() < SAME_PORTS_MAX {
                    same.push(port);
                }
            }
        }
    }
}

/// Services and probes that select a port by its name see only the first of that name.
fn port_names(spec: &Value, path: &Path<'_>, out: &mut Vec<String>) {
    let mut first: BTreeMap<String, String> = BTreeMap::new();
    each_container(spec, path, &mut |container, path| {
        let path = path.child("ports");
        for (index, port) in container.list_at(&["ports"]).iter().enumerate() {
            let (name, shown) = (port.str_at(&["name"]), path.index(index).to_string());
            if name.is_empty() {
                continue;
            }
            match first.get(name) {
                None => drop(first.insert(name.to_string(), shown)),
                Some(other) => out.push(format!(
                    "{shown}: duplicate port name {} with {other}, services and probes that select ports by name \
                     will use {other}",
                    quote(name)
                )),
            }
        }
    });
}

impl<'a> Port<'a> {
    fn read(port: &'a Value, shown: String, out: &mut Vec<String>) -> Port<'a> {
        let number = |field: &str| port.int_at(&[field]).unwrap_or(0);
        let (protocol, ip) = (port.str_at(&["protocol"]), port.str_at(&["hostIP"]));
        let (container_port, host_port) = (number("containerPort"), number("hostPort"));
        if !ip.is_empty() && host_port == 0 {
            let name = port.str_at(&["name"]);
            out.push(format!(
                "{shown}: hostIP set without hostPort: {{Name:{name} HostPort:0 ContainerPort:{container_port} \
                 Protocol:{protocol} HostIP:{ip}}}"
            ));
        }
        Port { shown, key: (container_port, protocol), host: (host_port, ip) }
    }

    fn warn(&self, other: &Port<'_>, out: &mut Vec<String>) {
        let what = if self.host == other.host {
            "duplicate"
        } else if self.host.0 == 0 || other.host.0 == 0 {
            "overlapping"
        } else if self.host.0 == other.host.0 && (self.host.1.is_empty() != other.host.1.is_empty()) {
            "dangerously ambiguous"
        } else {
            return;
        };
        out.push(format!("{}: {what} port definition with {}", self.shown, other.shown));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(spec: &str, path: &Path<'_>, expected: &[&str]) {
        let json = format!(r#"{{"metadata":{{}},"spec":{spec}}}"#);
        let pod = pintle_object::json::parse(json.as_bytes()).expect("test data is JSON");
        let mut out = Vec::new();
        warnings(&pod, path, &mut out);
        assert_eq!(out, expected, "{spec}");
    }

    #[test]
    fn oddities_are_warned_about() {
        let pod = Path::EMPTY;
        check(r#"{"containers":[{"name":"c"}]}"#, &pod, &[]);
        check(
            r#"{"volumes":[{"name":"v","gitRepo":{}}]}"#,
            &Path::root("template"),
            &["template.spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+"],
        );
        check(
            r#"{"containers":[{"env":[{"name":"A","value":"1"},{"name":"A","value":"$(A)2"},{"name":"A","value":"3"}]}]}"#,
            &pod,
            &[
                "spec.containers[0].env[2]: hides previous definition of \"A\", which may be dropped when using apply",
            ],
        );
        check(
            r#"{"containers":[{"ports":[{"containerPort":80,"protocol":"TCP"},{"containerPort":80,"protocol":"TCP","hostPort":1}],"resources":{"limits":{"memory":"100m"}}}]}"#,
            &pod,
            &[
                "spec.containers[0].resources.limits[memory]: fractional byte value \"100m\" is invalid, must be an integer",
                "spec.containers[0].ports[1]: overlapping port definition with spec.containers[0].ports[0]",
            ],
        );
        check(
            r#"{"initContainers":[{"ports":[{"containerPort":1,"name":"a"}]}],"containers":[{"ports":[{"containerPort":2,"name":"a"}]}]}"#,
            &pod,
            &[
                "spec.containers[0].ports[0]: duplicate port name \"a\" with spec.initContainers[0].ports[0], services and probes that select ports by name will use spec.initContainers[0].ports[0]",
            ],
        );
    }
}
