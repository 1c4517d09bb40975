//! Security contexts of pods and containers, operating systems, user namespaces.

use crate::validation::check::{invalid_all, present};
use crate::validation::pod_spec::values::{descending_path, optional_one_of};
use pintle_object::field::Shown;
use pintle_object::{FieldErrors, Path, Seen, Value, content};

const PROFILES: [&str; 3] = ["Localhost", "RuntimeDefault", "Unconfined"];
const NOT_ON_WINDOWS: &str = "cannot be set for a windows pod";

/// Checks the security context of a pod, of which upstream keeps the host's namespaces too.
pub fn pod(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(context) = present(spec, &["securityContext"]) else { return };
    let share = spec.bool_at(&["shareProcessNamespace"]);
    let at = path.child("securityContext");
    for field in ["fsGroup", "runAsUser", "runAsGroup"] {
        id(context, field, &at, errors);
    }
    let groups = at.child("supplementalGroups");
    for (index, group) in context.list_at(&["supplementalGroups"]).iter().enumerate() {
        check_id(group.as_i64().unwrap_or(0), &groups.index(index), errors);
    }
    optional_one_of(context, "supplementalGroupsPolicy", &["Merge", "Strict"], &at, errors);
    if share && spec.bool_at(&["hostPID"]) {
        let why = "ShareProcessNamespace and HostPID cannot both be enabled.";
        errors.invalid(&path.child("shareProcessNamespace"), true, why);
    }
    sysctls(spec, context, &at.child("sysctls"), errors);
    optional_one_of(context, "fsGroupChangePolicy", &["Always", "OnRootMismatch"], &at, errors);
    seccomp(context, &at.child("seccompProfile"), errors);
    windows_options(context, &at.child("windowsOptions"), errors);
    app_armor(context, &at.child("appArmorProfile"), errors);
    optional_one_of(context, "seLinuxChangePolicy", &["Recursive"], &at, errors);
}

/// Checks the security context of a container.
pub fn container(container: &Value, spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(context) = present(container, &["securityContext"]) else { return };
    for field in ["runAsUser", "runAsGroup"] {
        id(context, field, path, errors);
    }
    optional_one_of(context, "procMount", &["Default", "Unmasked"], path, errors);
    let has_host_users = spec.at(&["hostUsers"]).and_then(Value::as_bool).unwrap_or(true);
    if context.str_at(&["procMount"]) == "Unmasked" && has_host_users {
        let why = "`hostUsers` must be false to use `Unmasked`";
        errors.invalid(&path.child("procMount"), "Unmasked", why);
    }
    seccomp(context, &path.child("seccompProfile"), errors);
    if context.at(&["allowPrivilegeEscalation"]).and_then(Value::as_bool) == Some(false) {
        if context.bool_at(&["privileged"]) {
            let why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            errors.invalid(path, context, why);
        }
        for capability in context.list_at(&["capabilities", "add"]) {
            if capability.as_str() == Some("CAP_SYS_ADMIN") {
                let why =
                    "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
                errors.invalid(path, context, why);
            }
        }
    }
    windows_options(context, &path.child("windowsOptions"), errors);
    app_armor(context, &path.child("appArmorProfile"), errors);
}

fn id(context: &Value, field: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(id) = context.int_at(&[field]) {
        check_id(id, &path.child(field), errors);
    }
}

fn check_id(id: i64, path: &Path<'_>, errors: &mut FieldErrors) {
    if !(0..=i64::from(i32::MAX)).contains(&id) {
        errors.invalid(path, id, &content::inclusive_range_error(0, i32::MAX.into()));
    }
}

fn sysctls(spec: &Value, context: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut seen = Seen::new();
    for (index, sysctl) in context.list_at(&["sysctls"]).iter().enumerate() {
        let path = path.index(index);
        let path = path.child("name");
        let name = sysctl.str_at(&["name"]);
        if name.is_empty() {
            errors.required(&path, "");
        } else if !is_sysctl(name) {
            let why = "must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
            errors.invalid(&path, name, why);
        } else if seen.contains(&name) {
            errors.duplicate(&path, name);
        }
        if spec.bool_at(&["hostNetwork"]) && (name.starts_with("net.") || name.starts_with("net/")) {
            errors.invalid(&path, name, "may not be specified when 'hostNetwork' is true");
        }
        let is_ipc = ["kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."]
            .iter()
            .any(|prefix| name.replace('/', ".").starts_with(prefix));
        if spec.bool_at(&["hostIPC"]) && is_ipc {
            errors.invalid(&path, name, "may not be specified when 'hostIPC' is true");
        }
        seen.push(name);
    }
}

/// Parts of lower-case letters and digits, with `-` and `_` inside, joined by dots or slashes.
fn is_sysctl(name: &str) -> bool {
    let is_part = |part: &str| {
        let is_edge = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        is_edge(part.as_bytes().first())
            && is_edge(part.as_bytes().last())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
    };
    name.len() <= 253 && name.split(['.', '/']).all(is_part)
}

fn seccomp(context: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(profile) = present(context, &["seccompProfile"]) else { return };
    match profile.str_at(&["type"]) {
        "" => errors.required(&path.child("type"), "type is required when seccompProfile is set"),
        kind if PROFILES.contains(&kind) => {}
        other => errors.not_supported(&path.child("type"), other, &PROFILES),
    }
    let local_path = path.child("localhostProfile");
    let local = present(profile, &["localhostProfile"]).and_then(Value::as_str);
    match (profile.str_at(&["type"]), local) {
        ("Localhost", None) => errors.required(&local_path, "must be set when seccomp type is Localhost"),
        ("Localhost", Some(local)) => descending_path(local, &local_path, errors),
        (_, Some(_)) => {
            let bad = Shown(internal_profile(profile));
            errors.invalid(&local_path, bad, "can only be set when seccomp type is Localhost");
        }
        (_, None) => {}
    }
}

/// A profile as upstream prints its internal form.
fn internal_profile(profile: &Value) -> String {
    let field = |field: &str| pintle_object::json::to_string(profile.get(field).unwrap_or(&Value::Null));
    format!("{{\"Type\":{},\"LocalhostProfile\":{}}}", field("type"), field("localhostProfile"))
}

fn app_armor(context: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    const LOCAL_REQUIRED: &str = "must be set when AppArmor type is Localhost";
    const PROFILE_LEN_MAX: usize = 4095;
    let Some(profile) = present(context, &["appArmorProfile"]) else { return };
    let local_path = path.child("localhostProfile");
    let local = present(profile, &["localhostProfile"]).and_then(Value::as_str);
    match (profile.str_at(&["type"]), local) {
        ("Localhost", None) => errors.required(&local_path, LOCAL_REQUIRED),
        ("Localhost", Some(local)) => {
            if local.trim() != local {
                errors.invalid(&local_path, local, "must not be padded with whitespace");
            } else if local.is_empty() {
                errors.required(&local_path, LOCAL_REQUIRED);
            }
            if local.len() > PROFILE_LEN_MAX {
                errors.too_long(&local_path, PROFILE_LEN_MAX);
            }
        }
        ("RuntimeDefault" | "Unconfined", Some(local)) => {
            errors.invalid(&local_path, local, "can only be set when AppArmor type is Localhost");
        }
        ("RuntimeDefault" | "Unconfined", None) => {}
        ("", _) => errors.required(&path.child("type"), "type is required when appArmorProfile is set"),
        (other, _) => errors.not_supported(&path.child("type"), other, &PROFILES),
    }
}

fn windows_options(context: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    const CREDENTIAL_LEN_MAX: usize = 64 * 1024;
    let Some(options) = present(context, &["windowsOptions"]) else { return };
    let text = |field: &str| options.at(&[field]).and_then(Value::as_str);
    if let Some(name) = text("gmsaCredentialSpecName") {
        invalid_all(content::dns1123_subdomain(name), name, &path.child("gmsaCredentialSpecName"), errors);
    }
    if let Some(credential) = text("gmsaCredentialSpec") {
        let path = path.child("gmsaCredentialSpec");
        if credential.is_empty() {
            errors.invalid(&path, credential, "gmsaCredentialSpec cannot be an empty string");
        } else if credential.len() > CREDENTIAL_LEN_MAX {
            errors.invalid(&path, credential, "gmsaCredentialSpec size must be under 64 KiB");
        }
    }
    if let Some(user) = text("runAsUserName") {
        for why in user_name_messages(user) {
            errors.invalid(&path.child("runAsUserName"), user, &why);
        }
    }
}

/// `DOMAIN\user` or `user`, in the form that Windows takes.
fn user_name_messages(name: &str) -> Vec<String> {
    const DOMAIN_LEN_MAX: usize = 256;
    const USER_LEN_MAX: usize = 104;
    if name.is_empty() {
        return vec![String::from("runAsUserName cannot be an empty string")];
    }
    if name.chars().any(|c| c.is_ascii_control()) {
        return vec![String::from("runAsUserName cannot contain control characters")];
    }
    let parts: Vec<&str> = name.split('\\').collect();
    let (domain, user) = match parts.as_slice() {
        [user] => (None, *user),
        [domain, user] => (Some(*domain), *user),
        _ => return vec![String::from("runAsUserName cannot contain more than one backslash")],
    };
    let mut messages = Vec::new();
    if let Some(domain) = domain {
        if domain.is_empty() {
            messages
                .push(String::from("runAsUserName's Domain doesn't match the NetBIOS nor the DNS format"));
        } else if domain.len() >= DOMAIN_LEN_MAX {
            messages.push(format!("runAsUserName's Domain length must be under {DOMAIN_LEN_MAX} characters"));
        }
    }
    if user.is_empty() {
        messages.push(String::from("runAsUserName's User cannot be empty"));
    } else if user.len() > USER_LEN_MAX {
        messages
            .push(format!("runAsUserName's User length must not be longer than {USER_LEN_MAX} characters"));
    }
    messages
}

/// Containers that are processes of a Windows host come alone, and on the host's network.
pub fn host_process(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let option = |object: &Value| {
        object.at(&["securityContext", "windowsOptions", "hostProcess"]).and_then(Value::as_bool)
    };
    let of_pod = option(spec);
    let (mut total, mut on_host) = (0, 0);
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        let list_path = path.child(list);
        for (index, container) in spec.list_at(&[list]).iter().enumerate() {
            total += 1;
            let own = option(container);
            if let (Some(pod), Some(own)) = (of_pod, own)
                && pod != own
            {
                let path = list_path.index(index);
                let path = path.child("securityContext");
                let why = format!("pod hostProcess value must be identical if both are specified, was {pod}");
                errors.invalid(&path.child("windowsOptions").child("hostProcess"), own, &why);
            }
            on_host += usize::from(own.or(of_pod).unwrap_or(false));
        }
    }
    if on_host == 0 {
        return;
    }
    if on_host != total {
        let why =
            "If pod contains any hostProcess containers then all containers must be HostProcess containers";
        errors.invalid(path, "", why);
    }
    if !spec.bool_at(&["hostNetwork"]) {
        let why = "hostNetwork must be true if pod contains any hostProcess containers";
        errors.invalid(&path.child("hostNetwork"), false, why);
    }
}

/// A pod with users of its own shares no other namespace with the host.
pub fn host_users(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    if spec.at(&["hostUsers"]).and_then(Value::as_bool) != Some(false) {
        return;
    }
    for (field, shown) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
        if spec.bool_at(&[field]) {
            errors.forbidden(&path.child(shown), "when `hostUsers` is false");
        }
    }
}

/// Checks the named operating system, and that nothing is set which it has not.
pub fn os(spec: &Value, path: &Path<'_>, spec_path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(os) = present(spec, &["os"]) else { return };
    match os.str_at(&["name"]) {
        "" => errors.required(&path.child("name"), ""),
        "linux" => linux(spec, spec_path, errors),
        "windows" => windows(spec, spec_path, errors),
        other => errors.not_supported(&path.child("name"), other, &["linux", "windows"]),
    }
}

fn linux(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    const WHY: &str = "windows options cannot be set for a linux pod";
    if present(spec, &["securityContext", "windowsOptions"]).is_some() {
        errors.forbidden(&path.child("securityContext").child("windowsOptions"), WHY);
    }
    each_context(spec, path, &mut |context, path| {
        if present(context, &["windowsOptions"]).is_some() {
            errors.forbidden(&path.child("windowsOptions"), WHY);
        }
    });
}

fn windows(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    const OF_POD: [&str; 9] = [
        "appArmorProfile",
        "seLinuxOptions",
        "seccompProfile",
        "fsGroup",
        "fsGroupChangePolicy",
        "sysctls",
        "runAsUser",
        "runAsGroup",
        "supplementalGroups",
    ];
    const OF_CONTAINER: [&str; 10] = [
        "appArmorProfile",
        "seLinuxOptions",
        "seccompProfile",
        "capabilities",
        "readOnlyRootFilesystem",
        "privileged",
        "allowPrivilegeEscalation",
        "procMount",
        "runAsUser",
        "runAsGroup",
    ];
    for field in ["hostUsers", "hostPID", "hostIPC", "shareProcessNamespace"] {
        if spec.bool_at(&[field]) {
            errors.forbidden(&path.child(field), NOT_ON_WINDOWS);
        }
    }
    let context_path = path.child("securityContext");
    for field in OF_POD {
        if present(spec, &["securityContext", field]).is_some() {
            errors.forbidden(&context_path.child(field), NOT_ON_WINDOWS);
        }
    }
    each_context(spec, path, &mut |context, path| {
        for field in OF_CONTAINER {
            if present(context, &[field]).is_some() {
                errors.forbidden(&path.child(field), NOT_ON_WINDOWS);
            }
        }
    });
}

/// Visits the security contexts of all containers.
fn each_context(spec: &Value, path: &Path<'_>, visit: &mut dyn FnMut(&Value, &Path<'_>)) {
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        let list_path = path.child(list);
        for (index, container) in spec.list_at(&[list]).iter().enumerate() {
            if let Some(context) = present(container, &["securityContext"]) {
                let path = list_path.index(index);
                visit(context, &path.child("securityContext"));
            }
        }
    }
}
