//! ExtendedResourceToleration: pods that ask for extended resources tolerate the taint that nodes keep others off by.

use super::tolerations::push;
use crate::plugin::Plugin;
use crate::request::Request;
use pintle_kinds::validation::resources::is_extended;
use pintle_object::{Status, Value};
use std::collections::BTreeSet;

const TOLERATIONS: [&str; 2] = ["spec", "tolerations"];

pub struct ExtendedResourceToleration;

impl Plugin for ExtendedResourceToleration {
    fn mutate(&self, request: &Request<'_>, object: &mut Value) -> Result<(), Status> {
        if request.is_object("", "pods") && (request.is_create() || request.is_update()) {
            tolerate(object);
        }
        Ok(())
    }
}

fn tolerate(pod: &mut Value) {
    for name in asked(pod) {
        let mut wanted = Value::map();
        wanted.set(&["effect"], "NoSchedule");
        wanted.set(&["key"], name);
        wanted.set(&["operator"], "Exists");
        let own = pod.at_mut(&TOLERATIONS).and_then(Value::as_list_mut).into_iter().flatten();
        let own: Vec<&mut Value> = own.filter(|one| is_same(one, &wanted)).collect();
        if own.is_empty() {
            push(pod, &TOLERATIONS, wanted);
        } else {
            own.into_iter().for_each(|one| one.clone_from(&wanted));
        }
    }
}

/// Whether two tolerations are for the same taint; how long is left aside.
fn is_same(one: &Value, other: &Value) -> bool {
    ["effect", "key", "operator", "value"].iter().all(|field| one.str_at(&[field]) == other.str_at(&[field]))
}

fn asked(pod: &Value) -> BTreeSet<String> {
    let containers = ["containers", "initContainers"].iter().flat_map(|list| pod.list_at(&["spec", list]));
    let requests = containers.filter_map(|container| container.map_at(&["resources", "requests"]));
    requests.flat_map(|requests| requests.keys()).filter(|name| is_extended(name)).map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_extended_resource_is_tolerated_once() {
        let parse = |json: &str| pintle_object::json::parse(json.as_bytes()).unwrap();
        let mut pod = parse(
            r#"{"spec":{"containers":[{"resources":{"requests":{"cpu":"1","example.com/b":"1"}}}],
                "initContainers":[{"resources":{"requests":{"example.com/a":"1","example.com/b":"1"}}}],
                "tolerations":[{"effect":"NoSchedule","key":"example.com/a","operator":"Exists"}]}}"#,
        );
        let expected = parse(
            r#"[{"effect":"NoSchedule","key":"example.com/a","operator":"Exists"},
                {"effect":"NoSchedule","key":"example.com/b","operator":"Exists"}]"#,
        );
        tolerate(&mut pod);
        assert_eq!(pod.at(&TOLERATIONS), Some(&expected));
    }
}
