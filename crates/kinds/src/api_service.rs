//! APIService.

use super::{Context, Strategy, cells, keep};
use crate::validation::{NameRule, check, meta};
use pintle_object::field::Shown;
use pintle_object::time::Time;
use pintle_object::{FieldErrors, Path, Value, content};

pub struct APIService;

/// The Service of an aggregated API; none for an API of this server.
pub fn service_of(api: &Value) -> Option<&Value> {
    api.at(&["spec", "service"]).filter(|service| !service.is_null())
}

const SPEC: Path<'static> = Path::root("spec");
const STATUSES: [&str; 3] = ["True", "False", "Unknown"];
const GROUP_PRIORITY_MAX: i64 = 20_000;
const VERSION_PRIORITY_MAX: i64 = 1_000;

impl Strategy for APIService {
    fn prepare_create(&self, object: &mut Value, context: &Context<'_>) {
        object.remove(&["status"]);
        if object.at(&["spec", "service"]).is_none_or(Value::is_null) {
            object.set(&["status", "conditions"], vec![local(context)]);
        }
    }

    fn prepare_status(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "spec");
        for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
            super::keep_at(new, old, &["metadata", field]);
        }
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        metadata(object, errors);
        spec(object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update(new, old, errors);
        self.validate(new, errors);
    }

    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update(new, old, errors);
        let path = Path::root("status.conditions");
        for (index, condition) in new.list_at(&["status", "conditions"]).iter().enumerate() {
            let status = condition.str_at(&["status"]);
            if !STATUSES.contains(&status) {
                errors.not_supported(&path.index(index).child("status"), status, &STATUSES);
            }
        }
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let service = if object.map_at(&["spec", "service"]).is_some() {
            let at = |field: &str| object.str_at(&["spec", "service", field]);
            format!("{}/{}", at("namespace"), at("name"))
        } else {
            String::from("Local")
        };
        vec![
            cells::name(object),
            Value::from(service),
            Value::from(available(object)),
            cells::age(object, now_seconds),
        ]
    }
}

/// An API of this server is always available.
fn local(context: &Context<'_>) -> Value {
    let now = Time { seconds: context.now_seconds, nanos: 0 }.to_seconds_text();
    let fields = [
        ("type", "Available"),
        ("status", "True"),
        ("lastTransitionTime", now.as_str()),
        ("reason", "Local"),
        ("message", "Local APIServices are always available"),
    ];
    Value::Map(fields.into_iter().collect())
}

fn available(object: &Value) -> String {
    let condition = object
        .list_at(&["status", "conditions"])
        .iter()
        .find(|condition| condition.str_at(&["type"]) == "Available");
    match condition.map(|condition| (condition.str_at(&["status"]), condition.str_at(&["reason"]))) {
        None => String::from("Unknown"),
        Some(("True", _)) => String::from("True"),
        Some((status, reason)) => format!("{status} ({reason})"),
    }
}

/// The name says version and group.
fn metadata(object: &Value, errors: &mut FieldErrors) {
    let name = object.str_at(&["metadata", "name"]);
    let wanted = format!("{}.{}", object.str_at(&["spec", "version"]), object.str_at(&["spec", "group"]));
    if !name.is_empty() {
        let path = Path::root("metadata.name");
        let messages = content::path_segment_name(name);
        if messages.is_empty() && name != wanted {
            let quoted = pintle_object::field::quote(&wanted);
            errors.invalid(&path, name, &format!("must be `spec.version+\".\"+spec.group`: {quoted}"));
        }
        check::invalid_all(messages, name, &path, errors);
    }
    meta::validate(object, NameRule::Any, errors);
}

fn spec(object: &Value, errors: &mut FieldErrors) {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let (group, version) = (spec.str_at(&["group"]), spec.str_at(&["version"]));
    if !group.is_empty() {
        check::invalid_all(content::dns1123_subdomain(group), group, &SPEC.child("group"), errors);
    } else if version != "v1" {
        let why = "only v1 may have an empty group and it better be legacy kube";
        errors.required(&SPEC.child("group"), why);
    }
    check::invalid_all(content::dns1035_label(version), version, &SPEC.child("version"), errors);
    for (field, max) in
        [("groupPriorityMinimum", GROUP_PRIORITY_MAX), ("versionPriority", VERSION_PRIORITY_MAX)]
    {
        let priority = spec.int_at(&[field]).unwrap_or(0);
        if priority <= 0 || priority > max {
            let why = format!("must be positive and less than {max}");
            errors.invalid(&SPEC.child(field), priority, &why);
        }
    }
    let bundle = spec.str_at(&["caBundle"]);
    let is_insecure = spec.bool_at(&["insecureSkipTLSVerify"]);
    match check::present(spec, &["service"]) {
        None => {
            if !bundle.is_empty() {
                let bytes = pintle_object::bytes::decode(bundle).map_or(0, |bytes| bytes.len());
                let shown = Shown(format!("\"{bytes} bytes\""));
                errors.invalid(&SPEC.child("caBundle"), shown, "local APIServices may not have a caBundle");
            }
            if is_insecure {
                let why = "local APIServices may not have insecureSkipTLSVerify";
                errors.invalid(&SPEC.child("insecureSkipTLSVerify"), true, why);
            }
        }
        Some(service) => {
            remote(service, errors);
            if is_insecure && !bundle.is_empty() {
                let why = "may not be true if caBundle is present";
                errors.invalid(&SPEC.child("insecureSkipTLSVerify"), true, why);
            }
        }
    }
}

fn remote(service: &Value, errors: &mut FieldErrors) {
    let path = SPEC.child("service");
    for field in ["namespace", "name"] {
        if service.str_at(&[field]).is_empty() {
            errors.required(&path.child(field), "");
        }
    }
    let port = service.int_at(&["port"]).unwrap_or(0);
    let messages = content::port_number(port);
    if !messages.is_empty() {
        let why = format!("port is not valid: {}", messages.join(", "));
        errors.invalid(&path.child("port"), port, &why);
    }
}
