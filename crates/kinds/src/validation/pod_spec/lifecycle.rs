//! Hooks and probes of containers.

use crate::validation::check::{non_negative_field, present};
use pintle_object::{FieldErrors, Path, Value, content};

const GRACE_SECONDS: i64 = 30;

pub fn validate(container: &Value, spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let grace = spec.int_at(&["terminationGracePeriodSeconds"]).unwrap_or(GRACE_SECONDS);
    let lifecycle = path.child("lifecycle");
    for hook in ["postStart", "preStop"] {
        if let Some(handler) = present(container, &["lifecycle", hook]) {
            validate_handler(handler, grace, &lifecycle.child(hook), errors);
        }
    }
    stop_signal(container, spec, &lifecycle, errors);
    for kind in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = present(container, &[kind]) {
            validate_probe(probe, kind, grace, &path.child(kind), errors);
        }
    }
}

fn stop_signal(container: &Value, spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(signal) = present(container, &["lifecycle", "stopSignal"]).and_then(Value::as_str) else {
        return;
    };
    let path = path.child("stopSignal");
    if spec.str_at(&["os", "name"]).is_empty() {
        errors.forbidden(&path, "may not be set for containers with empty `spec.os.name`");
    } else if spec.str_at(&["os", "name"]) == "windows" && !matches!(signal, "SIGKILL" | "SIGTERM") {
        errors.not_supported(&path, signal, &["SIGKILL", "SIGTERM"]);
    }
}

fn validate_probe(probe: &Value, kind: &str, grace: i64, path: &Path<'_>, errors: &mut FieldErrors) {
    validate_handler(probe, grace, path, errors);
    let fields =
        ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"];
    for field in fields {
        non_negative_field(probe, field, path, errors);
    }
    let seconds = probe.int_at(&["terminationGracePeriodSeconds"]);
    let seconds_path = path.child("terminationGracePeriodSeconds");
    if let Some(seconds) = seconds.filter(|seconds| *seconds <= 0) {
        errors.invalid(&seconds_path, seconds, "must be greater than 0");
    }
    if kind == "readinessProbe" {
        if let Some(seconds) = seconds {
            errors.invalid(&seconds_path, seconds, "must not be set for readinessProbes");
        }
        return;
    }
    let threshold = probe.int_at(&["successThreshold"]).unwrap_or(0);
    if threshold != 1 {
        errors.invalid(&path.child("successThreshold"), threshold, "must be 1");
    }
}

fn validate_handler(handler: &Value, grace: i64, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut count = 0;
    for kind in ["exec", "httpGet", "tcpSocket", "grpc", "sleep"] {
        let Some(action) = present(handler, &[kind]) else { continue };
        let path = path.child(kind);
        if count > 0 {
            errors.forbidden(&path, "may not specify more than 1 handler type");
            continue;
        }
        count += 1;
        match kind {
            "exec" if action.list_at(&["command"]).is_empty() => errors.required(&path.child("command"), ""),
            "exec" => {}
            "httpGet" => http_get(action, &path, errors),
            "sleep" => sleep(action, grace, &path, errors),
            _ => port(action, &path.child("port"), errors),
        }
    }
    if count == 0 {
        errors.required(path, "must specify a handler type");
    }
}

fn http_get(action: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    if action.str_at(&["path"]).is_empty() {
        errors.required(&path.child("path"), "");
    }
    port(action, &path.child("port"), errors);
    let scheme = action.str_at(&["scheme"]);
    if !matches!(scheme, "HTTP" | "HTTPS") {
        errors.not_supported(&path.child("scheme"), scheme, &["HTTP", "HTTPS"]);
    }
    for header in action.list_at(&["httpHeaders"]) {
        let name = header.str_at(&["name"]);
        for message in content::http_header_name(name) {
            errors.invalid(&path.child("httpHeaders"), name, &message);
        }
    }
}

fn port(action: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    match action.get("port") {
        Some(Value::Text(name)) => {
            for message in content::port_name(name) {
                errors.invalid(path, name.as_str(), &message);
            }
        }
        other => {
            let number = other.and_then(Value::as_i64).unwrap_or(0);
            for message in content::port_number(number) {
                errors.invalid(path, number, &message);
            }
        }
    }
}

fn sleep(action: &Value, grace: i64, path: &Path<'_>, errors: &mut FieldErrors) {
    let seconds = action.int_at(&["seconds"]).unwrap_or(0);
    if !(0..=grace).contains(&seconds) {
        let why = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
        errors.invalid(path, seconds, &why);
    }
}
