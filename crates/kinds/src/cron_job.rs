//! CronJob.

use super::{Strategy, cells, pod, template_warnings};
use crate::validation::{cron, meta};
use pintle_object::{FieldErrors, Path, Value};

pub struct CronJob;

/// Upstream names the field so.
const ZONE_IN_SCHEDULE: &str = "CRON_TZ or TZ used in spec.spec.schedule is not officially supported, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details";

impl Strategy for CronJob {
    fn default(&self, object: &mut Value) {
        pod::default_template(object, &["spec", "jobTemplate", "spec", "template"]);
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, self.name_rule(), errors);
        cron::spec(object, None, errors);
        cron::name(object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        cron::spec(new, Some(old), errors);
    }

    fn warnings(&self, new: &Value, old: Option<&Value>, out: &mut Vec<String>) {
        if old.is_none() {
            template_warnings::name(new, out);
        }
        let is_changed = old.is_none_or(|old| self.raises_generation(new, old));
        if is_changed {
            let spec = new.at(&["spec", "jobTemplate", "spec"]).unwrap_or(&Value::Null);
            template_warnings::of_job(spec, &Path::root("spec.jobTemplate.spec"), out);
        }
        if is_changed && new.str_at(&["spec", "schedule"]).contains("TZ") {
            out.push(String::from(ZONE_IN_SCHEDULE));
        }
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
