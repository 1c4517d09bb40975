//! The scale subresource: the wanted and actual number of replicas, in one form for all kinds.

use crate::engine::Engine;
use crate::request::write_context::{Answer, WriteContext, WriteResult};
use crate::resource::{ObjectRef, ServedResource};
use crate::write::preconditions;
use crate::write::source::{Scaling, UpdateSource};
use pintle_kinds::custom_resource::{Scale, at};
use pintle_kinds::validation::{self, NameRule, check};
use pintle_object::meta;
use pintle_object::parse_uint;
use pintle_object::selector::LabelSelector;
use pintle_object::time::Time;
use pintle_object::{FieldErrors, GroupKind, GroupVersionKind, Map, Path, Reason, Status, Value};
use pintle_patch::managed::{Managed, scale_managers_to_parent, scale_managers_to_scale};
use pintle_patch::{Tracking, track_update};
use pintle_schema::TypeId;

pub(crate) const API_VERSION: &str = "autoscaling/v1";
const REPLICAS: [&str; 2] = ["spec", "replicas"];

/// The source of the next scale.
pub enum ScaleSource<'a> {
    Body(Value),
    /// Computes the next scale from the current one.
    Patch(&'a ScaleProposal<'a>),
    /// Like a patch, but its new scale has its managers.
    Apply(&'a ScaleProposal<'a>),
}

/// The next scale from the current one; texts of warnings go into the list.
pub type ScaleProposal<'a> = dyn Fn(&Value, &mut Vec<String>) -> Result<Value, Status> + Sync + 'a;

impl Engine {
    /// The scale of an object, given as a tree in the served version.
    pub fn scale(&self, served: &ServedResource, object: &Value) -> Value {
        if let Some(custom) = served.codec.scale() {
            return custom_scale(custom, object);
        }
        let mut scale = bare(object);
        set_replicas(&mut scale, object.int_at(&REPLICAS).unwrap_or(0));
        let replicas = object.int_at(&["status", "replicas"]).unwrap_or(0);
        scale.set(&["status", "replicas"], replicas);
        let selector = selector_text(object.at(&["spec", "selector"]));
        if !selector.is_empty() {
            scale.set(&["status", "selector"], selector);
        }
        scale
    }

    /// A custom resource that does not say how many replicas it wants has no scale to show.
    pub fn check_scale(&self, served: &ServedResource, object: &Value) -> Result<(), Status> {
        let Some(place) = served.codec.scale() else {
            return Ok(());
        };
        if at(object, &place.wanted).is_some() {
            return Ok(());
        }
        let quoted = pintle_object::field::quote(&place.wanted_text);
        Err(Status::internal(format!("the spec replicas field {quoted} does not exist")))
    }

    /// The type of Scale.
    pub(crate) fn scale_type(&self) -> TypeId {
        let gvk = GroupVersionKind::new("autoscaling", "v1", "Scale");
        self.api.kind(&gvk).expect("the tables hold Scale")
    }

    /// Writes the replicas of a scale into its object; the answer is the scale that came of it.
    pub async fn update_scale(
        &self,
        target: ObjectRef<'_>,
        source: ScaleSource<'_>,
        context: &mut WriteContext<'_>,
    ) -> Result<WriteResult, Status> {
        let served = target.served;
        let place = served.codec.scale();
        let replicas: Vec<&str> = match place {
            Some(place) => place.wanted.iter().map(|step| step.as_str()).collect(),
            None => REPLICAS.to_vec(),
        };
        let (manager, now) = (context.manager.clone(), context.now);
        let api_version = served.api_version();
        let write = ScaleWrite { engine: self, target, source, replicas, api_version, manager, now };
        let written = self.replace(target, UpdateSource::Scale(&write), false, context).await?;
        let object = written.into_tree(served)?;
        Ok(WriteResult { answer: Answer::Tree(self.scale(served, &object)), created: false })
    }
}

/// One write of a Scale.
struct ScaleWrite<'a> {
    engine: &'a Engine,
    target: ObjectRef<'a>,
    source: ScaleSource<'a>,
    /// The path of the wanted number of replicas in the object.
    replicas: Vec<&'a str>,
    api_version: String,
    manager: String,
    now: Time,
}

impl Scaling for ScaleWrite<'_> {
    fn propose(&self, current: &Value, warnings: &mut Vec<String>) -> Result<(Value, Value), Status> {
        let managed = Managed::of(current).unwrap_or_default();
        let mut live = self.engine.scale(self.target.served, current);
        scale_managers_to_scale(&managed, &[&self.api_version], &self.replicas).write_to(&mut live);
        let mut next = match &self.source {
            ScaleSource::Body(body) => body.clone(),
            ScaleSource::Patch(patch) | ScaleSource::Apply(patch) => patch(&live, warnings)?,
        };
        if !matches!(self.source, ScaleSource::Apply(_)) {
            let track = |tracking: &Tracking<'_>| track_update(tracking, Some(&live), &mut next);
            self.engine.tracked_scale(&self.manager, self.now, track);
        }
        Ok((live, next))
    }

    fn rescale(&self, current: &Value, next: &Value) -> Result<Value, Status> {
        let mut object = apply(&self.target, &self.replicas, next, current)?;
        let managed = Managed::of(current).unwrap_or_default();
        let of_scale = Managed::of(next).unwrap_or_default();
        let known = [self.api_version.as_str()];
        scale_managers_to_parent(&managed, of_scale, &known, &self.api_version, &self.replicas)
            .write_to(&mut object);
        Ok(object)
    }
}

/// The object with the replicas of a scale, after the checks that a scale must pass.
fn apply(target: &ObjectRef<'_>, path: &[&str], scale: &Value, current: &Value) -> Result<Value, Status> {
    preconditions::check_name(target, scale)?;
    let replicas = scale.int_at(&REPLICAS).unwrap_or(0);
    let mut errors = FieldErrors::new();
    // That of a custom resource is checked with the object.
    if target.served.is_typed() {
        validation::meta::validate_strict(scale, NameRule::Subdomain, &mut errors);
        check::non_negative(replicas, &Path::root("spec.replicas"), &mut errors);
    }
    if !errors.is_empty() {
        return Err(Status::invalid(&GroupKind::new("autoscaling", "Scale"), target.name, errors));
    }
    let version = meta::resource_version(scale);
    if !version.is_empty() {
        let wanted = parse_uint(version).map_err(|why| Status::new(500, Reason::Unknown, why))?;
        if wanted != 0 && version != meta::resource_version(current) {
            return Err(Status::stale(&target.served.group_resource(), target.name));
        }
    }
    let mut object = current.clone();
    object.set(path, replicas);
    Ok(object)
}

/// `spec.replicas` of a Scale leaves zero out; that of the kinds themselves is a pointer and shows it.
fn set_replicas(scale: &mut Value, replicas: i64) {
    if replicas != 0 {
        scale.set(&REPLICAS, replicas);
    }
}

/// The scale of a custom resource, whose definition says where it is.
fn custom_scale(place: &Scale, object: &Value) -> Value {
    let count = |path| at(object, path).and_then(Value::as_i64).unwrap_or(0);
    let mut scale = bare(object);
    set_replicas(&mut scale, count(&place.wanted));
    scale.set(&["status", "replicas"], count(&place.current));
    let selector = if place.selector.is_empty() { None } else { at(object, &place.selector) };
    if let Some(selector) = selector.and_then(Value::as_str).filter(|text| !text.is_empty()) {
        scale.set(&["status", "selector"], selector);
    }
    scale
}

/// A scale without numbers.
fn bare(object: &Value) -> Value {
    let mut scale = Value::map();
    scale.set(&["kind"], "Scale");
    scale.set(&["apiVersion"], API_VERSION);
    scale.set(&["metadata"], Map::new());
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        meta::keep(&mut scale, object, field);
    }
    scale.set(&["spec"], Map::new());
    scale
}

/// A selector as text; a plain map of labels is that of the oldest kind.
fn selector_text(selector: Option<&Value>) -> String {
    let Some(map) = selector.and_then(Value::as_map) else { return String::new() };
    if map.contains("matchLabels") || map.contains("matchExpressions") {
        return LabelSelector::format(selector);
    }
    let pairs: Vec<String> =
        map.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or(""))).collect();
    pairs.join(",")
}
