//! The tree of a pattern, with what it would take to run it.

use crate::class::Set;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    TextStart,
    TextEnd,
    LineStart,
    LineEnd,
    WordBoundary,
    NoWordBoundary,
}

#[derive(Debug)]
pub enum Kind {
    Empty,
    Literal(String),
    /// A literal in either case.
    Folded(String),
    Class(Set),
    Look(Look),
    /// A group that captures: it makes trees deeper, and nobody asks what it has captured.
    Group(Box<Node>),
    Repeat(Box<Node>, Repeat),
    Concat(Vec<Node>),
    Alternate(Vec<Node>),
}

#[derive(Clone, Copy, Debug)]
pub struct Repeat {
    pub min: u32,
    /// `None` for no end.
    pub max: Option<u32>,
    pub is_greedy: bool,
    /// Whether it was written as `{…}`.
    pub is_counted: bool,
}

#[derive(Debug)]
pub struct Node {
    pub kind: Kind,
    /// Instructions of its program.
    pub size: u64,
    pub height: u32,
}

impl Node {
    pub fn leaf(kind: Kind) -> Node {
        Node { kind, size: 1, height: 1 }
    }

    pub fn literal(c: char, is_folded: bool) -> Node {
        let text = String::from(c);
        Node::leaf(if is_folded { Kind::Folded(text) } else { Kind::Literal(text) })
    }

    pub fn group(inner: Node) -> Node {
        let (size, height) = (inner.size.saturating_add(2), inner.height + 1);
        Node { kind: Kind::Group(Box::new(inner)), size, height }
    }

    pub fn repeat(inner: Node, repeat: Repeat) -> Node {
        let Repeat { min, max, is_counted, .. } = repeat;
        let (min, of) = (u64::from(min), inner.size);
        let size = match max.map(u64::from) {
            None if min == 0 => of.saturating_add(2),
            None if !is_counted => of.saturating_add(1),
            None => of.saturating_mul(min).saturating_add(1),
            Some(1) if !is_counted => of.saturating_add(1),
            Some(max) => of.saturating_mul(max).saturating_add(max.saturating_sub(min)),
        };
        let height = inner.height + 1;
        Node { kind: Kind::Repeat(Box::new(inner), repeat), size: size.max(1), height }
    }

    pub fn concat(parts: Vec<Node>) -> Node {
        let is_same = |node: &Node| matches!(node.kind, Kind::Concat(_));
        Node::collapsed(parts, is_same, Kind::Concat, 0)
    }

    pub fn alternate(parts: Vec<Node>) -> Node {
        let is_same = |node: &Node| matches!(node.kind, Kind::Alternate(_));
        Node::collapsed(parts, is_same, Kind::Alternate, 1)
    }

    /// One node of several; nodes of the same kind among them are written out.
    fn collapsed(
        parts: Vec<Node>,
        is_same: impl Fn(&Node) -> bool,
        kind: fn(Vec<Node>) -> Kind,
        between: u64,
    ) -> Node {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            let joined = is_same(&part);
            match part.kind {
                Kind::Concat(inner) | Kind::Alternate(inner) if joined => flat.extend(inner),
                kind => flat.push(Node { kind, ..part }),
            }
        }
        if flat.len() == 1 {
            return flat.pop().expect("there is one");
        }
        let joints = between.saturating_mul((flat.len() as u64).saturating_sub(1));
        let size = flat.iter().fold(joints, |sum, part| sum.saturating_add(part.size));
        let height = 1 + flat.iter().map(|part| part.height).max().unwrap_or(0);
        Node { kind: kind(flat), size: size.max(1), height }
    }

    /// Whether the copies that counts in counts ask for are at most `copies_max`.
    pub fn copies_fit(&self, copies_max: u32) -> bool {
        match &self.kind {
            Kind::Repeat(inner, Repeat { min, max, is_counted: true, .. }) => {
                let copies = max.unwrap_or(*min);
                match copies {
                    0 if max.is_some() => true,
                    0 => inner.copies_fit(copies_max),
                    copies => copies <= copies_max && inner.copies_fit(copies_max / copies),
                }
            }
            Kind::Repeat(inner, _) | Kind::Group(inner) => inner.copies_fit(copies_max),
            Kind::Concat(parts) | Kind::Alternate(parts) => {
                parts.iter().all(|part| part.copies_fit(copies_max))
            }
            Kind::Empty | Kind::Literal(_) | Kind::Folded(_) | Kind::Class(_) | Kind::Look(_) => true,
        }
    }
}
