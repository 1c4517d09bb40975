//! `Selection`: the label and field selectors of a list or watch, compiled for the attributes.

use crate::request::options::ListOptions;
use crate::resource::ServedResource;
use pintle_kinds as kinds;
use pintle_object::selector::{FieldSelector, LabelSelector};
use pintle_object::{Status, Text};
use pintle_store::{Object, Selector, WatchPredicate};
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct Selection {
    labels: LabelSelector,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug)]
struct Condition {
    field: Field,
    value: Text,
    equals: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Name,
    Namespace,
    /// A place in the attributes's fields.
    Value(usize),
}

impl Selection {
    /// Compiles the selectors of a request. `name` is that of a path that names one object.
    pub fn compile(served: &ServedResource, options: &ListOptions, name: &str) -> Result<Selection, Status> {
        let labels = LabelSelector::parse(&options.label_selector)
            .map_err(|error| Status::bad_request(error.to_string()))?;
        let fields = FieldSelector::parse(&options.field_selector)
            .map_err(|error| Status::bad_request(error.to_string()))?;
        let mut conditions = Vec::with_capacity(fields.terms().len());
        for term in fields.terms() {
            let field = field(served, &term.field)?;
            conditions.push(Condition { field, value: term.value.clone(), equals: term.equals });
        }
        if !name.is_empty() {
            let is_named = |condition: &Condition| {
                condition.field == Field::Name && condition.equals && condition.value == name
            };
            if conditions.is_empty() {
                conditions.push(Condition { field: Field::Name, value: name.into(), equals: true });
            } else if !conditions.iter().any(is_named) {
                let why = "fieldSelector metadata.name doesn't match requested name";
                return Err(Status::bad_request(why));
            }
        }
        Ok(Selection { labels, conditions })
    }

    pub fn is_everything(&self) -> bool {
        self.labels.is_everything() && self.conditions.is_empty()
    }

    pub fn matches(&self, object: &Object) -> bool {
        let attrs = &object.attrs;
        self.labels.matches(&*attrs.labels)
            && self.conditions.iter().all(|condition| {
                let value = match condition.field {
                    Field::Name => Some(&attrs.name),
                    Field::Namespace => Some(&attrs.namespace),
                    Field::Value(place) => attrs.fields.get(place),
                };
                (value.map_or("", Text::as_str) == condition.value) == condition.equals
            })
    }

    /// The one name that is selected, if there is one.
    pub fn name(&self) -> Option<&str> {
        self.exact(Field::Name)
    }

    /// The namespace of the path, or the one that is selected.
    pub fn namespace_or<'a>(&'a self, namespace: &'a str) -> &'a str {
        match self.exact(Field::Namespace) {
            Some(selected) if namespace.is_empty() && !selected.contains('/') => selected,
            _ => namespace,
        }
    }

    /// The predicate of a watch of this selection in a namespace (empty for all).
    pub fn predicate(&self, namespace: &str) -> WatchPredicate {
        let namespace = self.namespace_or(namespace);
        let by_field = self.conditions.iter().find_map(|condition| match condition.field {
            Field::Value(place) if condition.equals => Some((place, condition.value.clone())),
            _ => None,
        });
        let mut predicate = WatchPredicate {
            namespace: (!namespace.is_empty()).then(|| namespace.into()),
            name: self.name().map(Text::from),
            field: by_field,
            selector: None,
        };
        if !self.is_within(&predicate) {
            let (text, own) = (format!("{:?} {:?}", self.labels, self.conditions), self.clone());
            let matches = move |object: &Object| own.matches(object);
            predicate.selector = Some(Selector { text: text.into(), matches: Arc::new(matches) });
        }
        predicate
    }

    /// Whether a predicate selects nothing that this selection does not.
    fn is_within(&self, predicate: &WatchPredicate) -> bool {
        let is_routed = |condition: &Condition| {
            let value = Some(&condition.value);
            condition.equals
                && match condition.field {
                    Field::Name => predicate.name.as_ref() == value,
                    Field::Namespace => predicate.namespace.as_ref() == value,
                    Field::Value(place) => predicate
                        .field
                        .as_ref()
                        .is_some_and(|(routed, by)| *routed == place && Some(by) == value),
                }
        };
        self.labels.is_everything() && self.conditions.iter().all(is_routed)
    }

    fn exact(&self, field: Field) -> Option<&str> {
        let found = self.conditions.iter().find(|condition| condition.field == field && condition.equals);
        found.map(|condition| condition.value.as_str())
    }
}

/// A field label of the served version, as a place in the attributes.
fn field(served: &ServedResource, label: &str) -> Result<Field, Status> {
    let labels = &served.resource.selectable;
    // Kinds with labels of their own decide about the namespace too: cluster-scoped kinds have none.
    let has_namespace = labels.is_empty() || served.resource.namespaced;
    match label {
        "metadata.name" => return Ok(Field::Name),
        "metadata.namespace" if has_namespace => return Ok(Field::Namespace),
        _ => {}
    }
    let is_plain = !labels.is_empty() || !served.is_typed();
    let refuse = || Status::bad_request(kinds::unknown_label(&served.gvk(), is_plain, label));
    labels.iter().find(|field| field.label == label).ok_or_else(refuse)?;
    let stored = kinds::stored_label(&served.gvk(), label);
    served.fields.iter().position(|field| field.label == stored.as_ref()).map(Field::Value).ok_or_else(refuse)
}
