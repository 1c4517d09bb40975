//! Containers, init containers and ephemeral containers.

use super::volumes::Volumes;
use super::{env, lifecycle, resources, security};
use crate::validation::check::{invalid_all, present};
use crate::validation::pod_spec::values::{descending_path, no_backsteps, one_of, optional_one_of};
use pintle_object::{FieldErrors, Path, Seen, Value, content};

/// Parts of a pod that checks of a container look at besides the container.
pub struct PodParts<'a> {
    pub spec: &'a Value,
    pub volumes: &'a Volumes<'a>,
    /// Names of the pod's resource claims.
    pub claims: &'a [&'a str],
}

const INIT_ONLY: &str = "may not be set for init containers without restartPolicy=Always";
const NOT_EPHEMERAL: &str = "cannot be set for an Ephemeral Container";
const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];

pub fn containers(shared: &PodParts<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    let containers = shared.spec.list_at(&["containers"]);
    if containers.is_empty() {
        return errors.required(path, "");
    }
    let mut names = Seen::new();
    for (index, container) in containers.iter().enumerate() {
        let path = path.index(index);
        common(container, shared, &path, errors);
        unique_name(container, &mut names, &path, errors);
        lifecycle::validate(container, shared.spec, &path, errors);
        restart_policy(container, &path, errors);
    }
    host_port_conflicts(containers.iter().enumerate(), path, errors);
}

pub fn init_containers(shared: &PodParts<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut names: Seen<&str> =
        shared.spec.list_at(&["containers"]).iter().map(|container| container.str_at(&["name"])).collect();
    for (index, container) in shared.spec.list_at(&["initContainers"]).iter().enumerate() {
        let item = path.index(index);
        common(container, shared, &item, errors);
        restart_policy(container, &item, errors);
        unique_name(container, &mut names, &item, errors);
        host_port_conflicts([(0, container)].into_iter(), path, errors);
        if container.str_at(&["restartPolicy"]) == "Always" {
            lifecycle::validate(container, shared.spec, &item, errors);
            continue;
        }
        for field in ["lifecycle"].iter().chain(&PROBES) {
            if present(container, &[field]).is_some() {
                errors.forbidden(&item.child(field), INIT_ONLY);
            }
        }
    }
}

pub fn ephemeral_containers(shared: &PodParts<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    let others: Seen<&str> = ["containers", "initContainers"]
        .iter()
        .flat_map(|list| shared.spec.list_at(&[list]))
        .map(|container| container.str_at(&["name"]))
        .collect();
    let mut names = others.clone();
    for (index, container) in shared.spec.list_at(&["ephemeralContainers"]).iter().enumerate() {
        let path = path.index(index);
        common(container, shared, &path, errors);
        image_padding(container, &path, errors);
        unique_name(container, &mut names, &path, errors);
        let target = container.str_at(&["targetContainerName"]);
        if !target.is_empty() && !others.contains(&target) {
            errors.not_found(&path.child("targetContainerName"), target);
        }
        let forbidden =
            ["ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resizePolicy"];
        let resources = container.map_at(&["resources"]).filter(|map| !map.is_empty());
        if resources.is_some() {
            errors.forbidden(&path.child("resources"), NOT_EPHEMERAL);
        }
        for field in forbidden.iter().filter(|field| is_set(container, field)) {
            errors.forbidden(&path.child(field), NOT_EPHEMERAL);
        }
        let mounts = path.child("volumeMounts");
        for (index, mount) in container.list_at(&["volumeMounts"]).iter().enumerate() {
            for field in ["subPath", "subPathExpr"].iter().filter(|field| is_set(mount, field)) {
                errors.forbidden(&mounts.index(index).child(field), NOT_EPHEMERAL);
            }
        }
    }
}

/// Checks that hold for the containers of pods, but not of templates.
pub fn only_for_pod(containers: &[Value], path: &Path<'_>, errors: &mut FieldErrors) {
    for (index, container) in containers.iter().enumerate() {
        image_padding(container, &path.index(index), errors);
    }
}

fn is_set(object: &Value, field: &str) -> bool {
    match object.get(field) {
        None | Some(Value::Null) => false,
        Some(Value::Text(text)) => !text.is_empty(),
        Some(Value::List(list)) => !list.is_empty(),
        Some(_) => true,
    }
}

fn image_padding(container: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let image = container.str_at(&["image"]);
    if image.trim() != image {
        errors.invalid(&path.child("image"), image, "must not have leading or trailing whitespace");
    }
}

fn unique_name<'a>(
    container: &'a Value,
    names: &mut Seen<&'a str>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let name = container.str_at(&["name"]);
    if names.contains(&name) {
        errors.duplicate(&path.child("name"), name);
    } else if !name.is_empty() {
        names.push(name);
    }
}

/// Checks for containers of every sort.
fn common(container: &Value, shared: &PodParts<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    match container.str_at(&["name"]) {
        "" => errors.required(&path.child("name"), ""),
        name => invalid_all(content::dns1123_label(name), name, &path.child("name"), errors),
    }
    if container.str_at(&["image"]).is_empty() {
        errors.required(&path.child("image"), "");
    }
    let policies = ["File", "FallbackToLogsOnError"];
    one_of(container, "terminationMessagePolicy", &policies, path, errors);
    ports(container, &path.child("ports"), errors);
    env::validate(container, shared.volumes, path, errors);
    volume_mounts(container, shared.volumes, &path.child("volumeMounts"), errors);
    volume_devices(container, shared.volumes, &path.child("volumeDevices"), errors);
    one_of(container, "imagePullPolicy", &["Always", "IfNotPresent", "Never"], path, errors);
    let resources = container.get("resources").unwrap_or(&Value::Null);
    resources::container(resources, shared.claims, &path.child("resources"), errors);
    resize_policy(container, shared.spec, &path.child("resizePolicy"), errors);
    security::container(container, shared.spec, &path.child("securityContext"), errors);
}

fn ports(container: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut names = Seen::new();
    for (index, port) in container.list_at(&["ports"]).iter().enumerate() {
        let path = path.index(index);
        let name = port.str_at(&["name"]);
        if !name.is_empty() {
            let messages = content::port_name(name);
            if messages.is_empty() && names.contains(&name) {
                errors.duplicate(&path.child("name"), name);
            } else if messages.is_empty() {
                names.push(name);
            }
            invalid_all(messages, name, &path.child("name"), errors);
        }
        for field in ["containerPort", "hostPort"] {
            match port.int_at(&[field]).unwrap_or(0) {
                0 if field == "containerPort" => errors.required(&path.child(field), ""),
                0 => {}
                number => {
                    for message in content::port_number(number) {
                        errors.invalid(&path.child(field), number, &message);
                    }
                }
            }
        }
        one_of(port, "protocol", &["SCTP", "TCP", "UDP"], &path, errors);
    }
}

fn host_port_conflicts<'a>(
    containers: impl Iterator<Item = (usize, &'a Value)>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let mut taken = Seen::new();
    for (index, container) in containers {
        let path = path.index(index);
        let path = path.child("ports");
        for (index, port) in container.list_at(&["ports"]).iter().enumerate() {
            let number = port.int_at(&["hostPort"]).unwrap_or(0);
            if number == 0 {
                continue;
            }
            let key = format!("{}/{}/{number}", port.str_at(&["protocol"]), port.str_at(&["hostIP"]));
            if taken.contains(&key) {
                errors.duplicate(&path.index(index).child("hostPort"), &key);
            }
            taken.push(key);
        }
    }
}

/// The texts that items of a list have in a field.
fn texts<'a>(list: &'a [Value], field: &str) -> Seen<&'a str> {
    list.iter().map(|item| item.str_at(&[field])).collect()
}

fn volume_mounts(container: &Value, volumes: &Volumes<'_>, list: &Path<'_>, errors: &mut FieldErrors) {
    let devices = container.list_at(&["volumeDevices"]);
    let device_names = texts(devices, "name");
    let device_paths = texts(devices, "devicePath");
    let mut points = Seen::new();
    for (index, mount) in container.list_at(&["volumeMounts"]).iter().enumerate() {
        let path = list.index(index);
        let (name, point) = (mount.str_at(&["name"]), mount.str_at(&["mountPath"]));
        if name.is_empty() {
            errors.required(&path.child("name"), "");
        }
        if !volumes.has(name) {
            errors.not_found(&path.child("name"), name);
        }
        if point.is_empty() {
            errors.required(&path.child("mountPath"), "");
        }
        if points.contains(&point) {
            errors.invalid(&path.child("mountPath"), point, "must be unique");
        }
        points.push(point);
        if device_names.contains(&name) {
            errors.invalid(&path.child("name"), name, "must not already exist in volumeDevices");
        }
        if device_paths.contains(&point) {
            errors.invalid(
                &path.child("mountPath"),
                point,
                "must not already exist as a path in volumeDevices",
            );
        }
        sub_paths(mount, &path, errors);
        propagation(mount, container, list, errors);
    }
}

fn sub_paths(mount: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let (plain, expression) = (mount.str_at(&["subPath"]), mount.str_at(&["subPathExpr"]));
    if !plain.is_empty() {
        descending_path(plain, &path.child("subPath"), errors);
    }
    if expression.is_empty() {
        return;
    }
    if !plain.is_empty() {
        let why = "subPathExpr and subPath are mutually exclusive";
        errors.invalid(&path.child("subPathExpr"), expression, why);
    }
    descending_path(expression, &path.child("subPathExpr"), errors);
}

/// Upstream reports the list's path here.
fn propagation(mount: &Value, container: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let modes = ["Bidirectional", "HostToContainer", "None"];
    optional_one_of(mount, "mountPropagation", &modes, path, errors);
    let mode = mount.str_at(&["mountPropagation"]);
    if mode == "Bidirectional" && !container.bool_at(&["securityContext", "privileged"]) {
        let why = "Bidirectional mount propagation is available only to privileged containers";
        errors.forbidden(&path.child("mountPropagation"), why);
    }
    let path = path.child("recursiveReadOnly");
    let Some(recursive) = present(mount, &["recursiveReadOnly"]).and_then(Value::as_str) else { return };
    match recursive {
        "Disabled" => {}
        "Enabled" | "IfPossible" => {
            if !mount.bool_at(&["readOnly"]) {
                errors.forbidden(&path, "may only be specified when readOnly is true");
            }
            if !matches!(mode, "" | "None") {
                let why = "may only be specified when mountPropagation is None or not specified";
                errors.forbidden(&path, why);
            }
        }
        other => errors.not_supported(&path, other, &["Disabled", "Enabled", "IfPossible"]),
    }
}

fn volume_devices(container: &Value, volumes: &Volumes<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    let mounts = container.list_at(&["volumeMounts"]);
    let (mount_names, mount_paths) = (texts(mounts, "name"), texts(mounts, "mountPath"));
    let (mut names, mut paths) = (Seen::new(), Seen::new());
    for (index, device) in container.list_at(&["volumeDevices"]).iter().enumerate() {
        let path = path.index(index);
        let (name, place) = (device.str_at(&["name"]), device.str_at(&["devicePath"]));
        let (name_path, place_path) = (path.child("name"), path.child("devicePath"));
        if name.is_empty() {
            errors.required(&name_path, "");
        }
        if names.contains(&name) {
            errors.invalid(&name_path, name, "must be unique");
        }
        match volumes.get(name) {
            None => errors.not_found(&name_path, name),
            Some(volume) if volume.is_claim() => {}
            Some(_) => {
                let why =
                    "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                errors.invalid(&name_path, name, why);
            }
        }
        if place.is_empty() {
            errors.required(&place_path, "");
        }
        if paths.contains(&place) {
            errors.invalid(&place_path, place, "must be unique");
        }
        let mut backsteps = FieldErrors::new();
        no_backsteps(place, &place_path, &mut backsteps);
        if backsteps.is_empty() {
            paths.push(place);
        } else {
            errors.invalid(&place_path, place, "can not contain backsteps ('..')");
        }
        if mount_names.contains(&name) {
            errors.invalid(&name_path, name, "must not already exist in volumeMounts");
        }
        if mount_paths.contains(&place) {
            errors.invalid(&place_path, place, "must not already exist as a path in volumeMounts");
        }
        if !name.is_empty() {
            names.push(name);
        }
    }
}

/// Upstream reports the list's path for every item.
fn resize_policy(container: &Value, spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut seen = Seen::new();
    for (index, policy) in container.list_at(&["resizePolicy"]).iter().enumerate() {
        let resource = policy.str_at(&["resourceName"]);
        if seen.contains(&resource) {
            errors.duplicate(&path.index(index), resource);
        }
        seen.push(resource);
        match resource {
            "cpu" | "memory" => {}
            "" => errors.required(path, ""),
            other => errors.not_supported(path, other, &["cpu", "memory"]),
        }
        let restart = policy.str_at(&["restartPolicy"]);
        match restart {
            "NotRequired" | "RestartContainer" => {}
            "" => errors.required(path, ""),
            other => errors.not_supported(path, other, &["NotRequired", "RestartContainer"]),
        }
        if spec.str_at(&["restartPolicy"]) == "Never" && restart != "NotRequired" {
            let why = "must be 'NotRequired' when pod `restartPolicy` is 'Never'";
            errors.invalid(path, restart, why);
        }
    }
}

fn restart_policy(container: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    optional_one_of(container, "restartPolicy", &["Always", "Never", "OnFailure"], path, errors);
    let rules = container.list_at(&["restartPolicyRules"]);
    if rules.len() > RESTART_RULES_MAX {
        errors.too_many(&path.child("restartPolicyRules"), rules.len(), RESTART_RULES_MAX);
    }
    if !rules.is_empty() && present(container, &["restartPolicy"]).is_none() {
        let why = "must specify restartPolicy when restart rules are used";
        errors.required(&path.child("restartPolicy"), why);
    }
    let path = path.child("restartPolicyRules");
    for (index, rule) in rules.iter().enumerate() {
        let path = path.index(index);
        let action = rule.str_at(&["action"]);
        if !matches!(action, "Restart" | "RestartAllContainers") {
            errors.not_supported(&path.child("action"), action, &["Restart", "RestartAllContainers"]);
        }
        exit_codes(rule, &path.child("exitCodes"), errors);
    }
}

const RESTART_RULES_MAX: usize = 20;
const EXIT_CODES_MAX: usize = 255;

fn exit_codes(rule: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(codes) = present(rule, &["exitCodes"]) else {
        return errors.required(path, "must be specified");
    };
    let operator = codes.str_at(&["operator"]);
    if !matches!(operator, "In" | "NotIn") {
        errors.not_supported(&path.child("operator"), operator, &["In", "NotIn"]);
    }
    let values = codes.list_at(&["values"]);
    if values.len() > EXIT_CODES_MAX {
        errors.too_many(&path.child("values"), values.len(), EXIT_CODES_MAX);
    }
}
