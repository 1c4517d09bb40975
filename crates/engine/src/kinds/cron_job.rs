//! CronJob.

use super::{Rules, cells, pod};
use pintle_object::Value;

pub struct CronJob;

impl Rules for CronJob {
    fn default(&self, object: &mut Value) {
        pod::default_template(object, &["spec", "jobTemplate", "spec", "template"]);
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let template = ["spec", "jobTemplate", "spec", "template", "spec"];
        let [names, images] = cells::containers(object, &template);
        let last = match object.str_at(&["status", "lastScheduleTime"]) {
            "" => cells::NONE.to_string(),
            time => cells::since(time, now_seconds),
        };
        vec![
            cells::name(object),
            cells::text(object, &["spec", "schedule"]),
            cells::text_or(object, &["spec", "timeZone"], cells::NONE),
            cells::flag(object, &["spec", "suspend"]),
            cells::len(object, &["status", "active"]),
            Value::from(last),
            cells::age(object, now_seconds),
            names,
            images,
            cells::selector(object, &["spec", "jobTemplate", "spec", "selector"]),
        ]
    }
}
