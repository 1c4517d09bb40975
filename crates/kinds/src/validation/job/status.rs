//! The status of a job: counts, and the transitions that a job controller may make.

use super::indexes;
use super::policy::invalid_whole;
use crate::validation::check::{non_negative_field, present};
use crate::validation::internal::{self, Form, Shape};
use crate::validation::job::indexes::is_indexed;
use crate::validation::meta;
use pintle_object::{FieldErrors, Path, Seen, Value};

const STATUS: Path<'static> = Path::root("status");

/// A job before and after an update of its status. What stays as it was is not judged again.
struct Transition<'a> {
    new: &'a Value,
    old: &'a Value,
}

/// All errors of an update through `status`.
pub fn update(new: &Value, old: &Value, errors: &mut FieldErrors) {
    meta::validate_update_strict(new, old, errors);
    let transition = Transition { new, old };
    counts(new, errors);
    uncounted(new, errors);
    transition.completion(errors);
    transition.start_of_finished(errors);
    transition.named_indexes(errors);
    transition.pods(errors);
    transition.criteria(errors);
    transition.against_old(errors);
}

impl<'a> Transition<'a> {
    fn status(&self, field: &str) -> Option<&'a Value> {
        present(self.new, &["status", field])
    }

    fn old_status(&self, field: &str) -> Option<&'a Value> {
        present(self.old, &["status", field])
    }

    fn int(&self, field: &str) -> i64 {
        self.new.int_at(&["status", field]).unwrap_or(0)
    }

    fn text(&self, field: &str) -> &'a str {
        self.new.str_at(&["status", field])
    }

    fn has_changed(&self, field: &str) -> bool {
        self.status(field) != self.old_status(field)
    }

    fn has_changed_condition(&self, kind: &str) -> bool {
        is_true(self.new, kind) != is_true(self.old, kind)
    }

    fn has_finished_changed(&self) -> bool {
        is_finished(self.new) != is_finished(self.old)
    }

    fn completion(&self, errors: &mut FieldErrors) {
        let path = STATUS.child("conditions");
        let is_complete = is_true(self.new, "Complete");
        let has_completed = self.has_changed_condition("Complete");
        if (has_completed || self.has_changed_condition("Failed"))
            && is_complete
            && is_true(self.new, "Failed")
        {
            invalid_whole(&path, "cannot set Complete=True and Failed=true conditions", errors);
        }
        if (has_completed || self.has_changed_condition("FailureTarget"))
            && is_complete
            && is_true(self.new, "FailureTarget")
        {
            invalid_whole(&path, "cannot set Complete=True and FailureTarget=true conditions", errors);
        }
        let path = STATUS.child("completionTime");
        let time = self.status("completionTime");
        if has_completed || self.has_changed("completionTime") {
            match time {
                Some(time) if !is_complete => {
                    let why = "cannot set completionTime when there is no Complete=True condition";
                    errors.invalid(&path, time, why);
                }
                None if is_complete => {
                    errors.required(&path, "completionTime is required for Complete jobs");
                }
                _ => {}
            }
        }
        let has_moved = self.has_changed("startTime") || self.has_changed("completionTime");
        if let (true, Some(start), Some(time)) = (has_moved, self.status("startTime"), time)
            && time.as_str() < start.as_str()
        {
            errors.invalid(&path, time, "completionTime cannot be set before startTime");
        }
    }

    fn start_of_finished(&self, errors: &mut FieldErrors) {
        let path = STATUS.child("conditions");
        if (self.has_changed_condition("Failed") || self.has_changed_condition("FailureTarget"))
            && is_true(self.new, "Failed")
            && !is_true(self.new, "FailureTarget")
        {
            let why = "cannot set Failed=True condition without the FailureTarget=true condition";
            invalid_whole(&path, why, errors);
        }
        if (self.has_changed_condition("Complete") || self.has_changed_condition("SuccessCriteriaMet"))
            && is_true(self.new, "Complete")
            && !is_true(self.new, "SuccessCriteriaMet")
        {
            let why = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition";
            invalid_whole(&path, why, errors);
        }
        if !is_finished(self.new) {
            return;
        }
        let has_finished = self.has_finished_changed();
        let active = self.int("active");
        if (has_finished || self.has_changed("active")) && active > 0 {
            errors.invalid(&STATUS.child("active"), active, "active>0 is invalid for finished job");
        }
        if (has_finished || self.has_changed("startTime")) && self.status("startTime").is_none() {
            errors.required(&STATUS.child("startTime"), "startTime is required for finished job");
        }
        let pods = |list| self.new.list_at(&["status", "uncountedTerminatedPods", list]).len();
        if (has_finished || self.has_changed("uncountedTerminatedPods"))
            && pods("succeeded") + pods("failed") > 0
        {
            const PODS: Shape =
                &[("Succeeded", "succeeded", Form::Nullable), ("Failed", "failed", Form::Nullable)];
            let empty = Value::Null;
            let shown = internal::shown(self.status("uncountedTerminatedPods").unwrap_or(&empty), PODS);
            let why = "uncountedTerminatedPods needs to be empty for finished job";
            errors.invalid(&STATUS.child("uncountedTerminatedPods"), shown, why);
        }
    }

    fn named_indexes(&self, errors: &mut FieldErrors) {
        let spec = self.new.get("spec").unwrap_or(&Value::Null);
        let completions = spec.int_at(&["completions"]);
        let has_limit = present(spec, &["backoffLimitPerIndex"]).is_some();
        let completed = self.text("completedIndexes");
        let failed = self.status("failedIndexes").and_then(Value::as_str);
        let (completed_path, failed_path) = (STATUS.child("completedIndexes"), STATUS.child("failedIndexes"));
        let (new_completed, new_failed) =
            (self.has_changed("completedIndexes"), self.has_changed("failedIndexes"));
        if let (true, Some(completions)) = (new_completed, completions)
            && let Err(why) = indexes::count(completed, completions)
        {
            let why = format!("error parsing completedIndexes: {why}");
            errors.invalid(&completed_path, completed, &why);
        }
        if let (true, true, Some(completions), Some(failed)) = (new_failed, has_limit, completions, failed)
            && let Err(why) = indexes::count(failed, completions)
        {
            errors.invalid(&failed_path, failed, &format!("error parsing failedIndexes: {why}"));
        }
        if new_completed && !completed.is_empty() && !is_indexed(spec) {
            let why = "cannot set non-empty completedIndexes when non-indexed completion mode";
            errors.invalid(&completed_path, completed, why);
        }
        let Some(failed) = failed else { return };
        if new_failed && !has_limit {
            let why = "cannot set non-null failedIndexes when backoffLimitPerIndex is null";
            errors.invalid(&failed_path, failed, why);
        }
        if (new_failed || new_completed)
            && let Some(completions) = completions
            && let Some(index) = indexes::overlap(completed, failed, completions)
        {
            let why = format!("failedIndexes and completedIndexes overlap at index: {index}");
            errors.invalid(&failed_path, failed, &why);
        }
    }

    fn pods(&self, errors: &mut FieldErrors) {
        let terminating = self.int("terminating");
        if (self.has_finished_changed() || self.has_changed("terminating"))
            && terminating > 0
            && is_finished(self.new)
        {
            let path = STATUS.child("terminating");
            errors.invalid(&path, terminating, "terminating>0 is invalid for finished job");
        }
        let ready = self.new.int_at(&["status", "ready"]);
        if (self.has_changed("ready") || self.has_changed("active"))
            && let Some(ready) = ready.filter(|ready| *ready > self.int("active"))
        {
            errors.invalid(&STATUS.child("ready"), ready, "cannot set more ready pods than active");
        }
    }

    fn criteria(&self, errors: &mut FieldErrors) {
        let path = STATUS.child("conditions");
        let is_met = is_true(self.new, "SuccessCriteriaMet");
        for (kind, word) in [("Failed", "Failed"), ("FailureTarget", "FailureTarget")] {
            if is_met && is_true(self.new, kind) {
                let why = format!("cannot set SuccessCriteriaMet=True and {word}=true conditions");
                invalid_whole(&path, &why, errors);
            }
        }
        let has_policy = present(self.new, &["spec", "successPolicy"]).is_some();
        if has_policy && !is_met && is_true(self.new, "Complete") {
            let why = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True";
            invalid_whole(&path, why, errors);
        }
    }

    /// Refuses to give up a state that was reached.
    fn against_old(&self, errors: &mut FieldErrors) {
        let path = STATUS.child("conditions");
        for kind in ["Failed", "Complete", "FailureTarget"] {
            if is_true(self.old, kind) && !is_true(self.new, kind) {
                let why = format!("cannot disable the terminal {kind}=True condition");
                invalid_whole(&path, &why, errors);
            }
        }
        self.counters(errors);
        self.times(errors);
        let is_met = is_true(self.new, "SuccessCriteriaMet");
        let was_met = is_true(self.old, "SuccessCriteriaMet");
        if was_met && !is_met {
            invalid_whole(&path, "cannot disable the SuccessCriteriaMet=True condition", errors);
        }
        if is_true(self.old, "Complete") && !was_met && is_met {
            let why = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions";
            invalid_whole(&path, why, errors);
        }
    }

    /// Indexed jobs that can be scaled down may count fewer successes than before.
    fn counters(&self, errors: &mut FieldErrors) {
        let spec = self.new.get("spec").unwrap_or(&Value::Null);
        let is_elastic =
            is_indexed(spec) && present(spec, &["completions"]) == present(spec, &["parallelism"]);
        for field in ["failed", "succeeded"] {
            let before = self.old.int_at(&["status", field]).unwrap_or(0);
            if self.int(field) < before && !(field == "succeeded" && is_elastic) {
                let why = format!("cannot decrease the {field} counter");
                errors.invalid(&STATUS.child(field), self.int(field), &why);
            }
        }
    }

    fn times(&self, errors: &mut FieldErrors) {
        if let (Some(time), Some(before)) = (self.status("completionTime"), self.old_status("completionTime"))
            && time != before
        {
            errors.invalid(&STATUS.child("completionTime"), time, "field is immutable");
        }
        let is_suspended = self.new.bool_at(&["spec", "suspend"]);
        if self.old_status("startTime").is_some() && self.has_changed("startTime") && !is_suspended {
            let why = "field is immutable for unsuspended job once set";
            let time = self.status("startTime").unwrap_or(&Value::Null);
            errors.invalid(&STATUS.child("startTime"), time, why);
        }
    }
}

fn counts(job: &Value, errors: &mut FieldErrors) {
    let status = job.get("status").unwrap_or(&Value::Null);
    for field in ["active", "succeeded", "failed", "ready", "terminating"] {
        non_negative_field(status, field, &STATUS, errors);
    }
}

/// Pods that ended and are not yet counted: each is named once.
fn uncounted(job: &Value, errors: &mut FieldErrors) {
    let path = STATUS.child("uncountedTerminatedPods");
    let mut seen = Seen::new();
    for list in ["succeeded", "failed"] {
        let path = path.child(list);
        let uids = job.list_at(&["status", "uncountedTerminatedPods", list]);
        for (index, uid) in uids.iter().enumerate() {
            let uid = uid.as_str().unwrap_or("");
            if uid.is_empty() {
                errors.invalid(&path.index(index), "", "must not be empty");
            } else if seen.contains(&uid) {
                errors.duplicate(&path.index(index), uid);
            } else {
                seen.push(uid);
            }
        }
    }
}

/// Whether a condition of the job holds.
pub fn is_true(job: &Value, kind: &str) -> bool {
    let conditions = job.list_at(&["status", "conditions"]);
    conditions.iter().any(|one| one.str_at(&["type"]) == kind && one.str_at(&["status"]) == "True")
}

fn is_finished(job: &Value) -> bool {
    is_true(job, "Complete") || is_true(job, "Failed")
}
