//! StatefulSet.

use super::{Strategy, cells, deployment, pod, set_default, template_warnings};
use crate::validation::NameRule;
use crate::validation::internal::{self, Form, Shape};
use crate::validation::workload::{self, SPEC};
use crate::validation::{check, claim, int_or_percent, meta, pod_spec};
use pintle_object::{FieldErrors, Map, Path, Value, content};

pub struct StatefulSet;

impl Strategy for StatefulSet {
    fn default(&self, object: &mut Value) {
        pod::default_template(object, &["spec", "template"]);
        if object.map_at(&["spec"]).is_some() && object.str_at(&["spec", "updateStrategy", "type"]).is_empty()
        {
            object.set(&["spec", "updateStrategy", "type"], "RollingUpdate");
            set_default(object, &["spec", "updateStrategy"], "rollingUpdate", Map::new());
        }
        if object.str_at(&["spec", "updateStrategy", "type"]) == "RollingUpdate" {
            set_default(object, &["spec", "updateStrategy", "rollingUpdate"], "partition", 0);
        }
        self.restore(object);
    }

    /// Restores the kinds of claims, which are whole objects within the spec: protobuf does not keep them.
    fn restore(&self, object: &mut Value) -> bool {
        let claims = object.at_mut(&["spec", "volumeClaimTemplates"]).and_then(Value::as_list_mut);
        for claim in claims.into_iter().flatten() {
            claim.set(&["kind"], "PersistentVolumeClaim");
            claim.set(&["apiVersion"], "v1");
        }
        true
    }

    fn name_rule(&self) -> NameRule {
        NameRule::Label
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, self.name_rule(), errors);
        let spec = object.get("spec").unwrap_or(&Value::Null);
        validate_spec(spec, true, errors);
        let service = spec.str_at(&["serviceName"]);
        if !service.is_empty() {
            check::invalid_all(content::dns1123_label(service), service, &SPEC.child("serviceName"), errors);
        }
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        validate_spec(new.get("spec").unwrap_or(&Value::Null), false, errors);
        keep_spec(new, old, errors);
    }

    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        const FIELDS: [&str; 7] = [
            "replicas",
            "readyReplicas",
            "currentReplicas",
            "updatedReplicas",
            "availableReplicas",
            "observedGeneration",
            "collisionCount",
        ];
        const PARTS: [&str; 4] = ["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"];
        meta::validate_update_strict(new, old, errors);
        workload::status(new, &FIELDS, &PARTS, "status.readyReplicas", errors);
        workload::collisions(new, old, errors);
    }

    fn warnings(&self, new: &Value, old: Option<&Value>, out: &mut Vec<String>) {
        template_warnings::raised(self, new, old, out);
        for (place, claim) in new.list_at(&["spec", "volumeClaimTemplates"]).iter().enumerate() {
            let path = SPEC.child("volumeClaimTemplates");
            let path = path.index(place);
            // Upstream shows a field of Go here.
            let spec = path.child("Spec");
            let path = if old.is_some() { &spec } else { &path };
            template_warnings::of_claim(claim.get("spec").unwrap_or(&Value::Null), path, out);
        }
        if new.int_at(&["spec", "revisionHistoryLimit"]).is_some_and(|limit| limit < 0) {
            out.push(String::from(
                "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended",
            ));
        }
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let [names, images] = cells::containers(object, &["spec", "template", "spec"]);
        vec![cells::name(object), deployment::ready(object), cells::age(object, now_seconds), names, images]
    }
}

/// Fields of the spec that an update may change.
const MUTABLE: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

fn keep_spec(new: &Value, old: &Value, errors: &mut FieldErrors) {
    let rest = |object: &Value| {
        let mut spec = object.get("spec").cloned().unwrap_or_default();
        for field in MUTABLE {
            spec.remove(&[field]);
        }
        spec
    };
    if rest(new) != rest(old) {
        let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
        errors.forbidden(&SPEC, why);
    }
}

fn validate_spec(spec: &Value, is_new: bool, errors: &mut FieldErrors) {
    match spec.str_at(&["podManagementPolicy"]) {
        "" => errors.required(&SPEC.child("podManagementPolicy"), ""),
        "OrderedReady" | "Parallel" => {}
        other => {
            let why = "must be 'OrderedReady' or 'Parallel'";
            errors.invalid(&SPEC.child("podManagementPolicy"), other, why);
        }
    }
    update_strategy(spec, &SPEC.child("updateStrategy"), errors);
    let retention = spec.get("persistentVolumeClaimRetentionPolicy").filter(|policy| !policy.is_null());
    if let Some(retention) = retention {
        let path = SPEC.child("persistentVolumeClaimRetentionPolicy");
        for field in ["whenDeleted", "whenScaled"] {
            let word = retention.str_at(&[field]);
            if !matches!(word, "Retain" | "Delete") {
                errors.not_supported(&path.child(field), word, &["Retain", "Delete"]);
            }
        }
    }
    check::non_negative_field(spec, "replicas", &SPEC, errors);
    check::non_negative_field(spec, "minReadySeconds", &SPEC, errors);
    if let Some(ordinals) = check::present(spec, &["ordinals"]) {
        check::non_negative_field(ordinals, "start", &SPEC.child("ordinals"), errors);
    }
    let claims = SPEC.child("volumeClaimTemplates");
    let templates = if is_new { spec.list_at(&["volumeClaimTemplates"]) } else { &[] };
    for (index, template) in templates.iter().enumerate() {
        let path = claims.index(index);
        let inner = template.get("spec").unwrap_or(&Value::Null);
        claim::spec(inner, None, &path.child("spec"), errors);
    }
    let template = spec.get("template").unwrap_or(&Value::Null);
    if let Some(selector) = workload::selector(spec, true, "statefulset", "", errors) {
        if !selector.is_everything() {
            workload::matches(&selector, template, errors);
        }
        let path = SPEC.child("template");
        meta::labels(template, &path, errors);
        meta::annotations(template, &path, errors);
        pod_spec::pod_annotations(template, &path.child("annotations"), errors);
        pod_spec::template(&with_claims(template, spec), &path, errors);
    }
    workload::always_restarts(template, "StatefulSet", errors);
}

/// The template with a volume for every claim that each pod gets.
fn with_claims(template: &Value, spec: &Value) -> Value {
    let mut template = template.clone();
    let mut volumes = template.list_at(&["spec", "volumes"]).to_vec();
    for claim in spec.list_at(&["volumeClaimTemplates"]) {
        let name = claim.str_at(&["metadata", "name"]);
        volumes.retain(|volume| volume.str_at(&["name"]) != name);
        let mut volume = Value::map();
        volume.set(&["name"], name);
        volume.set(&["persistentVolumeClaim", "claimName"], name);
        volumes.push(volume);
    }
    if !volumes.is_empty() {
        template.set(&["spec", "volumes"], volumes);
    }
    template
}

fn update_strategy(spec: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    const ROLLING: Shape =
        &[("Partition", "partition", Form::Int), ("MaxUnavailable", "maxUnavailable", Form::Nullable)];
    const STRATEGY: Shape =
        &[("Type", "type", Form::Text), ("RollingUpdate", "rollingUpdate", Form::Pointer(ROLLING))];
    let strategy = spec.get("updateStrategy").unwrap_or(&Value::Null);
    let rolling_path = path.child("rollingUpdate");
    let rolling = check::present(strategy, &["rollingUpdate"]);
    match (strategy.str_at(&["type"]), rolling) {
        ("", _) => errors.required(path, ""),
        ("OnDelete", Some(rolling)) => {
            let bad = internal::shown(rolling, ROLLING);
            errors.invalid(&rolling_path, bad, "only allowed for updateStrategy 'RollingUpdate'");
        }
        ("OnDelete", None) | ("RollingUpdate", None) => {}
        ("RollingUpdate", Some(rolling)) => {
            check::non_negative_field(rolling, "partition", &rolling_path, errors);
            if let Some(unavailable) = check::present(rolling, &["maxUnavailable"]) {
                let path = rolling_path.child("maxUnavailable");
                int_or_percent::non_negative(unavailable, &path, errors);
                if super::deployment::amount(unavailable) == 0 {
                    errors.invalid(&path, unavailable, "cannot be 0");
                }
                int_or_percent::at_most_all(unavailable, &path, errors);
            }
        }
        _ => {
            let bad = internal::shown(strategy, STRATEGY);
            errors.invalid(path, bad, "must be 'RollingUpdate' or 'OnDelete'");
        }
    }
}
