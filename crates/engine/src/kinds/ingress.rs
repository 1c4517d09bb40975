//! Ingress.

use super::service::load_balancer;
use super::{Rules, cells};
use pintle_object::Value;

pub struct Ingress;

impl Rules for Ingress {
    fn has_generation(&self) -> bool {
        true
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let has_tls = !object.list_at(&["spec", "tls"]).is_empty();
        vec![
            cells::name(object),
            cells::text_or(object, &["spec", "ingressClassName"], cells::NONE),
            Value::from(hosts(object)),
            Value::from(load_balancer(object).join(",")),
            Value::from(if has_tls { "80, 443" } else { "80" }),
            cells::age(object, now_seconds),
        ]
    }
}

fn hosts(object: &Value) -> String {
    let hosts: Vec<String> = object
        .list_at(&["spec", "rules"])
        .iter()
        .map(|rule| rule.str_at(&["host"]).to_string())
        .filter(|host| !host.is_empty())
        .collect();
    cells::shortened(&hosts, "*")
}
