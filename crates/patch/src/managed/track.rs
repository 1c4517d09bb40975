//! Assigns the changes of a write that is not an apply to its manager.

use super::cap::cap;
use super::entries::{Entry, Managed, ManagedOperation};
use super::filter::Filter;
use crate::fields::FieldSet;
use crate::typed::{Comparison, check, check_unlike, compare, fit_where_unlike, reconcile};
use pintle_object::field::is_printable;
use pintle_object::time::Time;
use pintle_object::{Text, Value};
use pintle_schema::decode::zero;
use pintle_schema::model::{Schema, TypeId};

/// A write, as far as managed fields are concerned.
#[derive(Clone, Copy)]
pub struct Tracking<'a> {
    pub schema: &'a Schema,
    /// The type of the object in the request's version.
    pub ty: TypeId,
    /// The request's version: `v1`, `apps/v1`.
    pub api_version: &'a str,
    /// Empty for the object itself.
    pub subresource: &'a str,
    /// See `manager_name`; empty becomes `unknown`.
    pub manager: &'a str,
    /// Leaves out the fields that this write resets anyway.
    pub filter: &'a Filter,
    pub versions: &'a dyn Versions,
    pub now: Time,
}

/// Shows an object in the versions that its managers wrote in.
pub trait Versions {
    /// An object of one version in another version of its kind, and its type there; `None` when that version is
    /// not served. An error makes the fields of all managers uncertain.
    fn convert(&self, object: &Value, from: &str, to: &str) -> Result<Option<(TypeId, Value)>, String>;
}

/// For kinds with one version only.
impl Versions for () {
    fn convert(&self, _: &Value, _: &str, _: &str) -> Result<Option<(TypeId, Value)>, String> {
        Ok(None)
    }
}

/// The manager of a request: its `fieldManager`, or else the product that its User-Agent names first.
///
/// `kubectl/v1.36.0 (linux/amd64)` is `kubectl`; unprintable characters are left out, and the length is at most 128
/// bytes.
pub fn manager_name(field_manager: &str, user_agent: &str) -> String {
    const LEN_MAX: usize = 128;
    if !field_manager.is_empty() {
        return field_manager.into();
    }
    let product = user_agent.split('/').next().unwrap_or("");
    let mut name = String::with_capacity(product.len().min(LEN_MAX));
    for letter in product.chars().filter(|letter| is_printable(*letter)) {
        if name.len() + letter.len_utf8() > LEN_MAX {
            break;
        }
        name.push(letter);
    }
    name
}

/// Sets `new`'s `metadata.managedFields` for a create, update or patch (other than apply) by a manager.
///
/// `old` is the live object (`None` on create) and `new` what is to become of it, both in canonical form, in the
/// request's version, with defaults filled in. Upstream calls it after decoding, defaulting and patching, and
/// *before* mutating admission and before the kind's own preparation: what a kind clears or allocates is not the
/// manager's. `new`'s own managed fields, when they are given and sound, replace the live ones first; an empty
/// list or one empty entry clears them. An object that has none and exists stays without.
///
/// It never fails: when the object does not fit its type (items of a list that have no key) or its versions cannot
/// be compared, it has no managed fields any more, so that none of them are wrong.
pub fn track_update(tracking: &Tracking<'_>, old: Option<&Value>, new: &mut Value) {
    if old.is_some_and(|old| is_settled(tracking, old, new)) {
        return;
    }
    let managed = live_or_new(tracking, old, new);
    new.remove(&["metadata", "managedFields"]);
    let exists = old.is_some_and(|old| !old.str_at(&["metadata", "uid"]).is_empty());
    if managed.is_empty() && exists {
        return;
    }
    let fits = fits(tracking, old, new);
    let nothing = if old.is_none() { zero(tracking.schema, tracking.ty) } else { Value::Null };
    let old = old.unwrap_or(&nothing);
    let managed = if fits { update(tracking, old, new, managed) } else { Ok(Managed::default()) };
    managed.unwrap_or_default().write_to(new);
}

/// Whether the fields of both objects can be compared.
///
/// Objects of built-in types, which have a name, were decoded by them: a new one fits, and an update is looked at
/// where it changes something. Objects of custom resources are whatever their schema once let in.
fn fits(tracking: &Tracking<'_>, old: Option<&Value>, new: &Value) -> bool {
    let (schema, ty) = (tracking.schema, tracking.ty);
    let is_built_in = !schema.ty(ty).name.is_empty();
    match old {
        None if is_built_in => true,
        Some(old) if is_built_in => fit_where_unlike(schema, ty, new, old),
        old => misfit(tracking, old.unwrap_or(&Value::Null), new).is_none(),
    }
}

/// Whether nothing changes, so that managers stay as they are: most writes of controllers are so, and need no set
/// of fields to be read.
fn is_settled(tracking: &Tracking<'_>, old: &Value, new: &Value) -> bool {
    let entries = old.list_at(&["metadata", "managedFields"]);
    let is_own_version = |entry: &Value| entry.str_at(&["apiVersion"]) == tracking.api_version;
    !entries.is_empty() && entries.iter().all(is_own_version) && old == new
}

/// The error when the fields of two objects cannot be compared.
pub(crate) fn misfit(tracking: &Tracking<'_>, old: &Value, new: &Value) -> Option<String> {
    let (schema, ty) = (tracking.schema, tracking.ty);
    check(schema, ty, new, true).or_else(|| check_unlike(schema, ty, old, new))
}

/// The managed fields to start from: those of the request where it may and does give them, else the live ones.
fn live_or_new(tracking: &Tracking<'_>, old: Option<&Value>, new: &Value) -> Managed {
    let live = || old.and_then(|old| Managed::of(old).ok()).unwrap_or_default();
    if !tracking.subresource.is_empty() {
        return live();
    }
    if is_reset(new) {
        return Managed::default();
    }
    match Managed::of(new) {
        Ok(managed) if !managed.is_empty() => managed,
        _ => live(),
    }
}

/// Whether the request clears the managed fields: `[]` or `[{}]`.
fn is_reset(new: &Value) -> bool {
    match new.at(&["metadata", "managedFields"]).and_then(Value::as_list) {
        Some([]) => true,
        Some([one]) => one.as_map().is_some_and(|map| map.values().all(is_empty_text)),
        _ => false,
    }
}

fn is_empty_text(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

/// One update of objects that fit their type: the manager gets the changed fields, and all others lose them.
pub(crate) fn update(
    tracking: &Tracking<'_>,
    old: &Value,
    new: &Value,
    mut managed: Managed,
) -> Result<Managed, String> {
    reconcile_managers(tracking, old, &mut managed)?;
    let mut versions = Differences::new(tracking, old, new)?;
    let mut managed = disown(&mut versions, managed)?;
    let mut own = versions.own.added;
    own.absorb(versions.own.modified);
    own.subtract_fields(UNTRACKED);
    if !own.is_empty() {
        let mut entry = tracking.entry(own);
        if let Some(previous) = managed.take(&entry) {
            entry.fields.absorb(previous.fields);
        }
        managed.put(entry);
    }
    cap(&mut managed);
    Ok(managed)
}

/// Brings the fields of managers in line with types that changed since, each in its own version.
pub(crate) fn reconcile_managers(
    tracking: &Tracking<'_>,
    live: &Value,
    managed: &mut Managed,
) -> Result<(), String> {
    for entry in &mut managed.entries {
        let ty = match entry.api_version.as_str() {
            version if version == tracking.api_version => Some(tracking.ty),
            version => tracking.convert(live, version)?.map(|(ty, _)| ty),
        };
        if let Some(ty) = ty {
            reconcile(tracking.schema, ty, &mut entry.fields);
        }
    }
    Ok(())
}

impl Tracking<'_> {
    /// An object of the request's version in another one.
    pub(crate) fn convert(&self, object: &Value, to: &str) -> Result<Option<(TypeId, Value)>, String> {
        if to == self.api_version {
            return Ok(Some((self.ty, object.clone())));
        }
        self.versions.convert(object, self.api_version, to)
    }

    fn entry(&self, fields: FieldSet) -> Entry {
        Entry {
            manager: if self.manager.is_empty() { "unknown".into() } else { self.manager.into() },
            operation: ManagedOperation::Update,
            api_version: self.api_version.into(),
            subresource: self.subresource.into(),
            time: Some(Text::from(self.now.to_seconds_text())),
            fields,
        }
    }
}

/// Takes from every manager the fields that changed or went.
fn disown(versions: &mut Differences<'_>, managed: Managed) -> Result<Managed, String> {
    let mut kept = Managed::default();
    for mut entry in managed.entries {
        let Some(difference) = versions.at(&entry.api_version)? else { continue };
        difference.take_from(&mut entry.fields);
        if !entry.fields.is_empty() {
            kept.entries.push(entry);
        }
    }
    Ok(kept)
}

/// Differences between the old and the new object, in each version that a manager wrote in.
pub(crate) struct Differences<'a> {
    tracking: &'a Tracking<'a>,
    old: &'a Value,
    new: &'a Value,
    pub own: Comparison,
    others: Vec<(Text, Option<Comparison>)>,
}

impl<'a> Differences<'a> {
    pub fn new(
        tracking: &'a Tracking<'a>,
        old: &'a Value,
        new: &'a Value,
    ) -> Result<Differences<'a>, String> {
        let own = filtered(tracking, compare_objects(tracking, tracking.ty, old, new)?);
        Ok(Differences { tracking, old, new, own, others: Vec::new() })
    }

    /// The difference in a version; `None` when that version is not served any more.
    pub fn at(&mut self, api_version: &str) -> Result<Option<&Comparison>, String> {
        if api_version == self.tracking.api_version {
            return Ok(Some(&self.own));
        }
        let known = self.others.iter().position(|(version, _)| version == api_version);
        let place = match known {
            Some(place) => place,
            None => {
                let difference = self.convert(api_version)?;
                self.others.push((api_version.into(), difference));
                self.others.len() - 1
            }
        };
        Ok(self.others.get(place).and_then(|(_, difference)| difference.as_ref()))
    }

    fn convert(&self, api_version: &str) -> Result<Option<Comparison>, String> {
        let Some((ty, old)) = self.tracking.convert(self.old, api_version)? else { return Ok(None) };
        let Some((_, new)) = self.tracking.convert(self.new, api_version)? else { return Ok(None) };
        for object in [&old, &new] {
            if let Some(why) = check(self.tracking.schema, ty, object, true) {
                return Err(why);
            }
        }
        Ok(Some(filtered(self.tracking, compare_objects(self.tracking, ty, &old, &new)?)))
    }
}

/// Compares two objects, not minding their managed fields.
fn compare_objects(
    tracking: &Tracking<'_>,
    ty: TypeId,
    old: &Value,
    new: &Value,
) -> Result<Comparison, String> {
    let difference = compare(tracking.schema, ty, old, new)?;
    let without = |mut set: FieldSet| {
        set.subtract_field_below(MANAGED_FIELDS);
        set
    };
    Ok(Comparison {
        added: without(difference.added),
        modified: without(difference.modified),
        removed: without(difference.removed),
    })
}

fn filtered(tracking: &Tracking<'_>, difference: Comparison) -> Comparison {
    Comparison {
        added: tracking.filter.apply(difference.added),
        modified: tracking.filter.apply(difference.modified),
        removed: tracking.filter.apply(difference.removed),
    }
}

const MANAGED_FIELDS: &[&str] = &["metadata", "managedFields"];

/// Fields that no manager ever owns: they are the server's, or name the object.
pub(crate) const UNTRACKED: &[&[&str]] = &[
    &["apiVersion"],
    &["kind"],
    &["metadata"],
    &["metadata", "name"],
    &["metadata", "namespace"],
    &["metadata", "creationTimestamp"],
    &["metadata", "selfLink"],
    &["metadata", "uid"],
    &["metadata", "clusterName"],
    &["metadata", "generation"],
    &["metadata", "managedFields"],
    &["metadata", "resourceVersion"],
];

/// Undoes a change of nothing but the times of managed fields, so that a write without effect stores nothing.
///
/// Upstream does it last of all, after admission and before the write is compared with the stored object.
pub fn keep_times_of_noop(old: &Value, new: &mut Value) -> NoopCheck {
    let path = ["metadata", "managedFields"];
    let (before, after) = (old.list_at(&path), new.list_at(&path));
    if before.len() != after.len() || after.is_empty() || before == after {
        return NoopCheck::UnequalFast;
    }
    if before.iter().zip(after).any(|(a, b)| !is_equal_without(a, b, "time")) {
        return NoopCheck::UnequalFast;
    }
    let is_same = match (old.as_map(), new.as_map()) {
        (Some(old), Some(new)) => {
            old.len() == new.len()
                && old.iter().zip(new.iter()).all(|((key_a, a), (key_b, b))| {
                    let is_meta = key_a == "metadata";
                    key_a == key_b && if is_meta { is_equal_without(a, b, "managedFields") } else { a == b }
                })
        }
        _ => false,
    };
    if !is_same {
        return NoopCheck::UnequalSlow;
    }
    let kept = before.to_vec();
    new.set(&path, kept);
    NoopCheck::Equal
}

/// The outcome of comparing two versions of an object, and the path to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoopCheck {
    /// Their managers differ already, or there is nothing to keep.
    UnequalFast,
    UnequalSlow,
    Equal,
}

fn is_equal_without(a: &Value, b: &Value, key: &str) -> bool {
    let (Some(a), Some(b)) = (a.as_map(), b.as_map()) else { return a == b };
    let others = |pair: &(&str, &Value)| pair.0 != key;
    a.iter().filter(others).eq(b.iter().filter(others))
}
