//! Priority: a pod's priority is that of its class; at most one class is the default.

use crate::plugin::Plugin;
use crate::request::Request;
use pintle_object::meta;
use pintle_object::{Status, Value};

const GROUP: &str = "scheduling.k8s.io";
const PREEMPT: &str = "PreemptLowerPriority";

pub struct Priority;

impl Plugin for Priority {
    fn mutate(&self, request: &Request<'_>, object: &mut Value) -> Result<(), Status> {
        if !request.is_object("", "pods") {
            return Ok(());
        }
        if request.is_create() {
            return resolve(request, object);
        }
        if let (true, Some(old)) = (request.is_update(), request.attributes.old) {
            keep(object, old);
        }
        Ok(())
    }

    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        if !request.is_object(GROUP, "priorityclasses")
            || !(request.is_create() || request.is_update())
            || !object.bool_at(&["globalDefault"])
        {
            return Ok(());
        }
        match default_class(request) {
            Some(other) if request.is_create() || meta::name(&other) != meta::name(object) => {
                let name = meta::name(&other);
                let why =
                    format!("PriorityClass {name} is already marked as default. Only one default can exist");
                Err(request.forbidden(object, why))
            }
            _ => Ok(()),
        }
    }
}

/// Sets the priority of the pod's class; a pod with another value of its own is refused.
fn resolve(request: &Request<'_>, pod: &mut Value) -> Result<(), Status> {
    let name = pod.str_at(&["spec", "priorityClassName"]);
    let class =
        if name.is_empty() {
            default_class(request)
        } else {
            let class = request.view.get(GROUP, "priorityclasses", "", name);
            Some(class.ok_or_else(|| {
                request.forbidden(pod, format!("no PriorityClass with name {name} was found"))
            })?)
        };
    let priority = class.as_ref().and_then(|class| class.int_at(&["value"])).unwrap_or(0);
    let policy = class.as_ref().map_or(PREEMPT, |class| class.str_at(&["preemptionPolicy"]));

    let computed = "must not be provided in pod spec; priority admission controller computed";
    let own = pod.int_at(&["spec", "priority"]);
    if let Some(own) = own.filter(|own| *own != priority) {
        let why = format!(
            "the integer value of priority ({own}) {computed} {priority} from the given PriorityClass name"
        );
        return Err(request.forbidden(pod, why));
    }
    let own = pod.str_at(&["spec", "preemptionPolicy"]);
    if !own.is_empty() && !policy.is_empty() && own != policy {
        let why = format!(
            "the string value of PreemptionPolicy ({own}) {computed} {policy} from the given PriorityClass name"
        );
        return Err(request.forbidden(pod, why));
    }
    if let Some(class) = &class {
        pod.set(&["spec", "priorityClassName"], meta::name(class));
    }
    pod.set(&["spec", "priority"], priority);
    if !policy.is_empty() {
        pod.set(&["spec", "preemptionPolicy"], policy);
    }
    Ok(())
}

/// Keeps the computed fields in an update that leaves them out.
fn keep(pod: &mut Value, old: &Value) {
    for field in ["priority", "preemptionPolicy"] {
        if let (None, Some(value)) = (pod.at(&["spec", field]), old.at(&["spec", field])) {
            pod.set(&["spec", field], value.clone());
        }
    }
}

/// The class for pods that name none; of several marked ones the lowest.
fn default_class(request: &Request<'_>) -> Option<Value> {
    let classes = request.view.list(GROUP, "priorityclasses", "");
    let marked = classes.into_iter().filter(|class| class.bool_at(&["globalDefault"]));
    marked.min_by_key(|class| class.int_at(&["value"]).unwrap_or(0))
}
