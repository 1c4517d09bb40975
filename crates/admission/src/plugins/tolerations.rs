//! DefaultTolerationSeconds: pods stay for a while, by default five minutes, on a node that is not ready or unreachable.

use crate::plugin::Plugin;
use crate::request::Request;
use crate::settings::AdmissionSettings;
use pintle_object::{Status, Value};

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

pub struct DefaultTolerationSeconds {
    not_ready: i64,
    unreachable: i64,
}

impl DefaultTolerationSeconds {
    pub fn new(settings: &AdmissionSettings) -> DefaultTolerationSeconds {
        DefaultTolerationSeconds {
            not_ready: settings.not_ready_seconds,
            unreachable: settings.unreachable_seconds,
        }
    }
}

impl Plugin for DefaultTolerationSeconds {
    fn mutate(&self, request: &Request<'_>, object: &mut Value) -> Result<(), Status> {
        if !request.is_object("", "pods") || !(request.is_create() || request.is_update()) {
            return Ok(());
        }
        for (taint, seconds) in [(NOT_READY, self.not_ready), (UNREACHABLE, self.unreachable)] {
            let tolerations = object.list_at(&["spec", "tolerations"]);
            if !tolerations.iter().any(|toleration| tolerates_eviction(toleration, taint)) {
                push(object, &["spec", "tolerations"], toleration(taint, seconds));
            }
        }
        Ok(())
    }
}

fn tolerates_eviction(toleration: &Value, taint: &str) -> bool {
    let (key, effect) = (toleration.str_at(&["key"]), toleration.str_at(&["effect"]));
    (key.is_empty() || key == taint) && (effect.is_empty() || effect == "NoExecute")
}

fn toleration(taint: &str, seconds: i64) -> Value {
    let mut toleration = Value::map();
    toleration.set(&["key"], taint);
    toleration.set(&["operator"], "Exists");
    toleration.set(&["effect"], "NoExecute");
    toleration.set(&["tolerationSeconds"], seconds);
    toleration
}

/// Appends to the list at a path, which is made where absent.
pub(super) fn push(object: &mut Value, path: &[&str], item: Value) {
    match object.at_mut(path).and_then(Value::as_list_mut) {
        Some(list) => list.push(item),
        None => object.set(path, vec![item]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toleration_counts_when_key_and_effect_fit_or_are_empty() {
        let check = |json: &str, expected: bool| {
            let toleration = pintle_object::json::parse(json.as_bytes()).unwrap();
            assert_eq!(tolerates_eviction(&toleration, NOT_READY), expected, "{json}");
        };
        check(r#"{"operator":"Exists"}"#, true);
        check(r#"{"key":"node.kubernetes.io/not-ready","effect":"NoExecute"}"#, true);
        check(r#"{"key":"node.kubernetes.io/not-ready","effect":"NoSchedule"}"#, false);
        check(r#"{"key":"node.kubernetes.io/unreachable"}"#, false);
    }
}
