//! The checks of the Pod Security Standards. A check changes with versions of Kubernetes, and some of the restricted
//! level replace their counterparts in the baseline.

use super::policy::{LevelVersion, PodSecurityLevel, Version};
use pintle_object::field::quote;
use pintle_object::{Map, Value};
use std::collections::BTreeSet;

/// A check that fails: in short, and with the details that a client can act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub reason: String,
    pub detail: String,
}

/// The metadata and spec of a pod, or of a template of pods.
#[derive(Clone, Copy)]
pub struct CheckedPod<'a> {
    pub annotations: Option<&'a Map>,
    pub spec: &'a Value,
}

type Run = fn(&CheckedPod<'_>) -> Option<Violation>;

struct Check {
    id: &'static str,
    level: PodSecurityLevel,
    /// By the first minor version that they hold in, ascending.
    versions: &'static [(u32, Run)],
    /// The check of the baseline that need not run when this one does.
    replaces: &'static str,
}

const fn baseline(id: &'static str, versions: &'static [(u32, Run)]) -> Check {
    Check { id, level: PodSecurityLevel::Baseline, versions, replaces: "" }
}

const fn restricted(id: &'static str, versions: &'static [(u32, Run)], replaces: &'static str) -> Check {
    Check { id, level: PodSecurityLevel::Restricted, versions, replaces }
}

/// The checks in the order of reported violations: by level, then by id.
static CHECKS: [Check; 19] = [
    baseline("appArmorProfile", &[(0, app_armor)]),
    baseline("capabilities_baseline", &[(0, added_capabilities)]),
    baseline("hostNamespaces", &[(0, host_namespaces)]),
    baseline("hostPathVolumes", &[(0, host_path_volumes)]),
    baseline("hostPorts", &[(0, host_ports)]),
    baseline("hostProbesAndHostLifecycle", &[(34, probe_hosts)]),
    baseline("privileged", &[(0, privileged)]),
    baseline("procMount", &[(0, proc_mount), (35, |pod| unless_own_users(pod, proc_mount))]),
    baseline(
        "seLinuxOptions",
        &[(0, |pod| selinux(pod, &SELINUX_TYPES[..4])), (31, |pod| selinux(pod, &SELINUX_TYPES))],
    ),
    baseline("seccompProfile_baseline", &[(0, seccomp_annotations), (19, seccomp_baseline)]),
    baseline(
        "sysctls",
        &[
            (0, |pod| sysctls(pod, &SYSCTLS[..5])),
            (27, |pod| sysctls(pod, &SYSCTLS[..6])),
            (29, |pod| sysctls(pod, &SYSCTLS[..10])),
            (32, |pod| sysctls(pod, &SYSCTLS)),
        ],
    ),
    baseline("windowsHostProcess", &[(0, host_process)]),
    restricted(
        "allowPrivilegeEscalation",
        &[(8, escalation), (25, |pod| unless_windows(pod, escalation))],
        "",
    ),
    restricted(
        "capabilities_restricted",
        &[(22, dropped_capabilities), (25, |pod| unless_windows(pod, dropped_capabilities))],
        "capabilities_baseline",
    ),
    restricted("procMount_restricted", &[(35, proc_mount)], "procMount"),
    restricted("restrictedVolumes", &[(0, volume_types)], "hostPathVolumes"),
    restricted("runAsNonRoot", &[(0, non_root), (35, |pod| unless_own_users(pod, non_root))], ""),
    restricted("runAsUser", &[(23, root_user), (35, |pod| unless_own_users(pod, root_user))], ""),
    restricted(
        "seccompProfile_restricted",
        &[(19, seccomp_restricted), (25, |pod| unless_windows(pod, seccomp_restricted))],
        "seccompProfile_baseline",
    ),
];

/// The violations of a pod against a level.
pub fn violations(against: LevelVersion, pod: &CheckedPod<'_>) -> Vec<Violation> {
    let LevelVersion { level, version } = against;
    if level == PodSecurityLevel::Privileged {
        return Vec::new();
    }
    let run = |check: &Check| -> Option<Run> {
        let holds = |(since, _): &&(u32, Run)| match version {
            Version::Latest => true,
            Version::Minor(minor) => *since <= minor,
        };
        check.versions.iter().rev().find(holds).map(|(_, run)| *run)
    };
    let applies = |check: &&Check| check.level <= level;
    let is_replaced = |id: &str| {
        let mut checks = CHECKS.iter().filter(applies);
        checks.any(|check| check.replaces == id && run(check).is_some())
    };
    let checks = CHECKS.iter().filter(applies).filter(|check| !is_replaced(check.id));
    checks.filter_map(run).filter_map(|run| run(pod)).collect()
}

/// Reasons with their details, as in refusals.
pub fn details(violations: &[Violation]) -> String {
    let shown = violations.iter().map(|Violation { reason, detail }| match detail.as_str() {
        "" => reason.clone(),
        detail => format!("{reason} ({detail})"),
    });
    shown.collect::<Vec<_>>().join(", ")
}

pub fn reasons(violations: &[Violation]) -> String {
    violations.iter().map(|violation| violation.reason.as_str()).collect::<Vec<_>>().join(", ")
}

const SELINUX_TYPES: [&str; 5] =
    ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

const SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Fields of volumes, in the order in which upstream looks for them.
const VOLUME_TYPES: [&str; 30] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "gitRepo",
    "nfs",
    "iscsi",
    "glusterfs",
    "rbd",
    "flexVolume",
    "cinder",
    "cephfs",
    "flocker",
    "fc",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "storageos",
];
/// So many of them are allowed.
const ALLOWED_VOLUME_TYPES: usize = 9;

fn violation(reason: &str, detail: String) -> Option<Violation> {
    Some(Violation { reason: reason.into(), detail })
}

/// `"a", "b"`.
fn quoted<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| format!("\"{}\"", item.as_ref())).collect();
    items.join(", ")
}

fn plural<'a>(one: &'a str, many: &'a str, count: usize) -> &'a str {
    if count == 1 { one } else { many }
}

/// `container "c"` or `containers "c", "d"`.
fn named(names: &[&str]) -> String {
    format!("{} {}", plural("container", "containers", names.len()), quoted(names))
}

fn containers<'a>(pod: &CheckedPod<'a>) -> impl Iterator<Item = &'a Value> {
    let spec = pod.spec;
    ["initContainers", "containers", "ephemeralContainers"].into_iter().flat_map(|list| spec.list_at(&[list]))
}

fn name(container: &Value) -> &str {
    container.str_at(&["name"])
}

/// The names of containers that a test holds for.
fn failing<'a>(pod: &CheckedPod<'a>, fails: impl FnMut(&&'a Value) -> bool) -> Vec<&'a str> {
    containers(pod).filter(fails).map(name).collect()
}

fn context<'a>(container: &'a Value, field: &str) -> Option<&'a Value> {
    container.at(&["securityContext", field]).filter(|value| !value.is_null())
}

/// The pod and containers that set a field: `pod and container "c"`.
fn setters(by_pod: bool, names: &[&str]) -> String {
    let containers = (!names.is_empty()).then(|| named(names));
    by_pod.then(|| String::from("pod")).into_iter().chain(containers).collect::<Vec<_>>().join(" and ")
}

fn unless_windows(pod: &CheckedPod<'_>, run: Run) -> Option<Violation> {
    if pod.spec.str_at(&["os", "name"]) == "windows" { None } else { run(pod) }
}

/// Skips a check for pods with a user namespace of their own, whose root has no rights outside.
fn unless_own_users(pod: &CheckedPod<'_>, run: Run) -> Option<Violation> {
    let host_users = pod.spec.get("hostUsers").and_then(Value::as_bool);
    if host_users == Some(false) { None } else { run(pod) }
}

fn app_armor(pod: &CheckedPod<'_>) -> Option<Violation> {
    const PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";
    let bad = |holder: &Value| {
        let profile = context(holder, "appArmorProfile")?.str_at(&["type"]).to_string();
        (!matches!(profile.as_str(), "RuntimeDefault" | "Localhost")).then_some(profile)
    };
    let mut values: BTreeSet<String> = bad(pod.spec).into_iter().collect();
    let by_pod = !values.is_empty();
    let names = failing(pod, |container| bad(container).is_some());
    values.extend(containers(pod).filter_map(bad));
    let annotations: BTreeSet<String> = pod
        .annotations
        .into_iter()
        .flat_map(Map::iter)
        .filter_map(|(key, value)| Some((key.strip_prefix(PREFIX).map(|_| key)?, value.as_str()?)))
        .filter(|(_, profile)| {
            !profile.is_empty() && *profile != "runtime/default" && !profile.starts_with("localhost/")
        })
        .map(|(key, profile)| format!("{key}={}", quote(profile)))
        .collect();
    let mut who = setters(by_pod, &names);
    if !annotations.is_empty() {
        let shown = plural("annotation", "annotations", annotations.len());
        who = if who.is_empty() { shown.into() } else { format!("{who} and {shown}") };
    }
    if who.is_empty() {
        return None;
    }
    let values: Vec<String> = values.into_iter().chain(annotations).collect();
    let reason = plural("forbidden AppArmor profile", "forbidden AppArmor profiles", values.len());
    violation(reason, format!("{who} must not set AppArmor profile type to {}", quoted(&values)))
}

/// The capabilities that a container adds, or drops.
fn capabilities<'a>(container: &'a Value, field: &str) -> impl Iterator<Item = &'a str> {
    container.list_at(&["securityContext", "capabilities", field]).iter().filter_map(Value::as_str)
}

fn added_capabilities(pod: &CheckedPod<'_>) -> Option<Violation> {
    let detail = forbidden_capabilities(pod, &CAPABILITIES)?;
    violation("non-default capabilities", detail)
}

fn forbidden_capabilities(pod: &CheckedPod<'_>, allowed: &[&str]) -> Option<String> {
    let bad = |container: &Value| -> Vec<String> {
        let added = capabilities(container, "add").filter(|capability| !allowed.contains(capability));
        added.map(String::from).collect()
    };
    let names = failing(pod, |container| !bad(container).is_empty());
    if names.is_empty() {
        return None;
    }
    let added: BTreeSet<String> = containers(pod).flat_map(bad).collect();
    Some(format!("{} must not include {} in securityContext.capabilities.add", named(&names), quoted(added)))
}

fn dropped_capabilities(pod: &CheckedPod<'_>) -> Option<Violation> {
    let names = failing(pod, |container| !capabilities(container, "drop").any(|dropped| dropped == "ALL"));
    let missing = (!names.is_empty())
        .then(|| format!("{} must set securityContext.capabilities.drop=[\"ALL\"]", named(&names)));
    let added = forbidden_capabilities(pod, &["NET_BIND_SERVICE"]);
    let details: Vec<String> = missing.into_iter().chain(added).collect();
    if details.is_empty() { None } else { violation("unrestricted capabilities", details.join("; ")) }
}

fn host_namespaces(pod: &CheckedPod<'_>) -> Option<Violation> {
    let fields = ["hostNetwork", "hostPID", "hostIPC"].into_iter().filter(|field| pod.spec.bool_at(&[field]));
    let shared: Vec<String> = fields.map(|field| format!("{field}=true")).collect();
    if shared.is_empty() { None } else { violation("host namespaces", shared.join(", ")) }
}

fn volumes<'a>(pod: &CheckedPod<'a>) -> &'a [Value] {
    pod.spec.list_at(&["volumes"])
}

fn host_path_volumes(pod: &CheckedPod<'_>) -> Option<Violation> {
    let of_host = volumes(pod).iter().filter(|volume| volume.map_at(&["hostPath"]).is_some());
    let names: Vec<&str> = of_host.map(name).collect();
    if names.is_empty() {
        return None;
    }
    let detail = format!("{} {}", plural("volume", "volumes", names.len()), quoted(&names));
    violation("hostPath volumes", detail)
}

fn volume_types(pod: &CheckedPod<'_>) -> Option<Violation> {
    let kind = |volume: &Value| {
        VOLUME_TYPES.iter().position(|field| volume.get(field).is_some_and(|source| !source.is_null()))
    };
    let bad =
        volumes(pod).iter().filter(|volume| kind(volume).is_none_or(|place| place >= ALLOWED_VOLUME_TYPES));
    let bad: Vec<&Value> = bad.collect();
    if bad.is_empty() {
        return None;
    }
    let shown = |volume: &&Value| kind(volume).and_then(|place| VOLUME_TYPES.get(place)).copied();
    let types: BTreeSet<&str> = bad.iter().map(|volume| shown(volume).unwrap_or("unknown")).collect();
    let detail = format!(
        "{} {} {} {} {}",
        plural("volume", "volumes", bad.len()),
        quoted(bad.iter().map(|volume| name(volume))),
        plural("uses", "use", bad.len()),
        plural("restricted volume type", "restricted volume types", types.len()),
        quoted(&types)
    );
    violation("restricted volume types", detail)
}

fn host_ports(pod: &CheckedPod<'_>) -> Option<Violation> {
    let ports = |container: &Value| -> Vec<String> {
        let ports = container.list_at(&["ports"]).iter().filter_map(|port| port.int_at(&["hostPort"]));
        ports.filter(|port| *port != 0).map(|port| port.to_string()).collect()
    };
    let names = failing(pod, |container| !ports(container).is_empty());
    if names.is_empty() {
        return None;
    }
    let used: BTreeSet<String> = containers(pod).flat_map(ports).collect();
    let detail = format!(
        "{} {} {} {}",
        named(&names),
        plural("uses", "use", names.len()),
        plural("hostPort", "hostPorts", used.len()),
        used.into_iter().collect::<Vec<_>>().join(", ")
    );
    violation("hostPort", detail)
}

fn probe_hosts(pod: &CheckedPod<'_>) -> Option<Violation> {
    const HANDLERS: [&[&str]; 5] = [
        &["livenessProbe"],
        &["readinessProbe"],
        &["startupProbe"],
        &["lifecycle", "postStart"],
        &["lifecycle", "preStop"],
    ];
    let hosts = |container: &Value| -> Vec<String> {
        let handlers = HANDLERS.iter().filter_map(|path| container.at(path));
        let hosts = handlers.flat_map(|handler| {
            [handler.str_at(&["httpGet", "host"]), handler.str_at(&["tcpSocket", "host"])]
        });
        hosts.filter(|host| !host.is_empty()).map(String::from).collect()
    };
    let mut names = failing(pod, |container| !hosts(container).is_empty());
    if names.is_empty() {
        return None;
    }
    names.sort_unstable();
    names.dedup();
    let used: BTreeSet<String> = containers(pod).flat_map(hosts).collect();
    let detail = format!(
        "{} {} {} {}",
        named(&names),
        plural("uses", "use", names.len()),
        plural("probe or lifecycle host", "probe or lifecycle hosts", used.len()),
        quoted(&used)
    );
    violation("probe or lifecycle host", detail)
}

fn privileged(pod: &CheckedPod<'_>) -> Option<Violation> {
    let names = failing(pod, |container| container.bool_at(&["securityContext", "privileged"]));
    if names.is_empty() {
        return None;
    }
    violation("privileged", format!("{} must not set securityContext.privileged=true", named(&names)))
}

fn proc_mount(pod: &CheckedPod<'_>) -> Option<Violation> {
    let bad = |container: &Value| {
        let mount = context(container, "procMount")?.as_str()?;
        (mount != "Default").then(|| mount.to_string())
    };
    let names = failing(pod, |container| bad(container).is_some());
    if names.is_empty() {
        return None;
    }
    let types: BTreeSet<String> = containers(pod).filter_map(bad).collect();
    let detail = format!("{} must not set securityContext.procMount to {}", named(&names), quoted(&types));
    violation("procMount", detail)
}

fn selinux(pod: &CheckedPod<'_>, allowed: &[&str]) -> Option<Violation> {
    fn options(holder: &Value) -> Option<&Value> {
        context(holder, "seLinuxOptions")
    }
    let is_bad = |holder: &Value| {
        let text = |field| options(holder).map_or("", |options| options.str_at(&[field]));
        !allowed.contains(&text("type")) || !text("user").is_empty() || !text("role").is_empty()
    };
    let (by_pod, names) = (is_bad(pod.spec), failing(pod, |container| is_bad(container)));
    let who = setters(by_pod, &names);
    if who.is_empty() {
        return None;
    }
    let all: Vec<&Value> = std::iter::once(pod.spec).chain(containers(pod)).filter_map(options).collect();
    let types: BTreeSet<&str> =
        all.iter().map(|options| options.str_at(&["type"])).filter(|kind| !allowed.contains(kind)).collect();
    let mut what = Vec::new();
    if !types.is_empty() {
        what.push(format!("{} {}", plural("type", "types", types.len()), quoted(&types)));
    }
    for field in ["user", "role"] {
        if all.iter().any(|options| !options.str_at(&[field]).is_empty()) {
            what.push(format!("{field} may not be set"));
        }
    }
    let detail = format!("{who} set forbidden securityContext.seLinuxOptions: {}", what.join("; "));
    violation("seLinuxOptions", detail)
}

fn seccomp_annotations(pod: &CheckedPod<'_>) -> Option<Violation> {
    let own = String::from("seccomp.security.alpha.kubernetes.io/pod");
    let of = |container| format!("container.seccomp.security.alpha.kubernetes.io/{}", name(container));
    let keys = std::iter::once(own).chain(containers(pod).map(of));
    let forbidden: BTreeSet<String> = keys
        .filter_map(|key| {
            let profile = pod.annotations?.get(&key)?.as_str()?;
            let is_good = matches!(profile, "runtime/default" | "docker/default");
            (!is_good && !profile.starts_with("localhost/")).then(|| format!("{key}={}", quote(profile)))
        })
        .collect();
    if forbidden.is_empty() {
        return None;
    }
    let shown = plural("annotation", "annotations", forbidden.len());
    let list = forbidden.into_iter().collect::<Vec<_>>().join(", ");
    violation("seccompProfile", format!("forbidden {shown} {list}"))
}

fn seccomp_type(holder: &Value) -> Option<&str> {
    context(holder, "seccompProfile").map(|profile| profile.str_at(&["type"]))
}

fn seccomp_baseline(pod: &CheckedPod<'_>) -> Option<Violation> {
    let is_bad = |holder: &Value| {
        seccomp_type(holder).is_some_and(|kind| !matches!(kind, "RuntimeDefault" | "Localhost"))
    };
    let who = setters(is_bad(pod.spec), &failing(pod, |container| is_bad(container)));
    if who.is_empty() {
        return None;
    }
    let all = std::iter::once(pod.spec).chain(containers(pod)).filter(|holder| is_bad(holder));
    let types: BTreeSet<&str> = all.filter_map(seccomp_type).collect();
    let detail = format!("{who} must not set securityContext.seccompProfile.type to {}", quoted(&types));
    violation("seccompProfile", detail)
}

fn seccomp_restricted(pod: &CheckedPod<'_>) -> Option<Violation> {
    if let Some(bad) = seccomp_baseline(pod) {
        return Some(bad);
    }
    if seccomp_type(pod.spec).is_some() {
        return None;
    }
    let names = failing(pod, |container| seccomp_type(container).is_none());
    if names.is_empty() {
        return None;
    }
    let what = "must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"";
    violation("seccompProfile", format!("pod or {} {what}", named(&names)))
}

fn sysctls(pod: &CheckedPod<'_>, allowed: &[&str]) -> Option<Violation> {
    let set = pod.spec.list_at(&["securityContext", "sysctls"]).iter().map(name);
    let forbidden: Vec<&str> = set.filter(|sysctl| !allowed.contains(sysctl)).collect();
    if forbidden.is_empty() { None } else { violation("forbidden sysctls", forbidden.join(", ")) }
}

fn host_process(pod: &CheckedPod<'_>) -> Option<Violation> {
    let is_bad = |holder: &Value| holder.bool_at(&["securityContext", "windowsOptions", "hostProcess"]);
    let who = setters(is_bad(pod.spec), &failing(pod, |container| is_bad(container)));
    if who.is_empty() {
        return None;
    }
    violation("hostProcess", format!("{who} must not set securityContext.windowsOptions.hostProcess=true"))
}

fn escalation(pod: &CheckedPod<'_>) -> Option<Violation> {
    let names = failing(pod, |container| {
        context(container, "allowPrivilegeEscalation").and_then(Value::as_bool) != Some(false)
    });
    if names.is_empty() {
        return None;
    }
    let detail = format!("{} must set securityContext.allowPrivilegeEscalation=false", named(&names));
    violation("allowPrivilegeEscalation != false", detail)
}

fn non_root(pod: &CheckedPod<'_>) -> Option<Violation> {
    const REASON: &str = "runAsNonRoot != true";
    let wanted = |holder| context(holder, "runAsNonRoot").and_then(Value::as_bool);
    let by_pod = wanted(pod.spec);
    let who = setters(by_pod == Some(false), &failing(pod, |container| wanted(container) == Some(false)));
    if !who.is_empty() {
        return violation(REASON, format!("{who} must not set securityContext.runAsNonRoot=false"));
    }
    let names = failing(pod, |container| wanted(container).is_none());
    if by_pod == Some(true) || names.is_empty() {
        return None;
    }
    violation(REASON, format!("pod or {} must set securityContext.runAsNonRoot=true", named(&names)))
}

fn root_user(pod: &CheckedPod<'_>) -> Option<Violation> {
    let is_root = |holder: &Value| holder.int_at(&["securityContext", "runAsUser"]) == Some(0);
    let who = setters(is_root(pod.spec), &failing(pod, |container| is_root(container)));
    if who.is_empty() { None } else { violation("runAsUser=0", format!("{who} must not set runAsUser=0")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(level: PodSecurityLevel, version: Version, spec: &str, expected: &str) {
        let spec = pintle_object::json::parse(spec.as_bytes()).unwrap();
        let pod = CheckedPod { annotations: None, spec: &spec };
        assert_eq!(details(&violations(LevelVersion { level, version }, &pod)), expected, "{version:?}");
    }

    #[test]
    fn checks_stand_in_the_order_of_their_ids() {
        let of = |level| CHECKS.iter().filter(move |check| check.level == level).map(|check| check.id);
        assert!(of(PodSecurityLevel::Baseline).is_sorted() && of(PodSecurityLevel::Restricted).is_sorted());
        let replaced = CHECKS.iter().map(|check| check.replaces).filter(|id| !id.is_empty());
        assert!(replaced.into_iter().all(|id| of(PodSecurityLevel::Baseline).any(|own| own == id)));
    }

    #[test]
    fn the_baseline_keeps_pods_off_their_host() {
        let baseline =
            |spec: &str, expected: &str| check(PodSecurityLevel::Baseline, Version::Latest, spec, expected);
        baseline(r#"{"containers":[{"name":"c"}]}"#, "");
        baseline(
            r#"{"hostPID":true,"hostIPC":true,"volumes":[{"name":"v","hostPath":{}},{"name":"w","hostPath":{}}],
                "containers":[{"name":"c","ports":[{"hostPort":80}],"securityContext":{"privileged":true,
                "capabilities":{"add":["SYS_TIME","KILL"]}}}]}"#,
            "non-default capabilities (container \"c\" must not include \"SYS_TIME\" in \
             securityContext.capabilities.add), host namespaces (hostPID=true, hostIPC=true), hostPath volumes \
             (volumes \"v\", \"w\"), hostPort (container \"c\" uses hostPort 80), privileged (container \"c\" must \
             not set securityContext.privileged=true)",
        );
        baseline(
            r#"{"securityContext":{"seLinuxOptions":{"type":"t","user":"u"}},"containers":[{"name":"c",
                "securityContext":{"seLinuxOptions":{"role":"r"}}}]}"#,
            "seLinuxOptions (pod and container \"c\" set forbidden securityContext.seLinuxOptions: type \"t\"; user \
             may not be set; role may not be set)",
        );
    }

    #[test]
    fn checks_hold_from_their_version_on() {
        let restricted = |minor: u32, spec: &str, expected: &str| {
            check(PodSecurityLevel::Restricted, Version::Minor(minor), spec, expected);
        };
        let rooted = r#"{"hostUsers":false,"containers":[{"name":"c","securityContext":{
            "allowPrivilegeEscalation":false,"runAsUser":0,"runAsNonRoot":true,"capabilities":{"drop":["ALL"]},
            "seccompProfile":{"type":"Localhost"}}}]}"#;
        restricted(22, rooted, "");
        restricted(23, rooted, "runAsUser=0 (container \"c\" must not set runAsUser=0)");
        restricted(35, rooted, "");
        let bare = r#"{"os":{"name":"windows"},"containers":[{"name":"c"}]}"#;
        let non_root =
            "runAsNonRoot != true (pod or container \"c\" must set securityContext.runAsNonRoot=true)";
        let escalation = "allowPrivilegeEscalation != false (container \"c\" must set \
                          securityContext.allowPrivilegeEscalation=false)";
        restricted(7, bare, non_root);
        restricted(8, bare, &format!("{escalation}, {non_root}"));
        restricted(99, bare, non_root);
    }
}
