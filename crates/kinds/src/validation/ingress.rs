//! Specs and statuses of Ingress.

use super::{check, net};
use pintle_object::{FieldErrors, GatedRules, Path, Value, content};

const SPEC: Path<'static> = Path::root("spec");
pub const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
const PATH_TYPES: [&str; 3] = ["Exact", "ImplementationSpecific", "Prefix"];

/// The annotation that came before `ingressClassName` must not say otherwise.
pub fn class_annotation(object: &Value, errors: &mut FieldErrors) {
    let annotation = object.at(&["metadata", "annotations", CLASS_ANNOTATION]).and_then(Value::as_str);
    let class = check::present(object, &["spec", "ingressClassName"]).and_then(Value::as_str);
    if let (Some(annotation), Some(class)) = (annotation, class)
        && annotation != class
    {
        let path = Path::root("annotations");
        let why = "must match `ingressClassName` when both are specified";
        errors.invalid(&path.child(CLASS_ANNOTATION), annotation, why);
    }
}

/// Checks a spec. Names of Services that the old object has may go on to begin with a digit.
pub fn spec(object: &Value, old: Option<&Value>, errors: &mut FieldErrors) {
    let rules = errors.rules();
    let has_relaxed_service_names =
        rules.has_relaxed_service_names || old.is_some_and(has_relaxed_service_names);
    let mut found = FieldErrors::by(GatedRules { has_relaxed_service_names, ..rules });
    checked_spec(object, &mut found);
    errors.extend(found);
}

/// Whether an object names Services that only relaxed rules allow.
fn has_relaxed_service_names(object: &Value) -> bool {
    let is_relaxed = |backend: &Value| {
        let name = backend.str_at(&["service", "name"]);
        content::dns1123_label(name).is_empty() && !content::dns1035_label(name).is_empty()
    };
    let rules = object.list_at(&["spec", "rules"]).iter();
    let paths = rules.flat_map(|rule| rule.list_at(&["http", "paths"]));
    let backends = paths.filter_map(|path| path.get("backend"));
    object.at(&["spec", "defaultBackend"]).into_iter().chain(backends).any(is_relaxed)
}

fn checked_spec(object: &Value, errors: &mut FieldErrors) {
    let Some(spec) = object.get("spec") else { return };
    let rules = spec.list_at(&["rules"]);
    let default_backend = check::present(spec, &["defaultBackend"]);
    if rules.is_empty() && default_backend.is_none() {
        let shown = spec.get("rules").unwrap_or(&Value::Null);
        errors.invalid(&SPEC, shown, "either `defaultBackend` or `rules` must be specified");
    }
    if let Some(default_backend) = default_backend {
        backend(default_backend, &SPEC.child("defaultBackend"), errors);
    }
    let path = SPEC.child("rules");
    for (index, one) in rules.iter().enumerate() {
        rule(one, &path.index(index), errors);
    }
    let path = SPEC.child("tls");
    for (index, one) in spec.list_at(&["tls"]).iter().enumerate() {
        tls(one, &path.index(index), errors);
    }
    if let Some(class) = check::present(spec, &["ingressClassName"]).and_then(Value::as_str) {
        check::invalid_all(content::dns1123_subdomain(class), class, &SPEC.child("ingressClassName"), errors);
    }
}

pub fn load_balancer(object: &Value, errors: &mut FieldErrors) {
    let path = Path::root("status.loadBalancer");
    let path = path.child("ingress");
    for (index, ingress) in object.list_at(&["status", "loadBalancer", "ingress"]).iter().enumerate() {
        let path = path.index(index);
        let ip = ingress.str_at(&["ip"]);
        if !ip.is_empty() {
            check::invalid_all(net::legacy_ip_messages(ip, errors.rules()), ip, &path.child("ip"), errors);
        }
        let host = ingress.str_at(&["hostname"]);
        if !host.is_empty() {
            let path = path.child("hostname");
            check::invalid_all(content::dns1123_subdomain(host), host, &path, errors);
            not_an_address(host, &path, errors);
        }
    }
}

fn not_an_address(host: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if net::parse_ip_sloppy(host).is_some() {
        errors.invalid(path, host, "must be a DNS name, not an IP address");
    }
}

fn host_messages(host: &str) -> Vec<String> {
    if host.contains('*') {
        content::wildcard_dns1123_subdomain(host)
    } else {
        content::dns1123_subdomain(host)
    }
}

fn tls(tls: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let hosts = path.child("hosts");
    for (index, host) in tls.list_at(&["hosts"]).iter().filter_map(Value::as_str).enumerate() {
        check::invalid_all(host_messages(host), host, &hosts.index(index), errors);
    }
    let secret = tls.str_at(&["secretName"]);
    if !secret.is_empty() {
        check::invalid_all(content::dns1123_subdomain(secret), secret, &path.child("secretName"), errors);
    }
}

fn rule(rule: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let host = rule.str_at(&["host"]);
    if !host.is_empty() {
        let path = path.child("host");
        not_an_address(host, &path, errors);
        check::invalid_all(host_messages(host), host, &path, errors);
    }
    let Some(http) = check::present(rule, &["http"]) else { return };
    let path = path.child("http");
    let path = path.child("paths");
    let paths = http.list_at(&["paths"]);
    if paths.is_empty() {
        errors.required(&path, "");
    }
    for (index, one) in paths.iter().enumerate() {
        http_path(one, &path.index(index), errors);
    }
}

fn http_path(http_path: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let text = http_path.str_at(&["path"]);
    let Some(path_type) = check::present(http_path, &["pathType"]).and_then(Value::as_str) else {
        errors.required(&path.child("pathType"), "pathType must be specified");
        return;
    };
    match path_type {
        "Exact" | "Prefix" => exact_path(text, &path.child("path"), errors),
        "ImplementationSpecific" => {
            if !text.is_empty() && !text.starts_with('/') {
                errors.invalid(&path.child("path"), text, "must be an absolute path");
            }
        }
        other => errors.not_supported(&path.child("pathType"), other, &PATH_TYPES),
    }
    backend(http_path.get("backend").unwrap_or(&Value::Null), &path.child("backend"), errors);
}

fn exact_path(text: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if !text.starts_with('/') {
        errors.invalid(path, text, "must be an absolute path");
    }
    for sequence in ["//", "/./", "/../", "%2f", "%2F"] {
        if text.contains(sequence) {
            errors.invalid(path, text, &format!("must not contain '{sequence}'"));
        }
    }
    for suffix in ["/..", "/."] {
        if text.ends_with(suffix) {
            errors.invalid(path, text, &format!("cannot end with '{suffix}'"));
        }
    }
}

fn backend(backend: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let resource = check::present(backend, &["resource"]);
    let service = check::present(backend, &["service"]);
    match (resource, service) {
        (Some(_), Some(_)) => errors.invalid(path, "", "cannot set both resource and service backends"),
        (None, None) => errors.invalid(path, "", "resource or service backend is required"),
        (Some(resource), None) => reference(resource, &path.child("resource"), errors),
        (None, Some(service)) => service_backend(service, path, errors),
    }
}

fn service_backend(service: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let service_path = path.child("service");
    let name = service.str_at(&["name"]);
    if name.is_empty() {
        errors.required(&service_path.child("name"), "");
    } else {
        let is_relaxed = errors.rules().has_relaxed_service_names;
        let rule = if is_relaxed { content::dns1123_label } else { content::dns1035_label };
        check::invalid_all(rule(name), name, &service_path.child("name"), errors);
    }
    let port_path = service_path.child("port");
    let port_name = service.str_at(&["port", "name"]);
    let port = service.int_at(&["port", "number"]).unwrap_or(0);
    match (port_name, port) {
        ("", 0) => errors.required(path, "port name or number is required"),
        ("", port) => {
            for message in content::port_number(port) {
                errors.invalid(&port_path.child("number"), port, &message);
            }
        }
        (name, 0) => check::invalid_all(content::port_name(name), name, &port_path.child("name"), errors),
        _ => errors.invalid(path, "", "cannot set both port name & port number"),
    }
}

/// A reference to an object of the same namespace.
fn reference(reference: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(group) = check::present(reference, &["apiGroup"]).and_then(Value::as_str) {
        check::invalid_all(content::dns1123_subdomain(group), group, &path.child("apiGroup"), errors);
    }
    for field in ["kind", "name"] {
        let text = reference.str_at(&[field]);
        if text.is_empty() {
            errors.required(&path.child(field), "");
        } else {
            check::invalid_all(content::path_segment_name(text), text, &path.child(field), errors);
        }
    }
}
