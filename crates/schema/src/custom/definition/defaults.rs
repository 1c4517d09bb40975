//! Defaults of a schema must themselves be valid, and name no unknown fields.

use super::super::rules::{COST_SUM_MAX, Rules};
use super::super::spot::Spot;
use super::super::{Custom, check, embedded, prune, verdict};
use crate::custom::node::Node;
use pintle_object::{FieldErrors, Map, Path, Value, json};
use pintle_regexp::Budget;
use std::cell::OnceCell;

const META_FIELDS: [&str; 3] = ["metadata", "apiVersion", "kind"];

#[derive(Clone, Copy)]
enum SchemaStep<'a> {
    Child(&'a str),
    Index,
}

struct DefaultsWalk<'a> {
    needs_pruned: bool,
    /// The nearest resource that holds the place, and the way from it to there.
    resource: &'a Value,
    steps: Vec<SchemaStep<'a>>,
    in_meta: bool,
    /// The cost that rules may still come to, over all defaults.
    cost_left: u64,
    /// The size of schemas compiled so far to check defaults, in values.
    compiled: usize,
    /// The resource, compiled when a default in its metadata is met.
    custom: OnceCell<Custom>,
}

/// The size of schemas that may be compiled to check the defaults of one, in values: each default asks for all that is
/// below it, and defaults nest.
const COMPILED_VALUES_MAX: usize = 2_000_000;

pub(super) fn check(props: &Value, needs_pruned: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut root = props.clone();
    root.set(&["x-kubernetes-embedded-resource"], true);
    let mut walk = DefaultsWalk::new(&root, needs_pruned, COST_SUM_MAX, 0);
    walk.visit(&root, path, errors);
}

/// Whether a default has fields that the schema does not name.
pub(super) fn is_unpruned(props: &Value, compiled: &mut usize) -> bool {
    let Some(default) = default_of(props) else { return false };
    *compiled = compiled.saturating_add(count(props));
    if *compiled > COMPILED_VALUES_MAX {
        return true;
    }
    let mut pruned = default.clone();
    prune::prune_value(&Node::compile(props, &Budget::none()), &mut pruned);
    pruned != default
}

/// The values of a tree.
fn count(value: &Value) -> usize {
    match value {
        Value::List(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Map(map) => 1 + map.values().map(count).sum::<usize>(),
        _ => 1,
    }
}

impl<'a> DefaultsWalk<'a> {
    fn new(resource: &'a Value, needs_pruned: bool, cost_left: u64, compiled: usize) -> DefaultsWalk<'a> {
        let custom = OnceCell::new();
        DefaultsWalk {
            needs_pruned,
            resource,
            steps: Vec::new(),
            in_meta: false,
            cost_left,
            compiled,
            custom,
        }
    }

    /// Defaults below `additionalProperties` are never used, and not looked at.
    fn visit(&mut self, props: &'a Value, path: &Path<'_>, errors: &mut FieldErrors) {
        let is_embedded = props.bool_at(&["x-kubernetes-embedded-resource"]);
        if is_embedded {
            let mut below = DefaultsWalk::new(props, self.needs_pruned, self.cost_left, self.compiled);
            below.descend(props, path, errors);
            (self.cost_left, self.compiled) = (below.cost_left, below.compiled);
            return;
        }
        self.descend(props, path, errors);
    }

    fn descend(&mut self, props: &'a Value, path: &Path<'_>, errors: &mut FieldErrors) {
        if let Some(default) = default_of(props) {
            self.check_one(props, &default, &path.child("default"), errors);
        }
        if let Some(items) = props.get("items").filter(|items| items.as_map().is_some()) {
            self.steps.push(SchemaStep::Index);
            self.visit(items, &path.child("items"), errors);
            self.steps.pop();
        }
        let is_resource = props.bool_at(&["x-kubernetes-embedded-resource"]);
        let path = path.child("properties");
        for (name, below) in props.map_at(&["properties"]).into_iter().flat_map(|map| map.iter()) {
            let was_in_meta = self.in_meta;
            self.in_meta |= is_resource && META_FIELDS.contains(&name);
            self.steps.push(SchemaStep::Child(name));
            self.visit(below, &path.key(name), errors);
            self.steps.pop();
            self.in_meta = was_in_meta;
        }
    }

    fn check_one(&mut self, props: &Value, default: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
        self.compiled = self.compiled.saturating_add(count(props));
        if self.compiled > COMPILED_VALUES_MAX {
            errors.forbidden(path, "there are too many defaults for parts with other defaults below them");
            return;
        }
        let node = Node::compile(&without_int_or_string(props), &Budget::none());
        let mut found = FieldErrors::new();
        if self.in_meta {
            let resource = self.custom.get_or_init(|| Custom::compile(self.resource));
            embedded::check_resource(&resource.root, &Path::EMPTY, &self.surround(default), &mut found);
            if let Some(first) = found.iter().next() {
                errors.invalid(path, default, &format!("must result in valid metadata: {first}"));
                return;
            }
        } else {
            let mut pruned = default.clone();
            prune::prune_value(&node, &mut pruned);
            if self.needs_pruned && pruned != *default {
                errors.invalid(path, default, "must not have unknown fields");
            }
            embedded::check_resource(&node, path, default, &mut found);
            if !found.is_empty() {
                errors.extend(found);
                return;
            }
        }
        let found = check::check(&node, &Spot::WHOLE, default).errors.into_vec();
        let is_valid = found.is_empty();
        for error in found {
            errors.push(verdict::below(path, error));
        }
        if is_valid {
            self.check_rules(props, default, path, errors);
        }
    }

    /// Rules hold for a default that was there before, and for one that is new.
    fn check_rules(&mut self, props: &Value, default: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
        let Some(rules) = Rules::compile(props, self.steps.is_empty(), &Budget::none()) else { return };
        let before = errors.len();
        let left = rules.check_at(path, default, Some(default), self.cost_left, errors);
        if errors.len() > before {
            self.cost_left = left;
            return;
        }
        self.cost_left = left.min(rules.check_at(path, default, None, self.cost_left, errors));
    }

    /// A resource that has nothing but this default.
    fn surround(&self, default: &Value) -> Value {
        let mut value = default.clone();
        for step in self.steps.iter().rev() {
            value = match step {
                SchemaStep::Child(name) => Value::Map(Map::from_iter([(*name, value)])),
                SchemaStep::Index => Value::List(vec![value]),
            };
        }
        if let Some(map) = value.as_map_mut() {
            for (name, text) in [("apiVersion", "validation/v1"), ("kind", "Validation")] {
                if !map.contains(name) {
                    map.insert(name, text);
                }
            }
        }
        value
    }
}

/// Defaults may be of any type where a number or text belongs: upstream does not check them there.
fn without_int_or_string(props: &Value) -> Value {
    match props {
        Value::Map(map) => {
            let kept = map.iter().filter(|(name, _)| *name != "x-kubernetes-int-or-string");
            Value::Map(Map::from_iter(kept.map(|(name, below)| (name, without_int_or_string(below)))))
        }
        Value::List(list) => Value::List(list.iter().map(without_int_or_string).collect()),
        other => other.clone(),
    }
}

fn default_of(props: &Value) -> Option<Value> {
    match props.get("default")? {
        Value::Null => None,
        Value::Raw(raw) => json::parse(raw.0.as_bytes()).ok(),
        other => Some(other.clone()),
    }
}
