//! Endpoints.

use super::{Rules, cells};
use pintle_object::{Map, Value};

pub struct Endpoints;

impl Rules for Endpoints {
    fn default(&self, object: &mut Value) {
        for subset in object.at_mut(&["subsets"]).and_then(Value::as_list_mut).into_iter().flatten() {
            for port in subset.at_mut(&["ports"]).and_then(Value::as_list_mut).into_iter().flatten() {
                if let Some(map) = port.as_map_mut()
                    && map.get("protocol").and_then(Value::as_str).is_none_or(str::is_empty)
                {
                    map.insert("protocol", "TCP");
                }
            }
        }
    }

    fn prepare_create(&self, _object: &mut Value, _context: &super::Context<'_>) {}

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let shown = cells::shortened(&addresses(object), cells::NONE);
        vec![cells::name(object), Value::from(shown), cells::age(object, now_seconds)]
    }
}

/// `ip:port` of every ready address and port.
fn addresses(object: &Value) -> Vec<String> {
    let mut shown = Vec::new();
    for subset in object.list_at(&["subsets"]) {
        let ports = subset.list_at(&["ports"]);
        let ips = || subset.list_at(&["addresses"]).iter().map(|address| address.str_at(&["ip"]));
        if ports.is_empty() {
            shown.extend(ips().map(String::from));
        }
        for port in ports.iter().filter_map(|port| port.as_map()) {
            shown.extend(ips().map(|ip| join_host_port(ip, port)));
        }
    }
    shown
}

fn join_host_port(ip: &str, port: &Map) -> String {
    let port = port.get("port").and_then(Value::as_i64).unwrap_or(0);
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}
