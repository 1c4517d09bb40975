//! DefaultStorageClass and DefaultIngressClass: objects without a class get the default class.

use crate::plugin::Plugin;
use crate::request::Request;
use pintle_object::meta;
use pintle_object::{Status, Value};
use std::cmp::Reverse;

const STORAGE_CLASS: &str = "storageclass.kubernetes.io/is-default-class";
const STORAGE_CLASS_BETA: &str = "storageclass.beta.kubernetes.io/is-default-class";
const CLAIM_CLASS_BETA: &str = "volume.beta.kubernetes.io/storage-class";
const INGRESS_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";
const INGRESS_CLASS_BETA: &str = "kubernetes.io/ingress.class";

pub struct DefaultStorageClass;

impl Plugin for DefaultStorageClass {
    fn mutate(&self, request: &Request<'_>, object: &mut Value) -> Result<(), Status> {
        let path = ["spec", "storageClassName"];
        if !request.creates("", "persistentvolumeclaims")
            || object.at(&path).is_some()
            || annotation(object, CLAIM_CLASS_BETA).is_some()
        {
            return Ok(());
        }
        let classes = request.view.list("storage.k8s.io", "storageclasses", "");
        if let Some(name) = default_class(&classes, &[STORAGE_CLASS, STORAGE_CLASS_BETA]) {
            object.set(&path, name);
        }
        Ok(())
    }
}

pub struct DefaultIngressClass;

impl Plugin for DefaultIngressClass {
    fn mutate(&self, request: &Request<'_>, object: &mut Value) -> Result<(), Status> {
        let path = ["spec", "ingressClassName"];
        if !request.creates("networking.k8s.io", "ingresses")
            || object.at(&path).is_some()
            || annotation(object, INGRESS_CLASS_BETA).is_some()
        {
            return Ok(());
        }
        let classes = request.view.list("networking.k8s.io", "ingressclasses", "");
        if let Some(name) = default_class(&classes, &[INGRESS_CLASS]) {
            object.set(&path, name);
        }
        Ok(())
    }
}

fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.at(&["metadata", "annotations", key]).and_then(Value::as_str)
}

/// The newest of the classes that are marked; of several of one second, the first by name.
fn default_class<'a>(classes: &'a [Value], marks: &[&str]) -> Option<&'a str> {
    let is_marked = |class: &&Value| marks.iter().any(|mark| annotation(class, mark) == Some("true"));
    let age = |class: &&Value| {
        let created = class.str_at(&["metadata", "creationTimestamp"]).to_string();
        (Reverse(created), meta::name(class).to_string())
    };
    classes.iter().filter(is_marked).min_by_key(age).map(meta::name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_default_wins_then_the_first_name() {
        let class = |name: &str, created: &str, mark: &str| {
            let mut class = Value::map();
            class.set(&["metadata", "name"], name);
            class.set(&["metadata", "creationTimestamp"], created);
            class.set(&["metadata", "annotations", STORAGE_CLASS], mark);
            class
        };
        let classes = [
            class("old", "2024-01-01T00:00:00Z", "true"),
            class("c", "2024-01-02T00:00:00Z", "true"),
            class("b", "2024-01-02T00:00:00Z", "true"),
            class("a", "2024-01-03T00:00:00Z", "false"),
        ];
        assert_eq!(default_class(&classes, &[STORAGE_CLASS]), Some("b"));
        assert_eq!(default_class(&classes, &[INGRESS_CLASS]), None);
    }
}
