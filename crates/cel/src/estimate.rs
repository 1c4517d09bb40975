//! The cost that an expression may come to, from the declared sizes of its data.
//!
//! A change here decides which rules may be written: the numbers are upstream's.

use crate::checker::Checked;
use crate::cost::{CHARACTER, CHECK, Cost, LIST, MAP, MESSAGE, PATTERN};
use crate::decl::Decl;
use crate::syntax::{ACCU, Comprehension, Expr, Literal, SyntaxNode};
use crate::types::Type;

/// A range of costs or sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub min: u64,
    pub max: u64,
}

const UNKNOWN: Range = Range { min: 0, max: u64::MAX };

const fn fixed(value: u64) -> Range {
    Range { min: value, max: value }
}

impl Range {
    const fn plus(self, other: Self) -> Self {
        Self { min: self.min.saturating_add(other.min), max: self.max.saturating_add(other.max) }
    }

    const fn times(self, other: Self) -> Self {
        Self { min: self.min.saturating_mul(other.min), max: self.max.saturating_mul(other.max) }
    }

    fn scaled(self, factor: f64) -> Self {
        let scaled = |value: u64| (value as f64 * factor).ceil() as u64;
        Self { min: scaled(self.min), max: scaled(self.max) }
    }

    fn union(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }
}

/// The cost of an expression; `root` declares the variables.
pub fn cost(expression: &Expr, checked: &Checked, root: Option<&Decl>) -> Range {
    let count = checked.types.len();
    let mut estimator = Estimator {
        checked,
        root,
        paths: vec![SizePath::None; count],
        sizes: vec![None; count],
        entries: vec![None; count],
        locals: Vec::new(),
    };
    estimator.cost(expression)
}

/// The origin of data: the declaration at its path, if there is one.
#[derive(Clone, Copy)]
enum SizePath<'a> {
    None,
    Of(Option<&'a Decl>),
}

/// The sizes of the contents of a list or map.
#[derive(Clone, Copy)]
struct SizeEntry {
    is_list: bool,
    key: Range,
    value: Range,
}

struct Local<'a> {
    name: &'a str,
    path: SizePath<'a>,
    size: Option<Range>,
    entry: Option<SizeEntry>,
}

struct Estimator<'a> {
    checked: &'a Checked,
    root: Option<&'a Decl>,
    paths: Vec<SizePath<'a>>,
    sizes: Vec<Option<Range>>,
    entries: Vec<Option<SizeEntry>>,
    locals: Vec<Local<'a>>,
}

impl<'a> Estimator<'a> {
    fn cost(&mut self, expr: &'a Expr) -> Range {
        match &expr.node {
            SyntaxNode::Literal(_) | SyntaxNode::Broken => fixed(0),
            SyntaxNode::Ident(name) => {
                let path = self.local(name).map_or(SizePath::Of(self.root), |local| local.path);
                self.set_path(expr, path);
                fixed(1)
            }
            SyntaxNode::Select { operand, field, is_test } => self.select(expr, operand, field, *is_test),
            SyntaxNode::Call { target, arguments, .. } => self.call(expr, target.as_deref(), arguments),
            SyntaxNode::List(items) => self.list(expr, items),
            SyntaxNode::Map(entries) => self.map(expr, entries),
            SyntaxNode::Message { fields, .. } => {
                let fields = fields.iter();
                fields.fold(fixed(MESSAGE), |sum, (_, _, value)| sum.plus(self.cost(value)))
            }
            SyntaxNode::Comprehension(comprehension) if comprehension.is_bind() => {
                self.bind(expr, comprehension)
            }
            SyntaxNode::Comprehension(comprehension) => self.comprehension(expr, comprehension),
        }
    }

    fn local(&self, name: &str) -> Option<&Local<'a>> {
        self.locals.iter().rev().find(|local| local.name == name)
    }

    fn ty(&self, expr: &Expr) -> &Type {
        self.checked.types.get(expr.id).unwrap_or(&Type::Dyn)
    }

    fn path(&self, expr: &Expr) -> SizePath<'a> {
        if let SyntaxNode::Ident(name) = &expr.node
            && let Some(local) = self.local(name)
        {
            return local.path;
        }
        self.paths.get(expr.id).copied().unwrap_or(SizePath::None)
    }

    fn set_path(&mut self, expr: &Expr, path: SizePath<'a>) {
        if let Some(slot) = self.paths.get_mut(expr.id) {
            *slot = path;
        }
    }

    /// One step further; the first step leads to the root, under any name.
    fn below(&self, path: SizePath<'a>, step: impl FnOnce(&'a Decl) -> Option<&'a Decl>) -> SizePath<'a> {
        match path {
            SizePath::None => SizePath::Of(self.root),
            SizePath::Of(decl) => SizePath::Of(decl.and_then(step)),
        }
    }

    fn declared(path: SizePath<'a>) -> Option<Range> {
        match path {
            SizePath::Of(Some(decl)) => Some(Range { min: 0, max: decl.elements_max }),
            _ => None,
        }
    }

    fn size(&mut self, expr: &Expr) -> Option<Range> {
        if let Some(size) = self.sizes.get(expr.id).copied().flatten() {
            return Some(size);
        }
        let written = match &expr.node {
            SyntaxNode::Literal(Literal::Text(text)) => Some(text.chars().count()),
            SyntaxNode::Literal(Literal::Bytes(bytes)) => Some(bytes.len()),
            SyntaxNode::Literal(_) => Some(1),
            SyntaxNode::List(items) => Some(items.len()),
            SyntaxNode::Map(entries) => Some(entries.len()),
            _ => None,
        };
        if let Some(size) = written {
            return Some(fixed(size as u64));
        }
        if let Some(size) = Self::declared(self.path(expr)) {
            self.set_size(expr, Some(size));
            return Some(size);
        }
        if is_scalar(self.ty(expr)) {
            return Some(fixed(1));
        }
        match &expr.node {
            SyntaxNode::Ident(name) => self.local(name).and_then(|local| local.size),
            _ => None,
        }
    }

    fn set_size(&mut self, expr: &Expr, size: Option<Range>) {
        if let (Some(slot), Some(size)) = (self.sizes.get_mut(expr.id), size) {
            *slot = Some(size);
        }
    }

    fn entry(&self, expr: &Expr) -> Option<SizeEntry> {
        let found = self.entries.get(expr.id).copied().flatten();
        found.or_else(|| match &expr.node {
            SyntaxNode::Ident(name) => self.local(name).and_then(|local| local.entry),
            _ => None,
        })
    }

    fn set_entry(&mut self, expr: &Expr, entry: Option<SizeEntry>) {
        if let (Some(slot), Some(entry)) = (self.entries.get_mut(expr.id), entry) {
            *slot = Some(entry);
        }
    }

    fn select(&mut self, whole: &'a Expr, operand: &'a Expr, field: &str, is_test: bool) -> Range {
        let cost = self.cost(operand);
        if is_test {
            return cost;
        }
        let path = self.path(operand);
        self.set_path(whole, self.below(path, |decl| decl.selected(field)));
        match self.ty(operand) {
            Type::Map(..) | Type::Struct(_) | Type::Opaque(_) | Type::Param(_) => cost.plus(fixed(1)),
            _ => cost,
        }
    }

    fn list(&mut self, whole: &'a Expr, items: &'a [(Expr, bool)]) -> Range {
        let mut cost = fixed(LIST);
        let mut value = Range { min: if items.is_empty() { 0 } else { u64::MAX }, max: 0 };
        for (item, _) in items {
            cost = cost.plus(self.cost(item));
            value = value.union(self.size(item).unwrap_or(UNKNOWN));
        }
        self.set_entry(whole, Some(SizeEntry { is_list: true, key: fixed(1), value }));
        cost
    }

    fn map(&mut self, whole: &'a Expr, entries: &'a [(Expr, Expr, bool)]) -> Range {
        let mut cost = fixed(MAP);
        let none = Range { min: if entries.is_empty() { 0 } else { u64::MAX }, max: 0 };
        let (mut keys, mut values) = (none, none);
        for (key, value, _) in entries {
            cost = cost.plus(self.cost(key)).plus(self.cost(value));
            keys = keys.union(self.size(key).unwrap_or(UNKNOWN));
            values = values.union(self.size(value).unwrap_or(UNKNOWN));
        }
        self.set_entry(whole, Some(SizeEntry { is_list: false, key: keys, value: values }));
        cost
    }

    fn bind(&mut self, whole: &'a Expr, comprehension: &'a Comprehension) -> Range {
        let cost = self.cost(&comprehension.range).plus(self.cost(&comprehension.init));
        self.push_accu(comprehension);
        let cost = cost.plus(self.cost(&comprehension.result));
        let (size, entry) = (self.size(&comprehension.result), self.entry(&comprehension.result));
        self.locals.pop();
        self.set_size(whole, size);
        self.set_entry(whole, entry);
        cost
    }

    fn push_accu(&mut self, comprehension: &'a Comprehension) {
        let (path, size, entry) =
            (self.path(&comprehension.init), self.size(&comprehension.init), self.entry(&comprehension.init));
        self.locals.push(Local { name: &comprehension.accu, path, size, entry });
    }

    fn push_vars(&mut self, comprehension: &'a Comprehension) {
        let entry = self.entry(&comprehension.range);
        let is_list =
            entry.map_or(matches!(self.ty(&comprehension.range), Type::List(_)), |entry| entry.is_list);
        let path = self.path(&comprehension.range);
        let element = self.below(path, Decl::element);
        // Keys of maps have no declared size, and neither have places in lists.
        let key = match (path, is_list) {
            (SizePath::None, _) => SizePath::Of(self.root),
            (SizePath::Of(_), true) => SizePath::Of(None),
            (SizePath::Of(decl), false) => SizePath::Of(decl.and_then(Decl::keys).map(|keys| keys.decl)),
        };
        let (key_size, value_size) = (entry.map(|entry| entry.key), entry.map(|entry| entry.value));
        let first = match (is_list, &comprehension.second) {
            (true, None) => (element, value_size),
            _ => (key, key_size),
        };
        self.locals.push(Local { name: &comprehension.var, path: first.0, size: first.1, entry: None });
        if let Some(second) = &comprehension.second {
            self.locals.push(Local { name: second, path: element, size: value_size, entry: None });
        }
    }

    fn comprehension(&mut self, whole: &'a Expr, comprehension: &'a Comprehension) -> Range {
        let mut cost = self.cost(&comprehension.range).plus(self.cost(&comprehension.init));
        let count = self.locals.len();
        self.push_accu(comprehension);
        self.push_vars(comprehension);
        let round = self.cost(&comprehension.condition).plus(self.cost(&comprehension.step));
        self.locals.truncate(count + 1);
        cost = cost.plus(self.cost(&comprehension.result));
        self.locals.truncate(count);
        let rounds = self.size(&comprehension.range).unwrap_or(UNKNOWN);
        match &comprehension.init.node {
            SyntaxNode::Literal(_) => {
                let size = self.size(&comprehension.init);
                self.set_size(whole, size);
            }
            SyntaxNode::List(_) | SyntaxNode::Map(_) => {
                self.set_size(whole, Some(rounds));
                let entry = self.entry(&comprehension.step);
                self.set_entry(whole, entry);
            }
            _ => {}
        }
        cost.plus(rounds.times(round))
    }

    fn call(&mut self, whole: &'a Expr, target: Option<&'a Expr>, arguments: &'a [Expr]) -> Range {
        let Some(resolved) = self.checked.calls.get(whole.id).and_then(Option::as_ref) else {
            return fixed(0);
        };
        let target = target.filter(|_| resolved.has_target);
        let given: Vec<&'a Expr> = target.into_iter().chain(arguments).collect();
        if let ("dyn", [one]) = (resolved.function.name, given.as_slice()) {
            let cost = self.cost(one);
            let (size, entry) = (self.size(one), self.entry(one));
            self.set_size(whole, size);
            self.set_entry(whole, entry);
            return cost.plus(fixed(1));
        }
        let costs: Vec<Range> = given.iter().map(|one| self.cost(one)).collect();
        let mut found: Option<Range> = None;
        let mut size: Option<Range> = None;
        for cost in &resolved.costs {
            let (one, result) = self.overload(whole, *cost, &given, &costs);
            found = Some(found.map_or(one, |found| found.union(one)));
            if let Some(result) = result {
                size = Some(size.map_or(result, |size| size.union(result)));
            }
            if let (Cost::Index, Some(expr)) = (cost, given.first()) {
                size = self.entry(expr).map(|entry| entry.value);
                let path = self.path(expr);
                self.set_path(whole, self.below(path, Decl::element));
            }
            if size.is_none() {
                size = self.size(whole);
            }
        }
        self.set_size(whole, size);
        found.unwrap_or(fixed(0))
    }

    /// The cost of one overload of a function with its arguments, and the size of the result.
    fn overload(
        &mut self,
        whole: &'a Expr,
        cost: Cost,
        given: &[&'a Expr],
        costs: &[Range],
    ) -> (Range, Option<Range>) {
        match (cost, costs, given) {
            (Cost::Logic, [a, b], _) => return (Range { min: a.min, max: a.plus(*b).max }, None),
            (Cost::Conditional, [asked, a, b], [_, then, otherwise]) => {
                let sizes = (self.size(then).unwrap_or(UNKNOWN), self.size(otherwise).unwrap_or(UNKNOWN));
                let entry = both(self.entry(then), self.entry(otherwise));
                self.set_entry(whole, entry);
                return (asked.plus(a.union(*b)), Some(sizes.0.union(sizes.1)));
            }
            (Cost::Concat | Cost::ConcatLists, _, [a, b]) => {
                let entry = both(self.entry(a), self.entry(b));
                self.set_entry(whole, entry);
            }
            _ => {}
        }
        let sum = costs.iter().fold(fixed(0), |sum, cost| sum.plus(*cost));
        let (own, size) = self.own(cost, given);
        (sum.plus(own), size)
    }

    /// The cost of a call besides its arguments, and the size of its result.
    fn own(&mut self, cost: Cost, given: &[&'a Expr]) -> (Range, Option<Range>) {
        let sizes: Vec<Range> = given.iter().map(|one| self.size(one).unwrap_or(UNKNOWN)).collect();
        let size = |index: usize| sizes.get(index).copied().unwrap_or(UNKNOWN);
        let number = |index: usize| match given.get(index).and_then(|one| one.as_literal()) {
            Some(Literal::Int(number)) => Some(u64::try_from(*number).unwrap_or(0)),
            _ => None,
        };
        let first = size(0);
        let allocated = |factor: f64, size: Range| (size.scaled(factor).plus(fixed(1 + LIST)), Some(size));
        match cost {
            Cost::One | Cost::Free | Cost::Index | Cost::Logic | Cost::Conditional => (fixed(1), None),
            Cost::Check => (fixed(CHECK), None),
            Cost::Selector => (selector(size(1)), None),
            Cost::Equal => (self.equality(given, first, size(1)), None),
            Cost::Ordered => (shorter(first, size(1)), None),
            Cost::Concat => {
                let size = first.plus(size(1));
                (size.scaled(CHARACTER), Some(size))
            }
            Cost::ConcatLists => (fixed(1), Some(first.plus(size(1)))),
            Cost::In => (size(1).scaled(1.0), None),
            Cost::Prefix => (size(1).scaled(CHARACTER), None),
            Cost::Contains => (first.scaled(CHARACTER).times(size(1).scaled(CHARACTER)), None),
            Cost::Matches => (matched(first, size(1)), None),
            Cost::Find => (matched(first, size(1)), Some(Range { min: 0, max: first.max })),
            Cost::Format => (first.scaled(CHARACTER), None),
            Cost::ToBytes => {
                let size = Range { min: first.min, max: first.max.wrapping_mul(4) };
                (first.scaled(CHARACTER), Some(size))
            }
            Cost::ToText => (first.scaled(CHARACTER), Some(Range { min: first.min / 4, max: first.max })),
            Cost::Quote => (first.scaled(CHARACTER), Some(quoted(first))),
            Cost::Scan => (first.scaled(CHARACTER), Some(first)),
            Cost::Parse => (first.scaled(CHARACTER), None),
            Cost::ParseTwice => (first.scaled(2.0 * CHARACTER), None),
            Cost::Replace => (first.scaled(2.0 * CHARACTER), Some(replaced(first, size(1), size(2)))),
            Cost::Split => {
                let max = number(2).unwrap_or(first.max);
                (first.scaled(2.0 * CHARACTER), Some(Range { min: 0, max }))
            }
            Cost::Join => {
                let size = self.joined(given, first);
                (size.scaled(CHARACTER), Some(size))
            }
            Cost::Traverse => (self.traversed(given, first), None),
            Cost::ContainsIp => (contains_ip(fixed(0)), None),
            Cost::ContainsIpText => (contains_ip(size(1)), None),
            Cost::ContainsCidr => (contains_cidr(fixed(0)), None),
            Cost::ContainsCidrText => (contains_cidr(size(1)), None),
            Cost::Validate => (size(1).scaled(CHARACTER).scaled(128.0 * PATTERN), None),
            Cost::Slice => {
                let (start, end) = (number(1).unwrap_or(0), number(2).unwrap_or(first.max));
                allocated(1.0, fixed(end.wrapping_sub(start)))
            }
            Cost::Flatten => {
                let depth = if given.len() > 1 { number(1).unwrap_or(u64::MAX) } else { 1 };
                allocated(depth as f64, first)
            }
            Cost::Range => allocated(1.0, fixed(number(0).unwrap_or(u64::MAX))),
            Cost::Reverse => allocated(1.0, first),
            Cost::Distinct | Cost::Sort => allocated(2.0, first.times(first)),
            Cost::SortTexts => allocated(2.0 + CHARACTER, first.times(first)),
            Cost::SortBy => allocated(2.0, size(1).times(size(1))),
            Cost::SortByTexts => allocated(2.0 + CHARACTER, size(1).times(size(1))),
            Cost::Sets => (first.times(size(1)).plus(fixed(1)), None),
            Cost::SetsTwice => (first.times(size(1)).scaled(2.0).plus(fixed(1)), None),
        }
    }

    fn equality(&self, given: &[&'a Expr], a: Range, b: Range) -> Range {
        let [left, right] = given else { return fixed(1) };
        match (self.ty(left), self.ty(right)) {
            (Type::Opaque("kubernetes.URL"), Type::Opaque("kubernetes.URL")) => {
                Range { min: 1, max: b.max }.scaled(CHARACTER)
            }
            (Type::Opaque("kubernetes.NamedFormat"), Type::Opaque("kubernetes.NamedFormat")) => {
                Range { min: 1, max: 64 }.scaled(CHARACTER)
            }
            (Type::Opaque(a), Type::Opaque(b)) if a == b => fixed(1),
            _ => shorter(a, b),
        }
    }

    /// The length of joined texts.
    fn joined(&mut self, given: &[&'a Expr], count: Range) -> Range {
        let mut size = given.first().map_or(fixed(0), |list| match self.element(list) {
            Some((_, each)) => count.times(each),
            None => fixed(0),
        });
        if let Some(between) = given.get(1) {
            let between = self.size(between).unwrap_or(UNKNOWN);
            let times = Range { min: count.min.saturating_sub(1), max: count.max.saturating_sub(1) };
            size = size.plus(between.times(times));
        }
        size
    }

    /// The type of the items of a list, and how large each is.
    fn element(&self, list: &Expr) -> Option<(&Type, Range)> {
        let item = self.ty(list).parts()[0]?;
        let is_own = matches!(&list.node, SyntaxNode::Ident(name) if name == ACCU);
        let path = match self.path(list) {
            SizePath::Of(decl) if !is_own => SizePath::Of(decl.and_then(Decl::element)),
            _ => SizePath::None,
        };
        Some((item, Self::declared(path).unwrap_or(UNKNOWN)))
    }

    fn traversed(&self, given: &[&'a Expr], count: Range) -> Range {
        match given.first().and_then(|list| self.element(list)) {
            Some((Type::Text | Type::Bytes, each)) => count.times(fixed(1).plus(each.scaled(CHARACTER))),
            Some(_) => count.times(fixed(1)),
            None => count.scaled(CHARACTER),
        }
    }
}

/// The sizes of entries of which either may be taken.
fn both(a: Option<SizeEntry>, b: Option<SizeEntry>) -> Option<SizeEntry> {
    let (a, b) = (a?, b?);
    Some(SizeEntry { is_list: a.is_list, key: a.key.union(b.key), value: a.value.union(b.value) })
}

/// Parsing a selector, and looking at each of its requirements.
fn selector(text: Range) -> Range {
    fixed(LIST).plus(text.scaled(CHARACTER)).plus(text.scaled(0.5).scaled(50.0))
}

fn matched(text: Range, pattern: Range) -> Range {
    text.plus(fixed(1)).scaled(CHARACTER).times(pattern.scaled(PATTERN))
}

/// The size of a text in quotes.
fn quoted(text: Range) -> Range {
    Range { min: text.min.wrapping_add(2), max: text.max.wrapping_mul(2).wrapping_add(2) }
}

/// Bytes of an IP address.
const ADDRESS: Range = Range { min: 4, max: 16 };

/// Looking for an address in a network; `text` is the size of one that is still to be parsed.
fn contains_ip(text: Range) -> Range {
    ADDRESS.plus(ADDRESS).scaled(CHARACTER).plus(text.scaled(CHARACTER))
}

fn contains_cidr(text: Range) -> Range {
    let own = ADDRESS.plus(ADDRESS).scaled(CHARACTER).plus(ADDRESS.scaled(CHARACTER));
    own.plus(fixed(1)).plus(text.scaled(CHARACTER))
}

/// The cost of comparing: as much as the shorter side has.
fn shorter(a: Range, b: Range) -> Range {
    let max = a.max.min(b.max);
    Range { min: u64::from(max > 0), max }.scaled(CHARACTER)
}

fn is_scalar(expr: &Type) -> bool {
    match expr {
        Type::Bool | Type::Double | Type::Duration | Type::Int | Type::Timestamp | Type::Uint => true,
        Type::Optional(expr) => is_scalar(expr),
        _ => false,
    }
}

/// The length of a text in which one part was replaced by another.
fn replaced(text: Range, from: Range, to: Range) -> Range {
    let (mut times, mut kept) = (fixed(0), fixed(0));
    let share = |size: u64, part: u64| (size as f64 / part as f64).ceil() as u64;
    if from.min == 0 {
        times.max = text.max.saturating_add(1);
        kept.max = text.max;
    } else if to.max <= from.min {
        kept.max = text.max;
    } else {
        times.max = share(text.max, from.min);
    }
    if from.max == 0 {
        times.min = text.min.saturating_add(1);
        kept.min = text.min;
    } else if from.max <= to.min {
        kept.min = text.min;
    } else {
        times.min = share(text.min, from.max);
    }
    times.times(to).plus(kept)
}
