//! What is not data about a kind: one file per kind, one `Rules` per file.

mod plain;
mod traits;

pub use traits::{Dependents, Traits, stored_label, traits, unknown_label};

use pintle_object::{FieldErrors, GroupVersionKind, Text, Value};

/// The rules of a kind, by the group and kind that it is stored as.
pub fn rules(group: &str, kind: &str) -> &'static dyn Rules {
    let _ = (group, kind);
    &plain::Plain
}

/// A tree of a served version as one of the version that its kind is stored in.
pub fn to_storage(served: &GroupVersionKind, tree: Value) -> Value {
    let _ = served;
    tree
}

/// A tree of the version that a kind is stored in as one of a served version.
pub fn from_storage(served: &GroupVersionKind, tree: Value) -> Value {
    let _ = served;
    tree
}

/// What a rule may know of the request besides the object.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The time of the request, in seconds since 1970-01-01T00:00:00Z.
    pub now_seconds: i64,
    /// `status`, `scale`, `resize`, ...; empty on the object itself.
    pub subresource: &'a str,
    /// Name of the user who asks.
    pub user: &'a str,
    pub groups: &'a [String],
}

/// The rules of one kind, on objects in canonical form in the version that the kind is stored in.
///
/// Every method has the behaviour of the plainest kind as its default, so that a kind's file says only what is
/// its own. Methods run in the order in which they stand here.
pub trait Rules: Send + Sync {
    /// Defaults that the tables cannot say: one field's default that depends on another.
    /// Runs on every decoded body after the tables' defaults, and on every patched object.
    fn default(&self, object: &mut Value) {
        let _ = object;
    }

    /// Clears and sets what a create may not choose: most kinds drop `status`.
    /// `metadata.generation` is 1 already where the kind has generations.
    fn prepare_create(&self, object: &mut Value, context: &Context<'_>) {
        let _ = context;
        if let Some(map) = object.as_map_mut() {
            map.remove("status");
        }
    }

    /// Keeps what an update of the object itself may not change: most kinds keep the old `status`.
    fn prepare_update(&self, new: &mut Value, old: &Value, context: &Context<'_>) {
        let _ = context;
        keep(new, old, "status");
    }

    /// Keeps what an update through `status` may not change: everything but the status and parts of the
    /// metadata.
    fn prepare_status(&self, new: &mut Value, old: &Value, context: &Context<'_>) {
        let _ = context;
        keep(new, old, "spec");
    }

    /// Keeps what an update through a subresource other than `status` may not change: `finalize`, `approval`,
    /// `ephemeralcontainers`, `resize`. The context names it.
    fn prepare_subresource(&self, new: &mut Value, old: &Value, context: &Context<'_>) {
        self.prepare_status(new, old, context);
    }

    /// Whether this update is one of those that raise `metadata.generation`; by default a change of `spec`.
    fn raises_generation(&self, new: &Value, old: &Value) -> bool {
        new.get("spec") != old.get("spec")
    }

    /// Whether objects of this kind carry `metadata.generation` at all.
    fn has_generation(&self) -> bool {
        false
    }

    /// All errors of a new object, its metadata included, in upstream's order.
    fn validate(&self, object: &Value, errors: &mut FieldErrors);

    /// All errors of an update of the object itself, the new object's own included.
    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors);

    /// All errors of an update through `status`.
    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        let _ = (new, old, errors);
    }

    /// All errors of an update through a subresource other than `status`.
    fn validate_subresource(&self, new: &Value, old: &Value, subresource: &str, errors: &mut FieldErrors) {
        let _ = subresource;
        self.validate_status(new, old, errors);
    }

    /// Texts of `Warning` headers for a create (`old` is `None`) or an update.
    fn warnings(&self, new: &Value, old: Option<&Value>, out: &mut Vec<String>) {
        let _ = (new, old, out);
    }

    /// The cells of `kubectl get`, one per column of the kind's table.
    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value>;

    /// The value of a selectable field that is not simply the text, number or flag at its path.
    fn selectable(&self, label: &str, object: &Value) -> Option<Text> {
        let _ = (label, object);
        None
    }

    /// How many seconds an object lives on after it was deleted, of which `requested` is the client's wish;
    /// `None` for the kinds that go at once.
    fn grace_seconds(&self, object: &Value, requested: Option<i64>) -> Option<i64> {
        let _ = (object, requested);
        None
    }

    /// Whether a deleted object without finalizers may go; a namespace has finalizers of its own in its spec.
    fn may_go(&self, object: &Value) -> bool {
        let _ = object;
        true
    }

    /// Changes an object at the moment its deletion begins: a namespace becomes Terminating.
    fn begin_deletion(&self, object: &mut Value) {
        let _ = object;
    }
}

/// Puts the old object's top-level field in the place of the new one's.
pub fn keep(new: &mut Value, old: &Value, field: &str) {
    let Some(map) = new.as_map_mut() else { return };
    match old.get(field) {
        Some(value) => {
            map.insert(field, value.clone());
        }
        None => {
            map.remove(field);
        }
    }
}
