//! PodSecurity: pods keep to the level that the labels of their namespace ask for.

mod checks;
mod configuration;
mod policy;

pub use configuration::KIND;

use crate::plugin::Plugin;
use crate::request::Request;
use crate::settings::Setup;
use checks::{CheckedPod, details, reasons, violations};
use configuration::PodSecurityConfiguration;
use pintle_engine::admission::Operation;
use pintle_object::field::quote;
use pintle_object::meta;
use pintle_object::{FieldErrors, Map, Status, Value};
use policy::{LevelVersion, PodSecurityLevel, PodSecurityPolicy};
use std::collections::BTreeMap;

/// Pods of a namespace that are looked at when its labels change: upstream's bound.
const EXISTING_PODS_MAX: usize = 3000;

/// Subresources of pods that say nothing about how a pod runs.
const IGNORED: [&str; 8] = ["exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"];

/// The resources with a pod template, and the path of the template in them.
const TEMPLATES: [(&str, &str, &[&str]); 8] = [
    ("", "podtemplates", &["template"]),
    ("", "replicationcontrollers", &["spec", "template"]),
    ("apps", "replicasets", &["spec", "template"]),
    ("apps", "deployments", &["spec", "template"]),
    ("apps", "statefulsets", &["spec", "template"]),
    ("apps", "daemonsets", &["spec", "template"]),
    ("batch", "jobs", &["spec", "template"]),
    ("batch", "cronjobs", &["spec", "jobTemplate", "spec", "template"]),
];

pub struct PodSecurity(PodSecurityConfiguration);

impl Plugin for PodSecurity {
    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        if !writes(request) {
            return Ok(());
        }
        for (key, value) in self.annotations(request, object) {
            request.notes.annotate(format!("{}{key}", policy::PREFIX), value);
        }
        self.enforce(request, object)?;
        self.warnings(request, object).into_iter().for_each(|text| request.notes.warn(text));
        Ok(())
    }
}

impl PodSecurity {
    pub fn new(setup: &Setup<'_>) -> Result<PodSecurity, String> {
        PodSecurityConfiguration::read(setup.section).map(PodSecurity)
    }

    fn enforce(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        if request.is_object("", "namespaces") {
            return self.check_labels(request, object);
        }
        if !is_judged_pod(request, object) || self.is_exempt(request, &of_pod(object)) {
            return Ok(());
        }
        let enforce = self.policy_of(request)?.enforce;
        let found = violations(enforce, &of_pod(object));
        if found.is_empty() {
            return Ok(());
        }
        let enforced = quote(&enforce.to_string());
        let why = format!("violates PodSecurity {enforced}: {}", details(&found));
        Err(Status::forbidden(&request.resource(), request.known_name(object), &why))
    }

    fn warnings(&self, request: &Request<'_>, object: &Value) -> Vec<String> {
        if request.is_object("", "namespaces") {
            return self.warn_of_labels(request, object);
        }
        let pod = if request.is_resource("", "pods") {
            is_judged_pod(request, object).then(|| of_pod(object))
        } else {
            template(request, object)
        };
        let Some(pod) = pod.filter(|pod| !self.is_exempt(request, pod)) else { return Vec::new() };
        let Ok(policy) = self.policy_of(request) else { return Vec::new() };
        let found = violations(policy.warn, &pod);
        if found.is_empty() {
            return Vec::new();
        }
        let asked = quote(&policy.warn.to_string());
        vec![format!("would violate PodSecurity {asked}: {}", details(&found))]
    }

    /// The audit annotations of a pod or a pod template: its exemption, or else the enforced policy and the violations
    /// of the audit policy.
    fn annotations(&self, request: &Request<'_>, object: &Value) -> Vec<(&'static str, String)> {
        let is_pod = request.is_resource("", "pods");
        let pod = match is_pod {
            true => Some(of_pod(object)).filter(|_| !IGNORED.contains(&request.subresource())),
            false => template(request, object),
        };
        let Some(pod) = pod else { return Vec::new() };
        match self.exemption(request, &pod) {
            Some("runtimeClass") | None => {}
            Some(why) => return vec![("exempt", why.into())],
        }
        let name = request.namespace();
        let Some(labels) = request.view.labels("", "namespaces", "", name) else {
            let why = format!("failed to lookup namespace {0}: namespaces {0} not found", quote(name));
            return vec![("error", if is_pod { format!("Internal error occurred: {why}") } else { why })];
        };
        let mut errors = FieldErrors::new();
        let policy = PodSecurityPolicy::read(Some(&labels), &self.0.defaults, &mut errors);
        let is_open =
            |modes: &[LevelVersion]| modes.iter().all(|mode| mode.level == PodSecurityLevel::Privileged);
        if errors.is_empty() && is_pod && is_open(&[policy.enforce, policy.audit, policy.warn]) {
            return vec![("enforce-policy", String::from("privileged:latest"))];
        }
        let is_same = is_pod && !is_judged_pod(request, object);
        if is_same || (errors.is_empty() && !is_pod && is_open(&[policy.audit, policy.warn])) {
            return Vec::new();
        }
        if let Some(why) = self.exemption(request, &pod) {
            return vec![("exempt", why.into())];
        }
        let mut found = Vec::new();
        if !errors.is_empty() {
            found.push(("error", format!("Failed to parse policy: {}", aggregate(&errors))));
        }
        if is_pod {
            found.push(("enforce-policy", policy.enforce.to_string()));
        }
        let violated = violations(policy.audit, &pod);
        if !violated.is_empty() {
            let audited = quote(&policy.audit.to_string());
            let words = format!("would violate PodSecurity {audited}: {}", details(&violated));
            found.push(("audit-violations", words));
        }
        found
    }

    fn is_exempt(&self, request: &Request<'_>, pod: &CheckedPod<'_>) -> bool {
        self.exemption(request, pod).is_some()
    }

    /// The exemption of a pod, as the audit names it.
    fn exemption(&self, request: &Request<'_>, pod: &CheckedPod<'_>) -> Option<&'static str> {
        let exemptions = &self.0.exemptions;
        let has = |list: &[String], text: &str| !text.is_empty() && list.iter().any(|entry| entry == text);
        if has(&exemptions.namespaces, request.namespace()) {
            return Some("namespace");
        }
        if has(&exemptions.users, &request.attributes.user.name) {
            return Some("user");
        }
        has(&exemptions.runtime_classes, pod.spec.str_at(&["runtimeClassName"])).then_some("runtimeClass")
    }

    fn policy(&self, object: &Value, errors: &mut FieldErrors) -> PodSecurityPolicy {
        PodSecurityPolicy::read(labels(object), &self.0.defaults, errors)
    }

    /// The policy of the request's namespace; labels that cannot be read restrict.
    fn policy_of(&self, request: &Request<'_>) -> Result<PodSecurityPolicy, Status> {
        let name = request.namespace();
        let labels = request.view.labels("", "namespaces", "", name);
        let missing = || Status::internal(format!("failed to lookup namespace {}", quote(name)));
        Ok(PodSecurityPolicy::read(
            Some(&labels.ok_or_else(missing)?),
            &self.0.defaults,
            &mut FieldErrors::new(),
        ))
    }

    /// New labels must be readable; old ones may stay as they are.
    fn check_labels(&self, request: &Request<'_>, namespace: &Value) -> Result<(), Status> {
        let read = |object: &Value| {
            let mut errors = FieldErrors::new();
            self.policy(object, &mut errors);
            errors
        };
        let texts = |errors: &FieldErrors| errors.iter().map(ToString::to_string).collect::<Vec<_>>();
        let errors = read(namespace);
        let old = request.attributes.old.map(read);
        if errors.is_empty() || old.is_some_and(|old| texts(&old) == texts(&errors)) {
            return Ok(());
        }
        let kind = request.attributes.target.served.group_kind();
        Err(Status::invalid(&kind, meta::name(namespace), errors))
    }

    /// Warnings about existing pods of a namespace that its new labels forbid, or that the labels have no effect.
    fn warn_of_labels(&self, request: &Request<'_>, namespace: &Value) -> Vec<String> {
        let name = meta::name(namespace);
        let policy = self.policy(namespace, &mut FieldErrors::new());
        let new = policy.enforce;
        if let Some(old) = request.attributes.old.filter(|_| request.is_update()) {
            let old = self.policy(old, &mut FieldErrors::new()).enforce;
            let is_relaxed = new.version == old.version && new.level <= old.level;
            if new == old || new.level == PodSecurityLevel::Privileged || is_relaxed {
                return Vec::new();
            }
        }
        if self.0.exemptions.namespaces.iter().any(|exempt| exempt == name) {
            return ignored(name, &policy, &self.0.defaults, labels(namespace)).into_iter().collect();
        }
        if request.is_create() {
            return Vec::new();
        }
        let pods = request.view.list("", "pods", name).into_iter();
        let pods: Vec<Value> = pods.filter(|pod| !self.has_exempt_class(pod)).collect();
        existing(&pods, name, new)
    }

    fn has_exempt_class(&self, pod: &Value) -> bool {
        let class = pod.str_at(&["spec", "runtimeClassName"]);
        self.0.exemptions.runtime_classes.iter().any(|exempt| exempt == class)
    }
}

/// The warning about labels of a namespace that is exempt.
fn ignored(
    name: &str,
    policy: &PodSecurityPolicy,
    defaults: &PodSecurityPolicy,
    labels: Option<&Map>,
) -> Option<String> {
    let is_same = |a: &LevelVersion, b: &LevelVersion| {
        a == b || (a.level == PodSecurityLevel::Privileged && b.level == PodSecurityLevel::Privileged)
    };
    let modes = [
        ("enforce", policy.enforce, defaults.enforce),
        ("audit", policy.audit, defaults.audit),
        ("warn", policy.warn, defaults.warn),
    ];
    if modes.iter().all(|(_, mode, _)| mode.level == PodSecurityLevel::Privileged)
        || modes.iter().all(|(_, mode, default)| is_same(mode, default))
    {
        return None;
    }
    let is_set = |mode: &str| {
        let has = |label: String| labels.is_some_and(|labels| labels.contains(&label));
        has(format!("{}{mode}", policy::PREFIX)) || has(format!("{}{mode}-version", policy::PREFIX))
    };
    let shown: Vec<String> = modes
        .iter()
        .filter(|(name, mode, _)| mode.level != PodSecurityLevel::Privileged && is_set(name))
        .map(|(name, mode, _)| format!("{name}={mode}"))
        .collect();
    let (name, shown) = (quote(name), shown.join(", "));
    Some(format!("namespace {name} is exempt from Pod Security, and the policy ({shown}) will be ignored"))
}

/// Errors as upstream shows several of them.
fn aggregate(errors: &FieldErrors) -> String {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    if let [one] = texts.as_slice() { one.clone() } else { format!("[{}]", texts.join(", ")) }
}

fn writes(request: &Request<'_>) -> bool {
    matches!(request.attributes.operation, Operation::Create | Operation::Update)
}

fn labels(object: &Value) -> Option<&Map> {
    object.map_at(&["metadata", "labels"])
}

fn of_pod(pod: &Value) -> CheckedPod<'_> {
    CheckedPod {
        annotations: pod.map_at(&["metadata", "annotations"]),
        spec: pod.get("spec").unwrap_or(&Value::Null),
    }
}

/// Whether a request says how a pod runs, and says anything new.
fn is_judged_pod(request: &Request<'_>, pod: &Value) -> bool {
    let old = request.attributes.old.filter(|_| request.is_update());
    request.is_resource("", "pods")
        && !IGNORED.contains(&request.subresource())
        && old.is_none_or(|old| is_significant(pod, old))
}

/// A pod's containers may get other images, and new ones may join for debugging.
fn is_significant(new: &Value, old: &Value) -> bool {
    let list = |pod: &Value, field: &str| -> Vec<(String, String)> {
        let containers = pod.list_at(&["spec", field]).iter();
        containers
            .map(|container| (container.str_at(&["name"]).into(), container.str_at(&["image"]).into()))
            .collect()
    };
    let images = |pod, field| list(pod, field).into_iter().map(|(_, image)| image).collect::<Vec<_>>();
    let is_changed = |field| images(new, field) != images(old, field);
    let debugging = list(old, "ephemeralContainers");
    is_changed("containers")
        || is_changed("initContainers")
        || list(new, "ephemeralContainers").iter().any(|container| !debugging.contains(container))
}

fn template<'a>(request: &Request<'_>, object: &'a Value) -> Option<CheckedPod<'a>> {
    let is_it = |(group, plural, _): &&(&str, &str, &[&str])| request.is_object(group, plural);
    let (_, _, path) = TEMPLATES.iter().find(is_it)?;
    object.at(path).filter(|template| !template.is_null()).map(of_pod)
}

fn existing(pods: &[Value], namespace: &str, enforce: LevelVersion) -> Vec<String> {
    // The first pod by name, and the number of pods, for each set of violations.
    let mut found: BTreeMap<String, (&str, usize)> = BTreeMap::new();
    for pod in pods.iter().take(EXISTING_PODS_MAX) {
        let violated = violations(enforce, &of_pod(pod));
        if violated.is_empty() {
            continue;
        }
        let (first, count) = found.entry(reasons(&violated)).or_insert((meta::name(pod), 0));
        *first = meta::name(pod).min(first);
        *count += 1;
    }
    let mut warnings = Vec::new();
    if pods.len() > EXISTING_PODS_MAX {
        let (checked, all) = (EXISTING_PODS_MAX, pods.len());
        warnings.push(format!(
            "new PodSecurity enforce level only checked against the first {checked} of {all} existing pods"
        ));
    }
    if !found.is_empty() {
        let (namespace, enforced) = (quote(namespace), quote(&enforce.to_string()));
        warnings.push(format!(
            "existing pods in namespace {namespace} violate the new PodSecurity enforce level {enforced}"
        ));
    }
    let mut shown: Vec<String> = found
        .into_iter()
        .map(|(violated, (first, count))| match count {
            1 => format!("{first}: {violated}"),
            2 => format!("{first} (and 1 other pod): {violated}"),
            count => format!("{first} (and {} other pods): {violated}", count - 1),
        })
        .collect();
    shown.sort();
    warnings.extend(shown);
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::Version;

    fn parse(json: &str) -> Value {
        pintle_object::json::parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn only_what_a_pod_runs_is_judged_again() {
        let check = |new: &str, expected: bool| {
            let old = parse(r#"{"spec":{"containers":[{"name":"c","image":"i"}]}}"#);
            assert_eq!(is_significant(&parse(new), &old), expected, "{new}");
        };
        check(r#"{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}"#, false);
        check(r#"{"spec":{"containers":[{"name":"c","image":"j"}]}}"#, true);
        check(
            r#"{"spec":{"containers":[{"name":"c","image":"i"}],"ephemeralContainers":[{"name":"d"}]}}"#,
            true,
        );
    }

    #[test]
    fn existing_pods_are_told_by_what_they_violate() {
        let pod = |name: &str, field: &str| {
            let text = format!(r#"{{"metadata":{{"name":"{name}"}},"spec":{{"{field}":true}}}}"#);
            parse(&text)
        };
        let pods = [pod("b", "hostPID"), pod("a", "hostIPC"), pod("c", "fine"), pod("d", "hostPID")];
        let enforce = LevelVersion { level: PodSecurityLevel::Baseline, version: Version::Latest };
        assert_eq!(
            existing(&pods, "ns", enforce),
            [
                "existing pods in namespace \"ns\" violate the new PodSecurity enforce level \"baseline:latest\"",
                "a (and 2 other pods): host namespaces",
            ]
        );
        assert!(existing(&pods[2..3], "ns", enforce).is_empty());
    }
}
