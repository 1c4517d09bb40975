//! Defaults of a schema must themselves be valid, and name no unknown fields.

use super::super::rules::{COST_SUM_MAX, Rules};
use super::super::{Custom, Node, check, embedded, prune, verdict};
use pintle_object::{FieldErrors, Map, Path, Value, json};
use pintle_regexp::Budget;

const META_FIELDS: [&str; 3] = ["metadata", "apiVersion", "kind"];

#[derive(Clone, Copy)]
enum Step<'a> {
    Child(&'a str),
    Index,
}

struct Walk<'a> {
    needs_pruned: bool,
    /// The nearest resource that holds the place, and the way from it to there.
    resource: &'a Value,
    steps: Vec<Step<'a>>,
    in_meta: bool,
    /// What rules may still cost, over all defaults.
    cost_left: u64,
}

pub(super) fn check(props: &Value, needs_pruned: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut root = props.clone();
    root.set(&["x-kubernetes-embedded-resource"], true);
    let mut walk =
        Walk { needs_pruned, resource: &root, steps: Vec::new(), in_meta: false, cost_left: COST_SUM_MAX };
    walk.visit(&root, path, errors);
}

/// Whether a default has fields that the schema does not name.
pub(super) fn is_unpruned(props: &Value) -> bool {
    let Some(default) = default_of(props) else { return false };
    let mut pruned = default.clone();
    prune::prune_value(&Node::compile(props, &Budget::none()), &mut pruned);
    pruned != default
}

impl<'a> Walk<'a> {
    /// Defaults below `additionalProperties` are never used, and not looked at.
    fn visit(&mut self, props: &'a Value, path: &Path<'_>, errors: &mut FieldErrors) {
        let is_embedded = props.bool_at(&["x-kubernetes-embedded-resource"]);
        if is_embedded {
            let (needs_pruned, cost_left) = (self.needs_pruned, self.cost_left);
            let mut below =
                Walk { needs_pruned, resource: props, steps: Vec::new(), in_meta: false, cost_left };
            below.descend(props, path, errors);
            self.cost_left = below.cost_left;
            return;
        }
        self.descend(props, path, errors);
    }

    fn descend(&mut self, props: &'a Value, path: &Path<'_>, errors: &mut FieldErrors) {
        if let Some(default) = default_of(props) {
            self.check_one(props, &default, &path.child("default"), errors);
        }
        if let Some(items) = props.get("items").filter(|items| items.as_map().is_some()) {
            self.steps.push(Step::Index);
            self.visit(items, &path.child("items"), errors);
            self.steps.pop();
        }
        let is_resource = props.bool_at(&["x-kubernetes-embedded-resource"]);
        let path = path.child("properties");
        for (name, below) in props.map_at(&["properties"]).into_iter().flat_map(|map| map.iter()) {
            let was_in_meta = self.in_meta;
            self.in_meta |= is_resource && META_FIELDS.contains(&name);
            self.steps.push(Step::Child(name));
            self.visit(below, &path.key(name), errors);
            self.steps.pop();
            self.in_meta = was_in_meta;
        }
    }

    fn check_one(&mut self, props: &Value, default: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
        let node = Node::compile(&without_int_or_string(props), &Budget::none());
        let mut found = FieldErrors::new();
        if self.in_meta {
            let resource = Custom::compile(self.resource);
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
        let found = check::check(&node, "", default).errors.into_vec();
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
                Step::Child(name) => Value::Map(Map::from_iter([(*name, value)])),
                Step::Index => Value::List(vec![value]),
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
