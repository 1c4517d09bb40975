//! `Reinvocation`: the state between the two passes of mutating policies and webhooks over one object. The second pass
//! takes place when one of them with `reinvocationPolicy: IfNeeded` may see changes that others made after it.

use pintle_object::Value;
use std::collections::BTreeSet;

/// A policy, its binding, and the namespace and name of its parameters.
pub type Key = [String; 4];

#[derive(Clone, Default)]
pub struct Reinvocation {
    is_again: bool,
    is_required: bool,
    pub policies: Invoked<Key>,
    /// By their uid.
    pub webhooks: Invoked<String>,
}

/// The policies, or the webhooks, that were asked so far.
#[derive(Clone)]
pub struct Invoked<K> {
    /// The object as they left it.
    last: Option<Value>,
    /// Those that ran and may run again when the object changes.
    invoked: BTreeSet<K>,
    again: BTreeSet<K>,
}

impl<K> Default for Invoked<K> {
    fn default() -> Self {
        Invoked { last: None, invoked: BTreeSet::new(), again: BTreeSet::new() }
    }
}

impl Reinvocation {
    /// Begins the second pass if it is required; whether it is.
    pub fn begin_again(&mut self) -> bool {
        self.is_again = self.is_required;
        self.is_again
    }

    /// Whether this is the second time.
    pub fn is_again(&self) -> bool {
        self.is_again
    }

    /// Requires a second pass, after a change by a plugin whose changes others may react to.
    pub fn require(&mut self) {
        self.is_required = true;
    }
}

impl<K: Ord> Invoked<K> {
    /// Begins a pass: if other plugins have changed the object since the last one, all run again.
    pub fn begin(&mut self, is_again: bool, object: &Value) {
        if is_again && self.last.as_ref() != Some(object) {
            self.changed();
        }
    }

    /// Ends a pass. The object is kept for comparison only if one of them may run again.
    pub fn end(&mut self, object: &Value) {
        if !self.invoked.is_empty() {
            self.last = Some(object.clone());
        }
    }

    /// Whether one runs in this pass.
    pub fn is_meant(&self, is_again: bool, key: &K) -> bool {
        !is_again || self.again.contains(key)
    }

    /// Notes a change of the object: those that ran before run again.
    pub fn changed(&mut self) {
        self.again.append(&mut self.invoked);
    }

    /// Notes the run of one that may run again.
    pub fn add(&mut self, key: K) {
        self.invoked.insert(key);
    }
}
