//! Removes fields that the schema does not name.

use crate::custom::node::{Additional, Node};
use pintle_object::Value;
use pintle_object::field::quote;
use pintle_object::strict::{self, STRICT_ERRORS_MAX};
use std::collections::BTreeSet;

/// Fields of every object, which no schema needs to name.
const META_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

pub(super) fn prune(root: &Node, object: &mut Value) -> Vec<String> {
    let mut pruner = Pruner::default();
    // The object itself is a resource, whether its schema says so or not.
    match root.preserve_unknown {
        true => pruner.preserve(root, object, true),
        false => pruner.prune(Some(root), object, true),
    }
    pruner.unknown.iter().map(|path| format!("unknown field {}", quote(path))).collect()
}

/// Prunes a part of an object, which is a resource only where its schema says so.
pub(super) fn prune_value(node: &Node, value: &mut Value) {
    Pruner::default().prune(Some(node), value, false);
}

#[derive(Default)]
struct Pruner {
    path: String,
    /// The first of the unknown fields in their order, as many as are reported.
    unknown: BTreeSet<String>,
}

impl Pruner {
    fn prune(&mut self, node: Option<&Node>, value: &mut Value, is_resource: bool) {
        if let Some(node) = node.filter(|node| node.preserve_unknown) {
            self.preserve(node, value, is_resource || node.embedded);
            return;
        }
        let is_resource = is_resource || node.is_some_and(|node| node.embedded);
        match value {
            Value::Map(map) => map.retain(|key, value| {
                if is_resource && META_FIELDS.contains(&key) {
                    return true;
                }
                let below = node.and_then(|node| node.field(key));
                let is_named = below.is_some()
                    || node.is_some_and(|node| matches!(node.additional, Additional::Allowed));
                self.at_key(key, |pruner| match is_named {
                    true => pruner.prune(below, value, false),
                    false => pruner.report(),
                });
                is_named
            }),
            Value::List(items) => {
                let below = node.and_then(|node| node.items.as_deref());
                self.each(items, |pruner, item| pruner.prune(below, item, false));
            }
            _ => {}
        }
    }

    /// Keeps unknown fields, and prunes inside known ones.
    fn preserve(&mut self, node: &Node, value: &mut Value, is_resource: bool) {
        match value {
            Value::Map(map) => {
                for (key, value) in map.iter_mut() {
                    let is_meta = is_resource && META_FIELDS.contains(&key);
                    if let Some(below) = node.field(key).filter(|_| !is_meta) {
                        self.at_key(key, |pruner| pruner.prune(Some(below), value, false));
                    }
                }
            }
            Value::List(items) => {
                let Some(below) = node.items.as_deref() else { return };
                self.each(items, |pruner, item| pruner.preserve(below, item, below.embedded));
            }
            _ => {}
        }
    }

    /// Reports the field that the walk is at.
    fn report(&mut self) {
        let path = strict::head(&self.path);
        let is_full = self.unknown.len() >= STRICT_ERRORS_MAX;
        if is_full && self.unknown.last().is_some_and(|last| last.as_str() <= path) {
            return;
        }
        self.unknown.insert(String::from(path));
        if self.unknown.len() > STRICT_ERRORS_MAX {
            self.unknown.pop_last();
        }
    }

    fn at_key(&mut self, key: &str, visit: impl FnOnce(&mut Pruner)) {
        let len = self.path.len();
        if len > 0 {
            self.path.push('.');
        }
        self.path.push_str(key);
        visit(self);
        self.path.truncate(len);
    }

    fn each(&mut self, items: &mut [Value], mut visit: impl FnMut(&mut Pruner, &mut Value)) {
        let len = self.path.len();
        for (index, item) in items.iter_mut().enumerate() {
            self.path.push_str(&format!("[{index}]"));
            visit(self, item);
            self.path.truncate(len);
        }
    }
}
