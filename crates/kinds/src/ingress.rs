//! Ingress.

use super::{Context, Strategy, cells, keep, service};
use crate::validation::{NameRule, check, ingress, meta};
use pintle_object::{FieldErrors, Map, Value};

pub struct Ingress;

impl Strategy for Ingress {
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        object.set(&["status"], [("loadBalancer", Map::new())].into_iter().collect::<Map>());
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "status");
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, NameRule::Subdomain, errors);
        ingress::spec(object, None, errors);
        ingress::class_annotation(object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        meta::validate_strict(new, NameRule::Subdomain, errors);
        ingress::spec(new, Some(old), errors);
    }

    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        ingress::load_balancer(new, errors);
    }

    fn warnings(&self, new: &Value, old: Option<&Value>, out: &mut Vec<String>) {
        let has_annotation = new.at(&["metadata", "annotations", ingress::CLASS_ANNOTATION]).is_some();
        let has_class = check::present(new, &["spec", "ingressClassName"]).is_some();
        if old.is_none() && has_annotation && !has_class {
            out.push(format!(
                "annotation \"{}\" is deprecated, please use 'spec.ingressClassName' instead",
                ingress::CLASS_ANNOTATION
            ));
        }
    }

    fn status_warnings(&self, new: &Value, out: &mut Vec<String>) {
        service::warn_ingress(new, out);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let class = ["spec", "ingressClassName"];
        let has_tls = !object.list_at(&["spec", "tls"]).is_empty();
        vec![
            cells::name(object),
            cells::text_or(object, &class, cells::NONE),
            Value::from(hosts(object)),
            Value::from(service::load_balancer(object).join(",")),
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
