//! CronJob: its schedule, its time zone, and the jobs that it makes.

mod schedule;

use super::check::{self, non_negative_field, present};
use super::job;
use pintle_object::{FieldErrors, Path, Value};

const SPEC: Path<'static> = Path::root("spec");

/// A job's name is the cron job's and a suffix of eleven letters, and no longer than a label.
const NAME_LEN_MAX: usize = 52;
/// A part of a time zone's name.
const ZONE_PART_LEN_MAX: usize = 14;

/// Names of time zones, one a line: those of the IANA database.
const ZONES: &str = include_str!("zones.txt");

/// The jobs of a new cron job must be nameable.
pub fn name(object: &Value, errors: &mut FieldErrors) {
    let name = object.str_at(&["metadata", "name"]);
    if name.len() > NAME_LEN_MAX {
        errors.invalid(&Path::root("metadata.name"), name, "must be no more than 52 characters");
    }
}

/// All errors of a spec; errors that the old one had already are allowed.
pub fn spec(object: &Value, old: Option<&Value>, errors: &mut FieldErrors) {
    let null = Value::Null;
    let spec = object.get("spec").unwrap_or(&null);
    let before = old.map(|old| old.get("spec").unwrap_or(&null));
    schedule(spec, before, errors);
    non_negative_field(spec, "startingDeadlineSeconds", &SPEC, errors);
    let zone = |spec: &Value| present(spec, &["timeZone"]).and_then(Value::as_str).map(String::from);
    let new = zone(spec);
    if let Some(name) = new.as_deref().filter(|_| before.map(zone) != Some(new.clone())) {
        time_zone(name, &SPEC.child("timeZone"), errors);
    }
    concurrency(spec, &SPEC.child("concurrencyPolicy"), errors);
    let template = spec.get("jobTemplate").unwrap_or(&null);
    job::template(template, &SPEC.child("jobTemplate"), errors);
    for field in ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        check::non_negative_field(spec, field, &SPEC, errors);
    }
}

fn schedule(spec: &Value, before: Option<&Value>, errors: &mut FieldErrors) {
    let path = SPEC.child("schedule");
    let text = spec.str_at(&["schedule"]);
    if text.is_empty() {
        errors.required(&path, "");
        return;
    }
    if let Err(why) = schedule::check(text, is_zone) {
        errors.invalid(&path, text, &why);
    }
    if !text.contains("TZ") {
        return;
    }
    let had_zone = before.is_some_and(|before| before.str_at(&["schedule"]).contains("TZ"));
    if !had_zone {
        let why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        errors.invalid(&path, text, why);
    } else if present(spec, &["timeZone"]).is_some() {
        let why = "cannot use both timeZone field and TZ or CRON_TZ in schedule";
        errors.invalid(&path, text, why);
    }
}

fn concurrency(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    match spec.str_at(&["concurrencyPolicy"]) {
        "Allow" | "Forbid" | "Replace" => {}
        "" => errors.required(path, ""),
        other => errors.not_supported(path, other, &["Allow", "Forbid", "Replace"]),
    }
}

fn time_zone(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if name.is_empty() {
        errors.invalid(path, "", "timeZone must be nil or non-empty string");
        return;
    }
    let unknown = format!("unknown time zone {name}");
    if !name.split('/').all(is_zone_part) {
        errors.invalid(path, name, &unknown);
        return;
    }
    if name.eq_ignore_ascii_case("Local") {
        let why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        errors.invalid(path, name, why);
    }
    if !is_zone(name) {
        errors.invalid(path, name, &unknown);
    }
}

fn is_zone_part(part: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte);
    !matches!(part, "" | "." | "..")
        && !part.starts_with('-')
        && part.len() <= ZONE_PART_LEN_MAX
        && part.bytes().all(is_letter)
}

/// Whether Go finds a time zone by this name.
fn is_zone(name: &str) -> bool {
    matches!(name, "" | "UTC" | "Local") || ZONES.lines().any(|zone| zone == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_zones_are_those_of_the_database() {
        let cases = [
            ("Europe/Berlin", 0),
            ("Etc/UTC", 0),
            ("", 1),
            ("Local", 1),
            ("local", 2),
            ("europe/berlin", 1),
            ("/etc/passwd", 1),
            ("../x", 1),
            ("Mars/Base", 1),
        ];
        for (name, expected) in cases {
            let mut errors = FieldErrors::new();
            time_zone(name, &SPEC, &mut errors);
            assert_eq!(errors.len(), expected, "{name}");
        }
    }
}
