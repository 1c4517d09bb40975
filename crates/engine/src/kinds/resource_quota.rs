//! ResourceQuota.

use super::{Rules, cells};
use pintle_object::Value;

pub struct ResourceQuota;

impl Rules for ResourceQuota {
    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let (mut requests, mut limits) = (Vec::new(), Vec::new());
        for (resource, hard) in object.map_at(&["status", "hard"]).into_iter().flat_map(|map| map.iter()) {
            let used = match object.str_at(&["status", "used", resource]) {
                "" => "0",
                used => used,
            };
            let shown = format!("{resource}: {used}/{}", hard.as_str().unwrap_or("0"));
            let list = if resource.starts_with("limits.") { &mut limits } else { &mut requests };
            list.push(shown);
        }
        vec![
            cells::name(object),
            Value::from(requests.join(", ")),
            Value::from(limits.join(", ")),
            cells::age(object, now_seconds),
        ]
    }
}
