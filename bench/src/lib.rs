//! Input of microbenchmarks: objects of realistic size.

use pintle_object::{Map, Value, json};

/// A pod as a kubelet leaves it: about 5 KB of JSON, with two containers, volumes, conditions and managed fields.
pub fn pod() -> Vec<u8> {
    let mut pod = json::parse(include_bytes!("pod.json")).expect("pod.json is JSON");
    pod.set(&["metadata", "managedFields"], managed_fields());
    json::to_string(&pod).into_bytes()
}

/// The entries of two managers, the creating controller and the kubelet.
fn managed_fields() -> Value {
    let entry = |manager: &str, subresource: &str, fields: &[&str]| {
        let fields: Map = fields.iter().map(|field| (format!("f:{field}"), Value::map())).collect();
        let mut entry = Value::map();
        entry.set(&["manager"], manager);
        entry.set(&["operation"], "Update");
        entry.set(&["apiVersion"], "v1");
        entry.set(&["time"], "2026-01-02T03:04:05Z");
        entry.set(&["fieldsType"], "FieldsV1");
        entry.set(&["fieldsV1", "f:spec"], fields.clone());
        if !subresource.is_empty() {
            entry.set(&["fieldsV1"], Value::from(Map::from_iter([("f:status", Value::from(fields))])));
            entry.set(&["subresource"], subresource);
        }
        entry
    };
    let spec =
        ["affinity", "containers", "dnsPolicy", "enableServiceLinks", "restartPolicy", "schedulerName"];
    let status =
        ["conditions", "containerStatuses", "hostIP", "hostIPs", "phase", "podIP", "podIPs", "startTime"];
    Value::from(vec![entry("kube-controller-manager", "", &spec), entry("kubelet", "status", &status)])
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_pod_is_of_realistic_size() {
        let len = super::pod().len();
        assert!((4_000..7_000).contains(&len), "{len} bytes");
    }
}
