//! Scopes and scope selectors of quotas: the objects that a quota applies to.

use super::usage;
use crate::request::Request;
use pintle_object::Value;

/// Whether all scopes of a quota fit an object.
pub fn applies(request: &Request<'_>, quota: &Value, object: &Value) -> bool {
    let scopes = quota.list_at(&["spec", "scopes"]).iter().filter_map(Value::as_str);
    let mut selectors = quota.list_at(&["spec", "scopeSelector", "matchExpressions"]).iter();
    let fits = |scope: &str, operator: &str, values: &[Value]| {
        if request.is_resource("", "pods") {
            return pod_fits(object, scope, operator, values);
        }
        request.is_resource("", "persistentvolumeclaims") && claim_fits(object, scope, operator, values)
    };
    scopes.into_iter().all(|scope| fits(scope, "Exists", &[]))
        && selectors.all(|selector| {
            fits(
                selector.str_at(&["scopeName"]),
                selector.str_at(&["operator"]),
                selector.list_at(&["values"]),
            )
        })
}

fn pod_fits(pod: &Value, scope: &str, operator: &str, values: &[Value]) -> bool {
    let is_terminating =
        || pod.int_at(&["spec", "activeDeadlineSeconds"]).is_some_and(|seconds| seconds >= 0);
    match scope {
        "Terminating" => is_terminating(),
        "NotTerminating" => !is_terminating(),
        "BestEffort" => usage::is_best_effort(pod),
        "NotBestEffort" => !usage::is_best_effort(pod),
        "PriorityClass" => selects(pod.str_at(&["spec", "priorityClassName"]), operator, values),
        "CrossNamespacePodAffinity" => reaches_across(pod),
        _ => false,
    }
}

fn claim_fits(claim: &Value, scope: &str, operator: &str, values: &[Value]) -> bool {
    scope == "VolumeAttributesClass"
        && selects(claim.str_at(&["spec", "volumeAttributesClassName"]), operator, values)
}

/// A selector on one name; without a name only the negative operators fit.
fn selects(name: &str, operator: &str, values: &[Value]) -> bool {
    let is_listed = values.iter().any(|value| value.as_str() == Some(name));
    match operator {
        "Exists" => !name.is_empty(),
        "DoesNotExist" => name.is_empty(),
        "In" => !name.is_empty() && is_listed,
        "NotIn" => !is_listed,
        _ => false,
    }
}

/// Whether an affinity term of the pod looks into other namespaces.
fn reaches_across(pod: &Value) -> bool {
    let crosses =
        |term: &Value| !term.list_at(&["namespaces"]).is_empty() || term.get("namespaceSelector").is_some();
    ["podAffinity", "podAntiAffinity"].iter().any(|kind| {
        let required =
            pod.list_at(&["spec", "affinity", kind, "requiredDuringSchedulingIgnoredDuringExecution"]);
        let preferred =
            pod.list_at(&["spec", "affinity", kind, "preferredDuringSchedulingIgnoredDuringExecution"]);
        required.iter().any(crosses)
            || preferred.iter().filter_map(|weighted| weighted.get("podAffinityTerm")).any(crosses)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_fit_pods() {
        let check = |pod: &str, scope: &str, operator: &str, expected: bool| {
            let pod = pintle_object::json::parse(pod.as_bytes()).unwrap();
            assert_eq!(pod_fits(&pod, scope, operator, &[Value::from("hi")]), expected, "{scope} {operator}");
        };
        check(r#"{"spec":{"activeDeadlineSeconds":5}}"#, "Terminating", "Exists", true);
        check("{}", "NotTerminating", "Exists", true);
        check(r#"{"spec":{"priorityClassName":"hi"}}"#, "PriorityClass", "In", true);
        check(r#"{"spec":{"priorityClassName":"hi"}}"#, "PriorityClass", "NotIn", false);
        check("{}", "PriorityClass", "Exists", false);
        check("{}", "PriorityClass", "In", false);
        check("{}", "Unheard", "Exists", false);
    }
}
