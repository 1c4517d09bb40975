//! The object that a pod spec is part of.

use pintle_object::Value;

/// Facts about the object that a spec is part of.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// The pod whose spec it is; absent in templates.
    pub pod: Option<&'a Value>,
}
