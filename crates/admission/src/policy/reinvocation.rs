//! What is kept between the two times that plugins are asked about one object: once more when policies changed it.

use pintle_object::Value;
use std::collections::BTreeSet;

/// A policy, its binding, and the namespace and name of its parameters.
pub type Key = [String; 4];

#[derive(Clone, Default)]
pub struct Reinvocation {
    is_again: bool,
    is_required: bool,
    /// The object as policies left it.
    last: Option<Value>,
    /// Policies that were asked and are asked again when the object changes.
    invoked: BTreeSet<Key>,
    again: BTreeSet<Key>,
}

impl Reinvocation {
    /// Whether all plugins are to be asked once more; from then on they are.
    pub fn begin_again(&mut self) -> bool {
        self.is_again = self.is_required;
        self.is_again
    }

    /// Policies begin: what other plugins have changed since is a reason to ask them all again.
    pub fn begin_policies(&mut self, object: &Value) {
        if self.is_again && self.last.as_ref() != Some(object) {
            self.again.append(&mut self.invoked);
        }
    }

    pub fn end_policies(&mut self, object: &Value) {
        self.last = Some(object.clone());
    }

    /// Whether a policy is asked this time.
    pub fn is_meant(&self, key: &Key) -> bool {
        !self.is_again || self.again.contains(key)
    }

    /// A policy has changed the object: those before it are asked again, and so are plugins.
    pub fn require(&mut self) {
        self.again.append(&mut self.invoked);
        self.is_required = true;
    }

    /// A policy was asked that may be asked again.
    pub fn add(&mut self, key: Key) {
        self.invoked.insert(key);
    }
}
