//! One order of names out of several (`apimachinery/pkg/util/sort` upstream).

use std::collections::{BTreeMap, BTreeSet, HashSet};

/// All names of some lists, each once, in an order that agrees with all lists; names that no list orders are in
/// alphabetical order. `[b, c]` and `[a, c]` are `[a, b, c]`. If lists contradict each other, all names are in
/// alphabetical order.
pub fn merged_order<'a>(lists: &[Vec<&'a str>]) -> Vec<&'a str> {
    let mut nodes: BTreeMap<&str, OrderNode<'_>> = BTreeMap::new();
    for list in lists {
        for (place, name) in list.iter().enumerate() {
            nodes.entry(name).or_default();
            let Some(next) = list.get(place + 1) else { continue };
            if nodes.entry(name).or_default().after.insert(next) {
                nodes.entry(next).or_default().before += 1;
            }
        }
    }
    let is_whole = |list: &&Vec<&str>| {
        list.len() == nodes.len() && list.iter().collect::<HashSet<_>>().len() == list.len()
    };
    if let Some(whole) = lists.iter().find(is_whole) {
        return whole.clone();
    }
    let all: Vec<&str> = nodes.keys().copied().collect();
    let mut free: BTreeSet<&str> =
        nodes.iter().filter(|(_, node)| node.before == 0).map(|(name, _)| *name).collect();
    let mut order = Vec::with_capacity(all.len());
    while let Some(name) = free.pop_first() {
        order.push(name);
        let after = nodes.get_mut(name).map(|node| std::mem::take(&mut node.after)).unwrap_or_default();
        for next in after {
            let Some(node) = nodes.get_mut(next) else { continue };
            node.before -= 1;
            if node.before == 0 {
                free.insert(next);
            }
        }
    }
    if order.len() == all.len() { order } else { all }
}

/// A name in the graph of the order.
#[derive(Default)]
struct OrderNode<'a> {
    /// The number of names that must come before it and are not placed yet.
    before: usize,
    after: BTreeSet<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_the_order_of_every_list() {
        let check = |lists: &[&str], expected: &str| {
            let lists: Vec<Vec<&str>> = lists.iter().map(|list| list.split_whitespace().collect()).collect();
            assert_eq!(merged_order(&lists).join(" "), expected, "{lists:?}");
        };
        check(&[], "");
        check(&["b c", "a c"], "a b c");
        check(&["c b a", "b"], "c b a");
        check(&["apps batch", "apps autoscaling batch"], "apps autoscaling batch");
        check(&["x b", "x a", "a z"], "x a b z");
        check(&["a b", "b a"], "a b");
        check(&["a b", "b a", "c"], "a b c");
    }
}
