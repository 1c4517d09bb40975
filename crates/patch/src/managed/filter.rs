//! Fields that a way of writing resets anyway, and that its manager therefore never owns.

use crate::fields::{Element, FieldSet};

/// Which fields a write can own.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Filter {
    #[default]
    All,
    /// All but these and the fields below them.
    Exclude(FieldSet),
    /// Only fields below one of these paths, or on the way to it; `*` stands for any element.
    Include(Vec<Vec<&'static str>>),
}

impl Filter {
    /// All fields but those below some paths of field names.
    pub fn excluding(paths: &[&str]) -> Filter {
        match paths.is_empty() {
            true => Filter::All,
            false => Filter::Exclude(FieldSet::of_fields(paths.iter().copied())),
        }
    }

    /// Only fields below some paths of field names; `*` stands for any element.
    pub fn including(paths: &[&'static str]) -> Filter {
        Filter::Include(paths.iter().map(|path| path.split('.').collect()).collect())
    }

    pub fn apply(&self, mut set: FieldSet) -> FieldSet {
        match self {
            Filter::All => set,
            Filter::Exclude(excluded) => {
                set.subtract_below(excluded);
                set
            }
            Filter::Include(paths) => include(&set, &paths.iter().map(Vec::as_slice).collect::<Vec<_>>()),
        }
    }
}

fn include(set: &FieldSet, paths: &[&[&str]]) -> FieldSet {
    if paths.iter().any(|path| path.is_empty()) {
        return set.clone();
    }
    let mut out = FieldSet::new();
    for node in set.nodes() {
        let matches =
            |step: &str| step == "*" || matches!(&node.element, Element::Field(name) if name == step);
        let below: Vec<&[&str]> = paths
            .iter()
            .filter_map(|path| path.split_first().filter(|(step, _)| matches(step)).map(|(_, rest)| rest))
            .collect();
        if !below.is_empty() {
            out.push(node.element.clone(), node.is_member, include(&node.children, &below));
        }
    }
    out
}
