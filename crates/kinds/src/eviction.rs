//! Eviction: a deletion that asks the pod's disruption budget first.

use pintle_object::selector::LabelSelector;
use pintle_object::time::Time;
use pintle_object::{Cause, Details, GroupResource, Map, Reason, Status, Value};

/// Evicted pods that a budget may list before its controller has confirmed them.
const DISRUPTED_MAX: usize = 2000;

/// A pod that does not run, or is going anyway, costs no budget.
pub fn needs_no_budget(pod: &Value) -> bool {
    matches!(pod.str_at(&["status", "phase"]), "Succeeded" | "Failed" | "Pending")
        || pod.at(&["metadata", "deletionTimestamp"]).is_some()
}

/// Whether a budget applies to a pod.
pub fn covers(budget: &Value, pod: &Value) -> bool {
    static NONE: Map = Map::new();
    let labels = pod.map_at(&["metadata", "labels"]).unwrap_or(&NONE);
    LabelSelector::from_value(budget.at(&["spec", "selector"])).is_ok_and(|selector| selector.matches(labels))
}

/// An unready pod may go without being counted, if its budget says so.
pub fn lets_unhealthy_go(budget: &Value, pod: &Value) -> bool {
    let is_ready = pod
        .list_at(&["status", "conditions"])
        .iter()
        .any(|condition| condition.str_at(&["type"]) == "Ready" && condition.str_at(&["status"]) == "True");
    if is_ready {
        return false;
    }
    let number = |field| budget.int_at(&["status", field]).unwrap_or(0);
    budget.str_at(&["spec", "unhealthyPodEvictionPolicy"]) == "AlwaysAllow"
        || (number("currentHealthy") >= number("desiredHealthy") && number("desiredHealthy") > 0)
}

/// The refusal of a pod that more than one budget covers.
pub fn too_many_budgets() -> Status {
    let message =
        "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
    Status::new(500, Reason::Unknown, message)
}

/// Takes one disruption from a budget, for the pod of this name.
pub fn spend(budget: &mut Value, pod: &str, now: Time) -> Result<(), Status> {
    let name = budget.str_at(&["metadata", "name"]).to_string();
    let status = |field| budget.int_at(&["status", field]).unwrap_or(0);
    let generation = budget.int_at(&["metadata", "generation"]).unwrap_or(0);
    if status("observedGeneration") < generation {
        let why = format!("The disruption budget {name} is still being processed by the server.");
        return Err(refuse(&why, 10));
    }
    let forbidden =
        |why: &str| Status::forbidden(&GroupResource::new("policy", "poddisruptionbudget"), &name, why);
    let allowed = status("disruptionsAllowed");
    if allowed < 0 {
        return Err(forbidden("pdb disruptions allowed is negative"));
    }
    if budget.map_at(&["status", "disruptedPods"]).is_some_and(|pods| pods.len() > DISRUPTED_MAX) {
        return Err(forbidden(
            "DisruptedPods map too big - too many evictions not confirmed by PDB controller",
        ));
    }
    if allowed == 0 {
        let (needed, has) = (status("desiredHealthy"), status("currentHealthy"));
        let why = if has <= needed {
            format!("The disruption budget {name} needs {needed} healthy pods and has {has} currently")
        } else {
            format!("The disruption budget {name} does not allow evicting pods currently")
        };
        return Err(refuse(&why, 0));
    }
    budget.set(&["status", "disruptionsAllowed"], allowed - 1);
    if allowed == 1 {
        set_not_allowed(budget, generation, now);
    }
    budget.set(&["status", "disruptedPods", pod], now.to_seconds_text());
    Ok(())
}

fn refuse(why: &str, retry_after_seconds: u32) -> Status {
    let message = "Cannot evict pod as it would violate the pod's disruption budget.";
    let cause = Cause { reason: "DisruptionBudget".into(), message: why.into(), ..Cause::default() };
    Status::new(429, Reason::TooManyRequests, message).with_details(Details {
        causes: vec![cause],
        retry_after_seconds,
        ..Details::default()
    })
}

fn set_not_allowed(budget: &mut Value, generation: i64, now: Time) {
    let mut condition = Value::map();
    condition.set(&["type"], "DisruptionAllowed");
    condition.set(&["status"], "False");
    condition.set(&["observedGeneration"], generation);
    condition.set(&["lastTransitionTime"], now.to_seconds_text());
    condition.set(&["reason"], "InsufficientPods");
    condition.set(&["message"], "");
    put_condition(budget, condition);
}

/// Sets the condition with the reason of the eviction.
pub fn mark(pod: &mut Value, now: Time) {
    let mut condition = Value::map();
    condition.set(&["type"], "DisruptionTarget");
    condition.set(&["status"], "True");
    condition.set(&["lastProbeTime"], Value::Null);
    condition.set(&["lastTransitionTime"], now.to_seconds_text());
    condition.set(&["reason"], "EvictionByEvictionAPI");
    condition.set(&["message"], "Eviction API: evicting");
    put_condition(pod, condition);
}

/// Sets a condition; one with the same status keeps the time of its last change.
fn put_condition(object: &mut Value, mut condition: Value) {
    let conditions = object.make_map(&["status"]).entry("conditions");
    if !matches!(conditions, Value::List(_)) {
        *conditions = Value::List(Vec::new());
    }
    let Some(list) = conditions.as_list_mut() else { return };
    let kind = condition.str_at(&["type"]).to_string();
    match list.iter_mut().find(|known| known.str_at(&["type"]) == kind) {
        Some(known) => {
            if known.get("status") == condition.get("status")
                && let Some(time) = known.get("lastTransitionTime")
            {
                condition.set(&["lastTransitionTime"], time.clone());
            }
            *known = condition;
        }
        None => list.push(condition),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_spent_down_to_nothing() {
        let now = Time { seconds: 0, nanos: 0 };
        let mut budget = Value::map();
        budget.set(&["metadata", "name"], "b");
        for (field, number) in [("disruptionsAllowed", 1), ("currentHealthy", 2), ("desiredHealthy", 1)] {
            budget.set(&["status", field], number);
        }
        spend(&mut budget, "p", now).unwrap();
        assert_eq!(budget.int_at(&["status", "disruptionsAllowed"]), Some(0));
        let refused = spend(&mut budget, "q", now).unwrap_err();
        let cause = &refused.details.unwrap().causes[0];
        assert_eq!(cause.message, "The disruption budget b does not allow evicting pods currently");
        budget.set(&["metadata", "generation"], 3);
        assert_eq!(spend(&mut budget, "q", now).unwrap_err().details.unwrap().retry_after_seconds, 10);
    }
}
