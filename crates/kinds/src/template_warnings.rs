//! Warnings about objects that pods, or jobs, are made from.

use super::Strategy;
use crate::validation::{pod_spec, resources};
use pintle_object::{Path, Value, content};

/// Indexed jobs of more completions than this, with more pods at a time than that, outgrow their status.
const COMPLETIONS_MAX: i64 = 100_000;
const PARALLELISM_MAX: i64 = 10_000;

/// Names end up in hostnames of pods, which are labels.
pub fn name(object: &Value, out: &mut Vec<String>) {
    let messages = content::dns1123_label(object.str_at(&["metadata", "name"]));
    if !messages.is_empty() {
        out.push(format!(
            "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; \
             a DNS label is recommended: [{}]",
            messages.join(" ")
        ));
    }
}

/// Warnings for a kind that makes pods under its own name.
pub fn named(strategy: &dyn Strategy, new: &Value, old: Option<&Value>, out: &mut Vec<String>) {
    if old.is_none() {
        name(new, out);
    }
    raised(strategy, new, old, out);
}

/// Warnings about `spec.template`, unless an update leaves the generation as it is.
pub fn raised(strategy: &dyn Strategy, new: &Value, old: Option<&Value>, out: &mut Vec<String>) {
    if old.is_none_or(|old| strategy.raises_generation(new, old)) {
        of_spec(new, out);
    }
}

/// Warnings about `spec.template`.
pub fn of_spec(object: &Value, out: &mut Vec<String>) {
    if let Some(template) = object.at(&["spec", "template"]) {
        pod_spec::warnings(template, &Path::root("spec.template"), out);
    }
}

/// Warnings about the spec of a job at a path.
pub fn of_job(spec: &Value, path: &Path<'_>, out: &mut Vec<String>) {
    let number = |field: &str| spec.int_at(&[field]).unwrap_or(0);
    if spec.str_at(&["completionMode"]) == "Indexed"
        && number("completions") > COMPLETIONS_MAX
        && number("parallelism") > PARALLELISM_MAX
    {
        out.push(format!(
            "{path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than \
             10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
        ));
    }
    if let Some(template) = spec.get("template") {
        pod_spec::warnings(template, &path.child("template"), out);
    }
}

/// Storage of a claim, whose spec is at a path, is counted in whole bytes.
pub fn of_claim(spec: &Value, path: &Path<'_>, out: &mut Vec<String>) {
    let path = path.child("resources");
    for list in ["requests", "limits"] {
        let Some(amount) = spec.at(&["resources", list, "storage"]) else { continue };
        if !resources::quantity(amount).is_whole() {
            let (path, amount) = (path.child(list), amount.as_str().unwrap_or(""));
            out.push(format!(
                "{path}[storage]: fractional byte value \"{amount}\" is invalid, must be an integer"
            ));
        }
    }
}
