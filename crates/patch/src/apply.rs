//! Server-side apply: an object is the sum of its managers' configurations (KEP-555).
//!
//! ```text
//! live     {data: {a: 1, b: 2, c: 3}}     kubectl owns a and b, helm owns c
//! config   {data: {a: 9}}                 applied by kubectl
//! result   {data: {a: 9, c: 3}}           kubectl owns a: b was given up and is removed
//! ```

use crate::fields::{ElementPath, FieldSet};
use crate::managed::{
    Differences, Entry, Managed, ManagedOperation, Tracking, UNTRACKED, misfit, reconcile_managers, update,
};
use crate::tree::{tree, untyped};
use crate::typed::{check, compare, fields_of, merge, named_fields_as_members, remove};
use pintle_object::{Cause, Text, Value, json};
use pintle_schema::decode::zero;
use pintle_schema::model::TypeId;

/// The manager whose client-side apply annotation is taken over and kept up to date.
const KUBECTL: &str = "kubectl";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The manager of fields from before the first tracked write.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";
/// The most that all annotations of an object may hold, in bytes.
const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;
/// The bytes of conflicting paths in one answer.
const CONFLICTS_BYTES_MAX: usize = 128 * 1024;

/// The reason why a configuration cannot be applied.
#[derive(Clone, Debug, PartialEq)]
pub enum ApplyError {
    /// 400: the configuration is not one.
    BadRequest(String),
    /// 409: others own fields that it sets to other values; sorted by manager.
    Conflict(Vec<Conflict>),
    /// The same, with more conflicts than are listed.
    ManyConflicts(Vec<Conflict>),
    /// 500, with the message: the configuration does not fit its type, or the live object cannot be merged.
    Unmergeable(String),
}

/// A field that another manager owns.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    /// Upstream's identifier of the manager, by which conflicts are sorted.
    identifier: String,
    /// `"kubectl" with subresource "status" using apps/v1`
    pub manager: String,
    pub path: ElementPath,
}

impl Conflict {
    fn with(entry: &Entry, path: ElementPath) -> Conflict {
        Conflict { identifier: entry.identifier(), manager: entry.describe(), path }
    }
}

impl ApplyError {
    pub fn message(&self) -> String {
        match self {
            ApplyError::BadRequest(message) | ApplyError::Unmergeable(message) => message.clone(),
            ApplyError::Conflict(conflicts) => conflict_message(conflicts),
            ApplyError::ManyConflicts(conflicts) => format!("{}\n- and more", conflict_message(conflicts)),
        }
    }

    /// One cause for each conflict.
    pub fn causes(&self) -> Vec<Cause> {
        let (ApplyError::Conflict(conflicts) | ApplyError::ManyConflicts(conflicts)) = self else {
            return Vec::new();
        };
        let cause = |conflict: &Conflict| Cause {
            reason: "FieldManagerConflict".into(),
            message: format!("conflict with {}", conflict.manager),
            field: conflict.path.to_string(),
        };
        conflicts.iter().map(cause).collect()
    }
}

fn conflict_message(conflicts: &[Conflict]) -> String {
    if let [only] = conflicts {
        return format!("Apply failed with 1 conflict: conflict with {}: {}", only.manager, only.path);
    }
    let mut lines = Vec::new();
    for of_manager in conflicts.chunk_by(|a, b| a.identifier == b.identifier) {
        lines.extend(of_manager.first().map(|first| format!("conflicts with {}:", first.manager)));
        lines.extend(of_manager.iter().map(|conflict| format!("- {}", conflict.path)));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

/// Applies a configuration (an untyped tree) to the live object (in canonical form, in the request's version;
/// `None` creates it).
///
/// The result is an untyped tree with `metadata.managedFields` set: the caller brings it into canonical form and
/// fills in defaults, and does not track the write a second time. Call `keep_times_of_noop` before comparing it
/// with the stored object.
pub fn apply(
    tracking: &Tracking<'_>,
    live: Option<&Value>,
    config: &Value,
    force: bool,
) -> Result<Value, ApplyError> {
    check_config(tracking, config)?;
    let managed = live.map(Managed::of).unwrap_or_else(|| Ok(Managed::default()));
    let managed =
        managed.map_err(|why| ApplyError::Unmergeable(format!("failed to decode managed fields: {why}")))?;
    let mut live = match live {
        Some(live) => untyped(live),
        None => zero(tracking.schema, tracking.ty),
    };
    live.remove(&["metadata", "managedFields"]);
    let mut managed = if managed.is_empty() { before_first_apply(tracking, &live)? } else { managed };
    if let Some(why) = check(tracking.schema, tracking.ty, config, false) {
        let about = about(config);
        return Err(ApplyError::Unmergeable(format!("failed to create typed patch object ({about}): {why}")));
    }
    if let Some(why) = check(tracking.schema, tracking.ty, &live, true) {
        let about = about(&live);
        return Err(ApplyError::Unmergeable(format!("failed to create typed live object ({about}): {why}")));
    }
    reconcile_managers(tracking, &live, &mut managed).map_err(ApplyError::Unmergeable)?;
    let write = Apply { tracking, live: &live, config };
    let mut applied = write.run_as_kubectl(managed, force)?;
    write.keep_last_applied(&mut applied.object);
    applied.managed.write_to(&mut applied.object);
    Ok(applied.object)
}

fn check_config(tracking: &Tracking<'_>, config: &Value) -> Result<(), ApplyError> {
    let version = config.str_at(&["apiVersion"]);
    if version != tracking.api_version {
        return Err(ApplyError::BadRequest(format!("invalid object type: {}", gvk(config))));
    }
    if matches!(config.at(&["metadata", "managedFields"]), Some(Value::List(_))) {
        return Err(ApplyError::BadRequest("metadata.managedFields must be nil".into()));
    }
    Ok(())
}

/// Gives the existing fields to a manager of their own, so that an apply does not take them.
fn before_first_apply(tracking: &Tracking<'_>, live: &Value) -> Result<Managed, ApplyError> {
    let tracking = Tracking { manager: BEFORE_FIRST_APPLY, ..*tracking };
    let nothing = zero(tracking.schema, tracking.ty);
    let owned = match misfit(&tracking, &nothing, live) {
        Some(why) => Err(why),
        None => update(&tracking, &nothing, live, Managed::default()),
    };
    owned.map_err(|why| {
        ApplyError::Unmergeable(format!("failed to create manager for existing fields: {why}"))
    })
}

/// One apply to one live object, whose managed fields are kept apart from it.
struct Apply<'a> {
    tracking: &'a Tracking<'a>,
    live: &'a Value,
    config: &'a Value,
}

struct Applied {
    object: Value,
    managed: Managed,
}

impl Apply<'_> {
    /// kubectl takes over the fields that it set before by client-side apply.
    fn run_as_kubectl(&self, managed: Managed, force: bool) -> Result<Applied, ApplyError> {
        let is_kubectl = self.tracking.manager == KUBECTL;
        if !is_kubectl {
            return self.run(managed, force);
        }
        let conflicts = match self.run(managed.clone(), force) {
            Err(ApplyError::Conflict(conflicts)) => conflicts,
            other => return other,
        };
        let Some(allowed) = self.last_applied_fields() else { return Err(ApplyError::Conflict(conflicts)) };
        let left: Vec<Conflict> =
            conflicts.into_iter().filter(|conflict| !allowed.has(&conflict.path.0)).collect();
        if left.is_empty() { self.run(managed, true) } else { Err(ApplyError::Conflict(left)) }
    }

    fn run(&self, mut managed: Managed, force: bool) -> Result<Applied, ApplyError> {
        let unmergeable = |what: &str, why: String| ApplyError::Unmergeable(format!("{what}: {why}"));
        let tracking = self.tracking;
        let merged = merge(tracking.schema, tracking.ty, self.live, self.config)
            .map_err(|why| unmergeable("failed to merge config", why))?;
        let set = fields_of(tracking.schema, tracking.ty, self.config)
            .map_err(|why| unmergeable("failed to get field set", why))?;
        let mut own = self.entry(tracking.filter.apply(set));
        let last = managed.take(&own);
        let pruned = self
            .prune(&merged, &managed, &own, last.as_ref())
            .map_err(|why| unmergeable("failed to prune fields", why))?;
        let mut managed = self.disown(&pruned, managed, force)?;
        own.fields.subtract_fields(UNTRACKED);
        let is_changed = !is_same(self.live, &pruned);
        own.time = match (is_changed, last) {
            (true, _) => Some(Text::from(tracking.now.to_seconds_text())),
            (false, last) => last.and_then(|last| last.time),
        };
        if !own.fields.is_empty() {
            managed.put(own);
        }
        let object = if is_changed { pruned } else { self.live.clone() };
        Ok(Applied { object, managed })
    }

    fn entry(&self, fields: FieldSet) -> Entry {
        Entry {
            manager: if self.tracking.manager.is_empty() {
                "unknown".into()
            } else {
                self.tracking.manager.into()
            },
            operation: ManagedOperation::Apply,
            api_version: self.tracking.api_version.into(),
            subresource: self.tracking.subresource.into(),
            time: None,
            fields,
        }
    }

    /// Takes changed fields from the other managers, or returns the conflicts.
    fn disown(&self, new: &Value, managed: Managed, force: bool) -> Result<Managed, ApplyError> {
        let unmergeable = |why: String| ApplyError::Unmergeable(format!("failed to compare objects: {why}"));
        let mut differences = Differences::new(self.tracking, self.live, new).map_err(unmergeable)?;
        let (mut conflicts, mut bytes_left) = (Vec::new(), CONFLICTS_BYTES_MAX);
        let mut kept = Managed::default();
        for mut entry in managed.entries {
            let Some(difference) = differences.at(&entry.api_version).map_err(unmergeable)? else { continue };
            if !difference.is_same() {
                let taken = entry.fields.intersection(&difference.taken());
                if !force {
                    let paths = taken.paths_within(&mut bytes_left);
                    conflicts.extend(paths.into_iter().map(|path| Conflict::with(&entry, path)));
                }
                difference.take_from(&mut entry.fields);
            }
            if !entry.fields.is_empty() {
                kept.entries.push(entry);
            }
        }
        if bytes_left == 0 || !conflicts.is_empty() {
            conflicts.sort_by(|a, b| a.identifier.cmp(&b.identifier));
            return Err(match bytes_left {
                0 => ApplyError::ManyConflicts(conflicts),
                _ => ApplyError::Conflict(conflicts),
            });
        }
        Ok(kept)
    }

    /// Removes fields that the manager applied last time and not this time, and no other owns.
    fn prune(
        &self,
        merged: &Value,
        others: &Managed,
        own: &Entry,
        last: Option<&Entry>,
    ) -> Result<Value, String> {
        let Some(last) = last.filter(|last| !last.fields.is_empty()) else { return Ok(merged.clone()) };
        // Without a field that is given up, nothing is removed.
        if last.api_version == own.api_version && last.fields.difference(&own.fields).is_empty() {
            return Ok(merged.clone());
        }
        let Some((ty, at_last)) = self.tracking.convert(merged, &last.api_version)? else {
            return Ok(merged.clone());
        };
        let named = self.named(ty, &last.fields);
        let mut pruned = remove(self.tracking.schema, ty, &at_last, &named);
        for (version, owned) in owned_by_version(others, own, &last.api_version) {
            pruned = self.add_back_owned(merged, pruned, &last.api_version, &version, &owned)?;
        }
        let after = self.named(ty, &fields_of(self.tracking.schema, ty, &pruned)?);
        let before = self.named(ty, &fields_of(self.tracking.schema, ty, &at_last)?);
        let given_up = before.difference(&after).intersection(&named);
        let pruned = remove(self.tracking.schema, ty, &at_last, &given_up);
        Ok(self.back(pruned, &last.api_version))
    }

    /// Keeps the fields that managers own in a version; `pruned` is in the version of the last apply, and stays in it.
    fn add_back_owned(
        &self,
        merged: &Value,
        pruned: Value,
        at: &str,
        version: &str,
        owned: &FieldSet,
    ) -> Result<Value, String> {
        let Some((ty, merged)) = self.tracking.convert(merged, version)? else { return Ok(pruned) };
        let shown = self.between(&pruned, at, version);
        let Some(shown) = shown else { return Ok(pruned) };
        let schema = self.tracking.schema;
        let before = self.named(ty, &fields_of(schema, ty, &merged)?);
        let after = self.named(ty, &fields_of(schema, ty, &shown)?);
        let removed = before.difference(&after.union(&self.named(ty, owned)));
        let kept = remove(schema, ty, &merged, &removed);
        Ok(self.between(&kept, version, at).unwrap_or(pruned))
    }

    fn named(&self, ty: TypeId, set: &FieldSet) -> FieldSet {
        named_fields_as_members(self.tracking.schema, ty, set)
    }

    fn between(&self, object: &Value, from: &str, to: &str) -> Option<Value> {
        if from == to {
            return Some(object.clone());
        }
        let converted = self.tracking.versions.convert(object, from, to).ok()?;
        converted.map(|(_, object)| object)
    }

    fn back(&self, object: Value, from: &str) -> Value {
        self.between(&object, from, self.tracking.api_version).unwrap_or(object)
    }

    /// The fields that client-side apply set last and that still are as it set them.
    fn last_applied_fields(&self) -> Option<FieldSet> {
        let text = self.live.str_at(&["metadata", "annotations", LAST_APPLIED]);
        let last = json::parse(text.as_bytes()).ok()?;
        if last.str_at(&["apiVersion"]) != self.tracking.api_version {
            return None;
        }
        let (schema, ty) = (self.tracking.schema, self.tracking.ty);
        if check(schema, ty, &last, false).is_some() || check(schema, ty, self.live, false).is_some() {
            return None;
        }
        let difference = compare(schema, ty, &last, self.live).ok()?;
        let mut fields = fields_of(schema, ty, &last).ok()?;
        difference.take_from(&mut fields);
        Some(fields)
    }

    /// Updates the annotation of client-side apply after kubectl's server-side apply, so that kubectl can go back.
    fn keep_last_applied(&self, object: &mut Value) {
        let path = ["metadata", "annotations", LAST_APPLIED];
        if self.tracking.manager != KUBECTL || object.str_at(&path).is_empty() {
            return;
        }
        let mut config = self.config.clone();
        config.remove(&path);
        object.set(&path, format!("{}\n", json::to_string(&config)));
        let annotations = object.map_at(&["metadata", "annotations"]).into_iter().flat_map(|map| map.iter());
        let bytes: usize =
            annotations.map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
        if bytes > ANNOTATIONS_BYTES_MAX {
            object.remove(&path);
        }
    }
}

/// Fields of the managers by version, that of the last apply first: fields pruned there may be needed to convert.
fn owned_by_version(others: &Managed, own: &Entry, first: &str) -> Vec<(Text, FieldSet)> {
    let mut owned: Vec<(Text, FieldSet)> = Vec::new();
    for entry in others.entries.iter().chain([own]) {
        match owned.iter_mut().find(|(version, _)| *version == entry.api_version) {
            Some((_, set)) => set.absorb(entry.fields.clone()),
            None => owned.push((entry.api_version.clone(), entry.fields.clone())),
        }
    }
    owned.sort_by_key(|(version, _)| version != first);
    owned
}

/// Whether two trees are the same; numbers are compared by value.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Raw(_), _) | (_, Value::Raw(_)) => *tree(a) == *tree(b),
        (Value::Int(int), Value::Float(float)) | (Value::Float(float), Value::Int(int)) => {
            *int as f64 == *float
        }
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len()
                && a.iter().zip(b.iter()).all(|((key_a, a), (key_b, b))| key_a == key_b && is_same(a, b))
        }
        _ => a == b,
    }
}

/// The name of an object in messages: `namespace/name; apps/v1, Kind=Deployment`.
pub fn about(object: &Value) -> String {
    let (namespace, name) = (object.str_at(&["metadata", "namespace"]), object.str_at(&["metadata", "name"]));
    format!("{namespace}/{name}; {}", gvk(object))
}

/// `apps/v1, Kind=Deployment`, and `/v1, Kind=Pod` for the core group.
pub fn gvk(object: &Value) -> String {
    let version = object.str_at(&["apiVersion"]);
    let slash = if version.contains('/') { "" } else { "/" };
    format!("{slash}{version}, Kind={}", object.str_at(&["kind"]))
}

#[cfg(test)]
mod tests;
