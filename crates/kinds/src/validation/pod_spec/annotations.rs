//! Annotations that mean something to pods, among them those from before profiles had fields.

use super::present;
use super::warnings::{APP_ARMOR, SECCOMP_CONTAINER, SECCOMP_POD, each_container};
use crate::validation::pod_spec::values::descending_path;
use pintle_object::field::quote;
use pintle_object::{FieldErrors, Path, Value};

const LOCALHOST: &str = "localhost/";
/// One less than the longest path of Linux.
const PROFILE_LEN_MAX: usize = 4095;

/// Checks annotations of a pod or a template, which are at a path.
pub fn pod_annotations(object: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    const MIRROR: &str = "kubernetes.io/config.mirror";
    const COST: &str = "controller.kubernetes.io/pod-deletion-cost";
    let annotation = |key: &str| object.at(&["metadata", "annotations", key]).and_then(Value::as_str);
    if let Some(value) = annotation(MIRROR)
        && object.str_at(&["spec", "nodeName"]).is_empty()
    {
        errors.invalid(&path.key(MIRROR), value, "must set spec.nodeName if mirror pod annotation is set");
    }
    if let Some(value) = annotation(COST) {
        let is_padded = value.starts_with('+') || (value.starts_with('0') && value.len() > 1);
        if is_padded || value.parse::<i32>().is_err() {
            errors.invalid(&path.key(COST), value, "must be a 32bit integer");
        }
    }
    if let Some(profile) = annotation(SECCOMP_POD) {
        seccomp(profile, &path.child(SECCOMP_POD), errors);
    }
    for (key, profile) in with_prefix(object, SECCOMP_CONTAINER) {
        seccomp(profile, &path.child(key), errors);
    }
    for (key, profile) in with_prefix(object, APP_ARMOR) {
        let name = key.strip_prefix(APP_ARMOR).unwrap_or(key);
        if !has_container(object, name) {
            errors.invalid(&path.key(key), name, "container not found");
        }
        if !(matches!(profile, "" | "runtime/default" | "unconfined") || profile.starts_with(LOCALHOST)) {
            let why = format!("invalid AppArmor profile name: {}", quote(profile));
            errors.invalid(&path.key(key), profile, &why);
        }
    }
}

fn with_prefix<'a>(object: &'a Value, prefix: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let all = object.map_at(&["metadata", "annotations"]).into_iter().flat_map(|map| map.iter());
    let prefix = prefix.to_string();
    all.filter(move |(key, _)| key.starts_with(&prefix))
        .map(|(key, value)| (key, value.as_str().unwrap_or("")))
}

fn has_container(object: &Value, name: &str) -> bool {
    let mut is_found = false;
    let nothing = Value::map();
    each_container(object.get("spec").unwrap_or(&nothing), &Path::EMPTY, &mut |container, _| {
        is_found |= container.str_at(&["name"]) == name;
    });
    is_found
}

fn seccomp(profile: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    match profile.strip_prefix(LOCALHOST) {
        Some(local) => descending_path(local, path, errors),
        None if matches!(profile, "runtime/default" | "docker/default" | "unconfined") => {}
        None => errors.invalid(path, profile, "must be a valid seccomp profile"),
    }
}

/// Profiles in fields are those in annotations where both are given. The spec is at a path.
pub fn same_profiles(object: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(spec) = object.get("spec") else { return };
    let annotation = |key: &str| object.at(&["metadata", "annotations", key]).and_then(Value::as_str);
    if let Some(text) = annotation(SECCOMP_POD)
        && let Some(profile) = present(spec, &["securityContext", "seccompProfile"])
    {
        let path = path.child("securityContext");
        same("seccomp", text, profile, &path.child("seccompProfile"), errors);
    }
    each_container(spec, path, &mut |container, path| {
        let key = format!("{SECCOMP_CONTAINER}{}", container.str_at(&["name"]));
        if let Some(text) = annotation(&key)
            && let Some(profile) = present(container, &["securityContext", "seccompProfile"])
        {
            let path = path.child("securityContext");
            same("seccomp", text, profile, &path.child("seccompProfile"), errors);
        }
    });
    if is_windows(spec) {
        return;
    }
    const FIELD: [&str; 2] = ["securityContext", "appArmorProfile"];
    each_container(spec, path, &mut |container, path| {
        let key = format!("{APP_ARMOR}{}", container.str_at(&["name"]));
        if let Some(text) = annotation(&key)
            && let Some(profile) = present(container, &FIELD).or_else(|| present(spec, &FIELD))
        {
            let path = path.child("securityContext");
            same("apparmor", text, profile, &path.child("appArmorProfile"), errors);
        }
    });
}

fn same(what: &str, text: &str, profile: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let is_same = match profile.str_at(&["type"]) {
        "Unconfined" => text == "unconfined",
        "RuntimeDefault" => text == "runtime/default" || (what == "seccomp" && text == "docker/default"),
        "Localhost" => match text.strip_prefix(LOCALHOST) {
            Some(local) => {
                let given = present(profile, &["localhostProfile"]).and_then(Value::as_str);
                if given != Some(local) {
                    let why = format!("{what} profile in annotation and field must match");
                    errors.forbidden(&path.child("localhostProfile"), &why);
                }
                true
            }
            None => false,
        },
        _ => true,
    };
    if !is_same {
        errors.forbidden(&path.child("type"), &format!("{what} type in annotation and field must match"));
    }
}

fn is_windows(spec: &Value) -> bool {
    spec.str_at(&["os", "name"]) == "windows"
}

/// The part of a new pod's AppArmor annotation for a container that no field says.
pub enum Unsaid {
    /// A profile for the container's field.
    Profile(Value),
    /// No profile that a field could have.
    Nothing,
}

/// The finding about a container's annotation, with the annotation's key.
pub fn unsaid(pod: &Value, container: &Value) -> Option<(String, Unsaid)> {
    let spec = pod.get("spec")?;
    let key = format!("{APP_ARMOR}{}", container.str_at(&["name"]));
    let text = pod.at(&["metadata", "annotations", &key])?.as_str()?;
    if is_windows(spec) || present(container, &["securityContext", "appArmorProfile"]).is_some() {
        return None;
    }
    match app_armor_profile(text) {
        None => Some((key, Unsaid::Nothing)),
        Some(profile) if present(spec, &["securityContext", "appArmorProfile"]) == Some(&profile) => None,
        Some(profile) => Some((key, Unsaid::Profile(profile))),
    }
}

fn app_armor_profile(text: &str) -> Option<Value> {
    let mut profile = Value::map();
    let kind = match text {
        "unconfined" => "Unconfined",
        "runtime/default" => "RuntimeDefault",
        _ => {
            let local = text.strip_prefix(LOCALHOST)?;
            if local.is_empty() || local.trim() != local || local.len() > PROFILE_LEN_MAX {
                return None;
            }
            profile.set(&["localhostProfile"], local);
            "Localhost"
        }
    };
    profile.set(&["type"], kind);
    Some(profile)
}
