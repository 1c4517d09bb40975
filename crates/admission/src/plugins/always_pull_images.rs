//! AlwaysPullImages: images are pulled at every start, so that no pod uses an image on the node that only others have
//! credentials for.

use crate::plugin::Plugin;
use crate::request::Request;
use pintle_object::field::quote;
use pintle_object::{Status, Value};
use std::collections::BTreeSet;

const ALWAYS: &str = "Always";
const LISTS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

pub struct AlwaysPullImages;

impl Plugin for AlwaysPullImages {
    fn mutate(&self, request: &Request<'_>, object: &mut Value) -> Result<(), Status> {
        if !is_meant(request, object) {
            return Ok(());
        }
        for list in LISTS {
            for container in items(object, list) {
                container.set(&["imagePullPolicy"], ALWAYS);
            }
        }
        for volume in items(object, "volumes") {
            if volume.map_at(&["image"]).is_some() {
                volume.set(&["image", "pullPolicy"], ALWAYS);
            }
        }
        Ok(())
    }

    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        if !is_meant(request, object) {
            return Ok(());
        }
        for list in LISTS {
            for (index, container) in object.list_at(&["spec", list]).iter().enumerate() {
                let policy = container.str_at(&["imagePullPolicy"]);
                if policy != ALWAYS {
                    let path = format!("spec.{list}[{index}].imagePullPolicy");
                    let (policy, only) = (quote(policy), quote(ALWAYS));
                    let why = format!("{path}: Unsupported value: {policy}: supported values: {only}");
                    return Err(request.forbidden(object, why));
                }
            }
        }
        for (index, volume) in object.list_at(&["spec", "volumes"]).iter().enumerate() {
            let policy = volume.str_at(&["image", "pullPolicy"]);
            if volume.map_at(&["image"]).is_some() && policy != ALWAYS {
                let path = format!("spec.volumes[{index}].image.pullPolicy");
                let (policy, only) = (quote(policy), quote(ALWAYS));
                let why = format!("{path}: Unsupported value: {policy}: supported values: {only}");
                return Err(request.forbidden(object, why));
            }
        }
        Ok(())
    }
}

fn items<'a>(pod: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Value> {
    pod.at_mut(&["spec", list]).and_then(Value::as_list_mut).into_iter().flatten()
}

/// Pull policies do not change, so that a pod without an image of its own that is new stays as it is.
fn is_meant(request: &Request<'_>, object: &Value) -> bool {
    request.is_object("", "pods")
        && (request.is_create() || request.is_update() && has_new_image(object, request.attributes.old))
}

fn has_new_image(new: &Value, old: Option<&Value>) -> bool {
    let known = old.map(images).unwrap_or_default();
    !images(new).is_subset(&known)
}

fn images(pod: &Value) -> BTreeSet<&str> {
    let containers = LISTS.iter().flat_map(|list| pod.list_at(&["spec", list]));
    containers.map(|container| container.str_at(&["image"])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_new_when_no_container_had_it() {
        let pod = |image: &str| {
            let pod = format!(
                r#"{{"spec":{{"containers":[{{"image":"{image}"}}],"initContainers":[{{"image":"b"}}]}}}}"#
            );
            pintle_object::json::parse(pod.as_bytes()).unwrap()
        };
        let check = |new: &str, expected: bool| {
            assert_eq!(has_new_image(&pod(new), Some(&pod("a"))), expected, "{new}");
        };
        check("a", false);
        check("b", false);
        check("c", true);
        assert!(has_new_image(&pod("a"), None));
    }
}
