//! `FieldSet`: a set of paths into an object, as a trie.

use super::element::{Element, ElementPath};
use std::cmp::Ordering;

/// A set of paths into an object.
///
/// A trie: each node is one path element, is itself in the set or not, and has the set below it.
/// `{"f:spec":{"f:ports":{".":{},"k:{\"port\":80}":{}}}}` is the set of `.spec.ports` and `.spec.ports[port=80]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldSet {
    /// Sorted by element; a node that is neither a member nor has children is never kept.
    nodes: Vec<FieldNode>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FieldNode {
    pub element: Element,
    /// Whether the path that ends here is in the set.
    pub is_member: bool,
    pub children: FieldSet,
}

impl FieldSet {
    pub const fn new() -> FieldSet {
        FieldSet { nodes: Vec::new() }
    }

    /// The set of paths of field names: `["metadata.name", "status"]`.
    pub fn of_fields<'a>(paths: impl IntoIterator<Item = &'a str>) -> FieldSet {
        let mut set = FieldSet::new();
        for path in paths {
            let elements: Vec<Element> = path.split('.').map(Element::field).collect();
            set.insert(&elements);
        }
        set
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub fn nodes(&self) -> &[FieldNode] {
        &self.nodes
    }

    /// For changes that leave no node saying nothing.
    pub(crate) fn nodes_mut(&mut self) -> &mut [FieldNode] {
        &mut self.nodes
    }

    /// The node of an element.
    pub fn node(&self, element: &Element) -> Option<&FieldNode> {
        let place = self.place(element).ok()?;
        self.nodes.get(place)
    }

    /// The node of a field, without making its element.
    pub fn field(&self, name: &str) -> Option<&FieldNode> {
        self.nodes.get(self.field_place(name)?)
    }

    fn field_place(&self, name: &str) -> Option<usize> {
        let by_name = |node: &FieldNode| match &node.element {
            Element::Field(field) => field.as_str().cmp(name),
            _ => Ordering::Greater,
        };
        self.nodes.binary_search_by(by_name).ok()
    }

    pub fn has(&self, path: &[Element]) -> bool {
        match path {
            [] => false,
            [last] => self.node(last).is_some_and(|node| node.is_member),
            [first, rest @ ..] => self.node(first).is_some_and(|node| node.children.has(rest)),
        }
    }

    pub fn insert(&mut self, path: &[Element]) {
        match path {
            [] => {}
            [last] => self.make(last.clone()).is_member = true,
            [first, rest @ ..] => self.make(first.clone()).children.insert(rest),
        }
    }

    /// Adds a node unless it says nothing; cheap when nodes come in order.
    pub fn push(&mut self, element: Element, is_member: bool, children: FieldSet) {
        if !is_member && children.is_empty() {
            return;
        }
        if self.nodes.last().is_none_or(|last| last.element.order(&element) == Ordering::Less) {
            self.nodes.push(FieldNode { element, is_member, children });
            return;
        }
        let node = self.make(element);
        node.is_member |= is_member;
        node.children.absorb(children);
    }

    fn make(&mut self, element: Element) -> &mut FieldNode {
        let place = match self.place(&element) {
            Ok(place) => place,
            Err(place) => {
                self.nodes.insert(place, FieldNode { element, is_member: false, children: FieldSet::new() });
                place
            }
        };
        self.nodes.get_mut(place).expect("the place was found or filled")
    }

    fn place(&self, element: &Element) -> Result<usize, usize> {
        self.nodes.binary_search_by(|node| node.element.order(element))
    }

    pub fn union(&self, other: &FieldSet) -> FieldSet {
        let mut out = self.clone();
        out.absorb(other.clone());
        out
    }

    /// Adds the paths of `other`.
    pub fn absorb(&mut self, other: FieldSet) {
        if self.is_empty() {
            *self = other;
            return;
        }
        let mut right = other.nodes.into_iter().peekable();
        if right.peek().is_none() {
            return;
        }
        let left = std::mem::take(&mut self.nodes);
        self.nodes.reserve(left.len() + right.len());
        for mut node in left {
            while let Some(smaller) = right.next_if(|other| other.element.order(&node.element).is_lt()) {
                self.nodes.push(smaller);
            }
            if let Some(same) = right.next_if(|other| other.element.order(&node.element).is_eq()) {
                node.is_member |= same.is_member;
                node.children.absorb(same.children);
            }
            self.nodes.push(node);
        }
        self.nodes.extend(right);
    }

    pub fn intersection(&self, other: &FieldSet) -> FieldSet {
        self.merge(other, |left, right| match (left, right) {
            (Some(a), Some(b)) => (a.is_member && b.is_member, a.children.intersection(&b.children)),
            _ => (false, FieldSet::new()),
        })
    }

    /// The paths of `self` that are not in `other`.
    pub fn difference(&self, other: &FieldSet) -> FieldSet {
        let mut out = self.clone();
        out.subtract(other);
        out
    }

    /// Takes out the paths of `other`.
    pub fn subtract(&mut self, other: &FieldSet) {
        self.thin(other, |node, same| {
            node.is_member &= !same.is_member;
            node.children.subtract(&same.children);
        });
    }

    /// Takes out the paths of `other` and all that is below them.
    pub fn subtract_below(&mut self, other: &FieldSet) {
        self.thin(other, |node, same| {
            if same.is_member {
                (node.is_member, node.children) = (false, FieldSet::new());
            } else {
                node.children.subtract_below(&same.children);
            }
        });
    }

    /// Takes out paths of field names, each without the paths below it.
    pub fn subtract_fields(&mut self, paths: &[&[&str]]) {
        for path in paths {
            self.change_field(path, &|node| node.is_member = false);
        }
    }

    /// Takes out a path of field names and all that is below it.
    pub fn subtract_field_below(&mut self, path: &[&str]) {
        self.change_field(path, &|node| (node.is_member, node.children) = (false, FieldSet::new()));
    }

    /// Changes the node that a path of field names leads to; nodes that say nothing then go.
    fn change_field(&mut self, path: &[&str], rule: &dyn Fn(&mut FieldNode)) {
        let Some((first, rest)) = path.split_first() else { return };
        let Some(place) = self.field_place(first) else { return };
        let Some(node) = self.nodes.get_mut(place) else { return };
        match rest {
            [] => rule(node),
            rest => node.children.change_field(rest, rule),
        }
        if !node.is_member && node.children.is_empty() {
            self.nodes.remove(place);
        }
    }

    /// Walks both sets in order; `rule` changes the common nodes, and empty ones are removed.
    fn thin(&mut self, other: &FieldSet, rule: impl Fn(&mut FieldNode, &FieldNode)) {
        let mut right = other.nodes.iter().peekable();
        if right.peek().is_none() {
            return;
        }
        self.nodes.retain_mut(|node| {
            while right.next_if(|other| other.element.order(&node.element).is_lt()).is_some() {}
            if let Some(same) = right.next_if(|other| other.element.order(&node.element).is_eq()) {
                rule(node, same);
            }
            node.is_member || !node.children.is_empty()
        });
    }

    /// Walks both sets in order; `rule` decides about each element.
    fn merge(
        &self,
        other: &FieldSet,
        rule: impl Fn(Option<&FieldNode>, Option<&FieldNode>) -> (bool, FieldSet),
    ) -> FieldSet {
        let mut out = FieldSet { nodes: Vec::with_capacity(self.nodes.len()) };
        let (mut left, mut right) = (self.nodes.iter().peekable(), other.nodes.iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (Some(a), Some(b)) => a.element.order(&b.element),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return out,
            };
            let a = if order.is_le() { left.next() } else { None };
            let b = if order.is_ge() { right.next() } else { None };
            let (is_member, children) = rule(a, b);
            if (is_member || !children.is_empty())
                && let Some(node) = a.or(b)
            {
                out.nodes.push(FieldNode { element: node.element.clone(), is_member, children });
            }
        }
    }

    /// Every path of the set: the members of a level first, then the paths below each, as upstream iterates.
    pub fn paths(&self) -> Vec<ElementPath> {
        let mut out = Vec::new();
        self.collect(&mut Vec::new(), &mut out);
        out
    }

    /// The first paths of the set, as many as fit into `left` bytes, which it takes from; none are left for others if
    /// not all fit. Long names repeat in every path below them.
    pub fn paths_within(&self, left: &mut usize) -> Vec<ElementPath> {
        let mut out = Vec::new();
        self.collect_within(&mut Vec::new(), 0, left, &mut out);
        out
    }

    fn collect_within(
        &self,
        prefix: &mut Vec<Element>,
        bytes: usize,
        left: &mut usize,
        out: &mut Vec<ElementPath>,
    ) {
        for node in self.nodes.iter().filter(|node| node.is_member) {
            let Some(rest) = left.checked_sub(bytes + node.element.bytes()) else {
                *left = 0;
                return;
            };
            *left = rest;
            let mut path = prefix.clone();
            path.push(node.element.clone());
            out.push(ElementPath(path));
        }
        for node in self.nodes.iter().filter(|node| !node.children.is_empty()) {
            let bytes = bytes + node.element.bytes();
            if *left < bytes {
                *left = 0;
                return;
            }
            prefix.push(node.element.clone());
            node.children.collect_within(prefix, bytes, left, out);
            prefix.pop();
        }
    }

    fn collect(&self, prefix: &mut Vec<Element>, out: &mut Vec<ElementPath>) {
        for node in self.nodes.iter().filter(|node| node.is_member) {
            let mut path = prefix.clone();
            path.push(node.element.clone());
            out.push(ElementPath(path));
        }
        for node in self.nodes.iter().filter(|node| !node.children.is_empty()) {
            prefix.push(node.element.clone());
            node.children.collect(prefix, out);
            prefix.pop();
        }
    }
}
