//! The tree of a pattern, and its size as a program.

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
pub enum NodeKind {
    Empty,
    Literal(String),
    /// A literal in either case.
    Folded(String),
    Class(Set),
    Look(Look),
    /// A capturing group: it counts for the depth of trees; captures are not reported.
    Group(Box<TreeNode>),
    Repeat(Box<TreeNode>, Repeat),
    Concat(Vec<TreeNode>),
    Alternate(Vec<TreeNode>),
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
pub struct TreeNode {
    pub kind: NodeKind,
    /// Instructions of its program.
    pub size: u64,
    pub height: u32,
}

impl TreeNode {
    pub fn leaf(kind: NodeKind) -> TreeNode {
        TreeNode { kind, size: 1, height: 1 }
    }

    pub fn literal(c: char, is_folded: bool) -> TreeNode {
        let text = String::from(c);
        TreeNode::leaf(if is_folded { NodeKind::Folded(text) } else { NodeKind::Literal(text) })
    }

    pub fn group(inner: TreeNode) -> TreeNode {
        let (size, height) = (inner.size.saturating_add(2), inner.height + 1);
        TreeNode { kind: NodeKind::Group(Box::new(inner)), size, height }
    }

    pub fn repeat(inner: TreeNode, repeat: Repeat) -> TreeNode {
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
        TreeNode { kind: NodeKind::Repeat(Box::new(inner), repeat), size: size.max(1), height }
    }

    pub fn concat(parts: Vec<TreeNode>) -> TreeNode {
        let is_same = |node: &TreeNode| matches!(node.kind, NodeKind::Concat(_));
        TreeNode::collapsed(parts, is_same, NodeKind::Concat, 0)
    }

    pub fn alternate(parts: Vec<TreeNode>) -> TreeNode {
        let is_same = |node: &TreeNode| matches!(node.kind, NodeKind::Alternate(_));
        TreeNode::collapsed(parts, is_same, NodeKind::Alternate, 1)
    }

    /// One node of several; nodes of the same kind among them are written out.
    fn collapsed(
        parts: Vec<TreeNode>,
        is_same: impl Fn(&TreeNode) -> bool,
        kind: fn(Vec<TreeNode>) -> NodeKind,
        between: u64,
    ) -> TreeNode {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            let joined = is_same(&part);
            match part.kind {
                NodeKind::Concat(inner) | NodeKind::Alternate(inner) if joined => flat.extend(inner),
                kind => flat.push(TreeNode { kind, ..part }),
            }
        }
        if flat.len() == 1 {
            return flat.pop().expect("there is one");
        }
        let joints = between.saturating_mul((flat.len() as u64).saturating_sub(1));
        let size = flat.iter().fold(joints, |sum, part| sum.saturating_add(part.size));
        let height = 1 + flat.iter().map(|part| part.height).max().unwrap_or(0);
        TreeNode { kind: kind(flat), size: size.max(1), height }
    }

    /// Whether the copies that counts in counts ask for are at most `copies_max`.
    pub fn copies_fit(&self, copies_max: u32) -> bool {
        match &self.kind {
            NodeKind::Repeat(inner, Repeat { min, max, is_counted: true, .. }) => {
                let copies = max.unwrap_or(*min);
                match copies {
                    0 if max.is_some() => true,
                    0 => inner.copies_fit(copies_max),
                    copies => copies <= copies_max && inner.copies_fit(copies_max / copies),
                }
            }
            NodeKind::Repeat(inner, _) | NodeKind::Group(inner) => inner.copies_fit(copies_max),
            NodeKind::Concat(parts) | NodeKind::Alternate(parts) => {
                parts.iter().all(|part| part.copies_fit(copies_max))
            }
            NodeKind::Empty
            | NodeKind::Literal(_)
            | NodeKind::Folded(_)
            | NodeKind::Class(_)
            | NodeKind::Look(_) => true,
        }
    }
}
