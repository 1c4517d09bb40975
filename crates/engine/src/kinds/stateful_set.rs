//! StatefulSet.

use super::{Rules, cells, deployment, pod, set_default};
use pintle_object::{Map, Value};

pub struct StatefulSet;

impl Rules for StatefulSet {
    fn default(&self, object: &mut Value) {
        pod::default_template(object, &["spec", "template"]);
        if object.str_at(&["spec", "updateStrategy", "type"]) == "RollingUpdate" {
            set_default(object, &["spec", "updateStrategy"], "rollingUpdate", Map::new());
            set_default(object, &["spec", "updateStrategy", "rollingUpdate"], "partition", 0);
        }
        self.restore(object);
    }

    /// Claims are whole objects within the spec; protobuf does not keep what kind they are.
    fn restore(&self, object: &mut Value) -> bool {
        let claims = object.at_mut(&["spec", "volumeClaimTemplates"]).and_then(Value::as_list_mut);
        for claim in claims.into_iter().flatten() {
            claim.set(&["kind"], "PersistentVolumeClaim");
            claim.set(&["apiVersion"], "v1");
        }
        true
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let [names, images] = cells::containers(object, &["spec", "template", "spec"]);
        vec![cells::name(object), deployment::ready(object), cells::age(object, now_seconds), names, images]
    }
}
