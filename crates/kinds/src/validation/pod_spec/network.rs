//! The pod's network: host ports, DNS, host names.

use crate::validation::check::{invalid_all, present};
use crate::validation::ip;
use crate::validation::pod_spec::owner::Owner;
use pintle_object::{FieldErrors, Path, Value, content};

const NAMESERVERS_MAX: usize = 3;
const SEARCHES_MAX: usize = 32;
const SEARCH_LIST_LEN_MAX: usize = 2048;

/// On the host's network, a container's port is the host's; a template may leave that to its pods.
pub fn host_ports(spec: &Value, owner: Owner<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    if !spec.bool_at(&["hostNetwork"]) {
        return;
    }
    let path = path.child("containers");
    for (index, container) in spec.list_at(&["containers"]).iter().enumerate() {
        let path = path.index(index);
        let path = path.child("ports");
        for (index, port) in container.list_at(&["ports"]).iter().enumerate() {
            let on_host = port.int_at(&["hostPort"]).unwrap_or(0);
            let in_container = port.int_at(&["containerPort"]).unwrap_or(0);
            if (owner.pod.is_some() || on_host != 0) && on_host != in_container {
                let why = "must match `containerPort` when `hostNetwork` is true";
                errors.invalid(&path.index(index).child("hostPort"), on_host, why);
            }
        }
    }
}

pub fn dns_config(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let config = present(spec, &["dnsConfig"]);
    let servers = spec.list_at(&["dnsConfig", "nameservers"]);
    if spec.str_at(&["dnsPolicy"]) == "None" {
        if config.is_none() {
            return errors.required(path, "must provide `dnsConfig` when `dnsPolicy` is None");
        }
        if servers.is_empty() {
            let why = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            return errors.required(&path.child("nameservers"), why);
        }
    }
    let Some(config) = config else { return };
    let servers_path = path.child("nameservers");
    if servers.len() > NAMESERVERS_MAX {
        let why = format!("must not have more than {NAMESERVERS_MAX} nameservers");
        errors.invalid(&servers_path, &Value::List(servers.to_vec()), &why);
    }
    for (index, server) in servers.iter().enumerate() {
        ip::legacy_ip(server.as_str().unwrap_or(""), &servers_path.index(index), errors);
    }
    searches(config, &path.child("searches"), errors);
    let options = path.child("options");
    for (index, option) in config.list_at(&["options"]).iter().enumerate() {
        if option.str_at(&["name"]).is_empty() {
            errors.required(&options.index(index), "must not be empty");
        }
    }
}

fn searches(config: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let list = config.list_at(&["searches"]);
    let shown = Value::List(list.to_vec());
    let searches: Vec<&str> = list.iter().map(|search| search.as_str().unwrap_or("")).collect();
    if searches.len() > SEARCHES_MAX {
        errors.invalid(path, &shown, &format!("must not have more than {SEARCHES_MAX} search paths"));
    }
    if searches.join(" ").len() > SEARCH_LIST_LEN_MAX {
        let why = format!(
            "must not have more than {SEARCH_LIST_LEN_MAX} characters (including spaces) in the search list"
        );
        errors.invalid(path, &shown, &why);
    }
    for (index, search) in searches.iter().enumerate().filter(|(_, search)| **search != ".") {
        let search = search.strip_suffix('.').unwrap_or(search);
        let messages = content::dns1123_subdomain_with_underscore(search);
        invalid_all(messages, search, &path.index(index), errors);
    }
}

pub fn host_aliases(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    for (index, alias) in spec.list_at(&["hostAliases"]).iter().enumerate() {
        let path = path.index(index);
        ip::legacy_ip(alias.str_at(&["ip"]), &path.child("ip"), errors);
        let hostnames = path.child("hostnames");
        for (index, hostname) in alias.list_at(&["hostnames"]).iter().enumerate() {
            let hostname = hostname.as_str().unwrap_or("");
            invalid_all(content::dns1123_subdomain(hostname), hostname, &hostnames.index(index), errors);
        }
    }
}

pub fn hostname_override(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(hostname) = present(spec, &["hostnameOverride"]).and_then(Value::as_str) else { return };
    let path = path.child("hostnameOverride");
    if spec.bool_at(&["hostNetwork"]) {
        errors.forbidden(&path, "may not be specified when hostNetwork is true");
    }
    if spec.bool_at(&["setHostnameAsFQDN"]) {
        errors.forbidden(&path, "may not be specified when setHostnameAsFQDN is true");
    }
    invalid_all(content::dns1123_subdomain(hostname), hostname, &path, errors);
    if hostname.len() > 64 {
        errors.too_long(&path, 64);
    }
}
