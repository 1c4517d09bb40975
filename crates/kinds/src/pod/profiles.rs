//! AppArmor profiles that a new pod gives in annotations, as clients from before 1.30 do, become fields.

use crate::validation::pod_spec::{APP_ARMOR_DEPRECATED, Unsaid, unsaid};
use pintle_object::Value;

const CONTAINER_LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// Fills in the fields of containers from annotations.
pub fn fill(pod: &mut Value) {
    for list in CONTAINER_LISTS {
        let of = |container: &Value| match unsaid(pod, container) {
            Some((_, Unsaid::Profile(profile))) => Some(profile),
            _ => None,
        };
        let profiles: Vec<Option<Value>> = pod.list_at(&["spec", list]).iter().map(of).collect();
        let Some(Value::List(containers)) = pod.at_mut(&["spec", list]) else { continue };
        for (container, profile) in containers.iter_mut().zip(profiles) {
            if let Some(profile) = profile {
                container.set(&["securityContext", "appArmorProfile"], profile);
            }
        }
    }
}

/// Warnings about annotations that become fields, or that no field can follow.
pub fn warnings(pod: &Value, out: &mut Vec<String>) {
    for list in CONTAINER_LISTS {
        for container in pod.list_at(&["spec", list]) {
            if let Some((key, _)) = unsaid(pod, container) {
                out.push(format!("metadata.annotations[{key}]: {APP_ARMOR_DEPRECATED}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::json;

    #[test]
    fn annotations_become_fields_where_no_field_says_the_same() {
        let prefix = "container.apparmor.security.beta.kubernetes.io";
        let text = format!(
            r#"{{"metadata":{{"annotations":{{"{prefix}/a":"localhost/x","{prefix}/b":"runtime/default","{prefix}/c":"?"}}}},
            "spec":{{"securityContext":{{"appArmorProfile":{{"type":"RuntimeDefault"}}}},
            "containers":[{{"name":"a"}},{{"name":"b"}},{{"name":"c"}}]}}}}"#
        );
        let mut pod = json::parse(text.as_bytes()).unwrap();
        let mut said = Vec::new();
        warnings(&pod, &mut said);
        assert_eq!(said.len(), 2);
        assert!(said[0].starts_with(&format!("metadata.annotations[{prefix}/a]: deprecated since v1.30")));
        fill(&mut pod);
        assert_eq!(
            json::to_string(pod.at(&["spec", "containers"]).unwrap()),
            r#"[{"name":"a","securityContext":{"appArmorProfile":{"localhostProfile":"x","type":"Localhost"}}},{"name":"b"},{"name":"c"}]"#
        );
    }
}
