//! The sources of a write: of a new object, and of a new version of an existing one.

use pintle_object::{Status, Value};

/// The source of an object that is to be created.
#[derive(Clone, Copy)]
pub(crate) struct CreateSource {
    /// Whether the body had labels, before defaults.
    pub has_labels: bool,
    /// Whether it was an update or a patch, of an object that is not there.
    pub is_update: bool,
    pub is_apply: bool,
}

/// The origin of a new version.
pub enum UpdateSource<'a> {
    /// A whole object, in the version of the request; null once it is used up.
    Body(Value),
    /// Computes the new version from the current one, both in the version of the request.
    Patch(&'a PatchFn<'a>),
    /// Like a patch, but its new version has its managers.
    Apply(&'a PatchFn<'a>),
    /// Another form of the object, which is changed in the object's place.
    Scale(&'a dyn Scaling),
}

/// The next version of an object from the current one. `None` in place of the current one means that there is none, and
/// the patch may create it. Warnings go into the list.
pub type PatchFn<'a> = dyn Fn(Option<&Value>, &mut Vec<String>) -> Result<Value, Status> + Sync + 'a;

/// The steps of a write through a Scale.
pub trait Scaling: Sync {
    /// The current and the next scale of an object, each with its managers.
    fn propose(&self, current: &Value, warnings: &mut Vec<String>) -> Result<(Value, Value), Status>;

    /// The object with the replicas of its next scale.
    fn rescale(&self, current: &Value, next: &Value) -> Result<Value, Status>;
}
