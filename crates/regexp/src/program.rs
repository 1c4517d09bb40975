//! Programs of patterns: small, made in time that goes with their size, and run over all branches at once.

use crate::class::{self, Range, Set};
use crate::tree::{Look, NodeKind, Repeat, TreeNode};

#[derive(Clone, Copy, Debug)]
enum Instruction {
    Char(char),
    Class(u32),
    Look(Look),
    /// Goes on in both places; the first comes first.
    Split(u32, u32),
    Jump(u32),
    Match,
}

/// A pattern as instructions.
#[derive(Debug)]
pub struct Program {
    steps: Vec<Instruction>,
    classes: Vec<Set>,
}

/// The number of instructions in one search before it counts as without a match: about a second's worth.
const STEPS_MAX: u64 = 1 << 28;

impl Program {
    pub fn new(node: &TreeNode) -> Program {
        let mut builder = Builder { program: Program { steps: Vec::new(), classes: Vec::new() } };
        builder.node(node);
        builder.program.steps.push(Instruction::Match);
        builder.program
    }

    /// The memory that it holds, about.
    pub fn bytes(&self) -> usize {
        let classes = self.classes.iter().map(|set| size_of::<Set>() + size_of_val(&**set)).sum::<usize>();
        self.steps.len() * size_of::<Instruction>() + classes
    }

    /// Start and end of the leftmost match at or after `from`; of any match if `is_any`.
    pub fn find(&self, text: &str, from: usize, is_any: bool) -> Option<(usize, usize)> {
        let mut run = Run {
            program: self,
            now: Threads::new(self.steps.len()),
            next: Threads::new(self.steps.len()),
            pending: Vec::new(),
            left: STEPS_MAX,
        };
        run.find(text, from, is_any)
    }
}

struct Builder {
    program: Program,
}

impl Builder {
    fn here(&self) -> u32 {
        u32::try_from(self.program.steps.len()).expect("sizes of trees are bounded")
    }

    fn emit(&mut self, step: Instruction) -> usize {
        self.program.steps.push(step);
        self.program.steps.len() - 1
    }

    fn set(&mut self, place: usize, step: Instruction) {
        if let Some(old) = self.program.steps.get_mut(place) {
            *old = step;
        }
    }

    fn class(&mut self, set: &Set) {
        // A repeated class is the same set over and over.
        let is_last = self.program.classes.last().is_some_and(|last| std::sync::Arc::ptr_eq(last, set));
        if !is_last {
            self.program.classes.push(set.clone());
        }
        let index = u32::try_from(self.program.classes.len() - 1).expect("sizes of trees are bounded");
        self.emit(Instruction::Class(index));
    }

    fn node(&mut self, node: &TreeNode) {
        match &node.kind {
            NodeKind::Empty => {}
            NodeKind::Literal(text) => text.chars().for_each(|c| {
                self.emit(Instruction::Char(c));
            }),
            NodeKind::Folded(text) => text.chars().for_each(|c| self.folded(c)),
            NodeKind::Class(set) => self.class(set),
            NodeKind::Look(look) => {
                self.emit(Instruction::Look(*look));
            }
            NodeKind::Group(inner) => self.node(inner),
            NodeKind::Repeat(inner, repeat) => self.repeat(inner, *repeat),
            NodeKind::Concat(parts) => parts.iter().for_each(|part| self.node(part)),
            NodeKind::Alternate(parts) => self.alternate(parts),
        }
    }

    fn folded(&mut self, c: char) {
        let code = u32::from(c);
        match class::folded(&[(code, code)]).as_slice() {
            [(low, high)] if low == high => {
                self.emit(Instruction::Char(c));
            }
            ranges => self.class(&ranges.into()),
        }
    }

    fn alternate(&mut self, parts: &[TreeNode]) {
        let mut ends = Vec::with_capacity(parts.len());
        for (place, part) in parts.iter().enumerate() {
            if place + 1 == parts.len() {
                self.node(part);
                break;
            }
            let split = self.emit(Instruction::Match);
            let first = self.here();
            self.node(part);
            ends.push(self.emit(Instruction::Match));
            self.set(split, Instruction::Split(first, self.here()));
        }
        let end = self.here();
        for place in ends {
            self.set(place, Instruction::Jump(end));
        }
    }

    fn repeat(&mut self, inner: &TreeNode, repeat: Repeat) {
        let Repeat { min, max, is_greedy, .. } = repeat;
        let copies = if max.is_none() { min.saturating_sub(1) } else { min };
        for _ in 0..copies {
            self.node(inner);
        }
        let Some(max) = max else {
            // Unbounded: one or more times, optional if the minimum is zero.
            let skip = (min == 0).then(|| self.emit(Instruction::Match));
            let first = self.here();
            self.node(inner);
            let after = self.here() + 1;
            self.emit(split(first, after, is_greedy));
            if let Some(place) = skip {
                self.set(place, split(first, after, is_greedy));
            }
            return;
        };
        let mut skips = Vec::new();
        for _ in min..max {
            skips.push((self.emit(Instruction::Match), self.here()));
            self.node(inner);
        }
        let end = self.here();
        for (place, first) in skips {
            self.set(place, split(first, end, is_greedy));
        }
    }
}

fn split(into: u32, past: u32, is_greedy: bool) -> Instruction {
    if is_greedy { Instruction::Split(into, past) } else { Instruction::Split(past, into) }
}

/// The places that a run is at, in order of preference, each with where its match began.
struct Threads {
    list: Vec<(u32, usize)>,
    /// The index of each instruction in the list.
    places: Vec<u32>,
}

impl Threads {
    fn new(count: usize) -> Threads {
        Threads { list: Vec::new(), places: vec![0; count] }
    }

    /// False if it is there already.
    fn insert(&mut self, place: u32, begin: usize) -> bool {
        let Some(index) = self.places.get_mut(place as usize) else { return false };
        if self.list.get(*index as usize).is_some_and(|(known, _)| *known == place) {
            return false;
        }
        *index = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        self.list.push((place, begin));
        true
    }
}

struct Run<'a> {
    program: &'a Program,
    now: Threads,
    next: Threads,
    pending: Vec<u32>,
    left: u64,
}

impl Run<'_> {
    fn find(&mut self, text: &str, from: usize, is_any: bool) -> Option<(usize, usize)> {
        let mut found: Option<(usize, usize)> = None;
        let mut before = text.get(..from)?.chars().next_back();
        let mut at = from;
        let mut rest = text.get(from..)?.chars();
        let mut after = rest.next();
        loop {
            if found.is_none() {
                self.add(false, 0, at, (before, after));
            }
            if self.now.list.is_empty() {
                return found;
            }
            let end = at + after.map_or(0, char::len_utf8);
            let following = rest.clone().next();
            for place in 0..self.now.list.len() {
                let Some(&(step, begin)) = self.now.list.get(place) else { break };
                let goes_on = match (self.program.steps.get(step as usize), after) {
                    (Some(Instruction::Match), _) => {
                        found = Some((begin, at));
                        if is_any {
                            return found;
                        }
                        // Less preferred threads end.
                        break;
                    }
                    (Some(Instruction::Char(wanted)), Some(c)) => *wanted == c,
                    (Some(Instruction::Class(set)), Some(c)) => self.is_member(*set, c),
                    _ => false,
                };
                if goes_on {
                    self.add(true, step + 1, begin, (after, following));
                }
            }
            if self.left == 0 || after.is_none() {
                return found;
            }
            std::mem::swap(&mut self.now, &mut self.next);
            self.next.list.clear();
            (before, after, at) = (after, rest.next(), end);
        }
    }

    fn is_member(&self, set: u32, c: char) -> bool {
        let ranges: &[Range] = self.program.classes.get(set as usize).map_or(&[], |set| set);
        class::contains(ranges, u32::from(c))
    }

    /// Goes to a place and from there on until text is wanted; `around` is the text before and after.
    fn add(&mut self, is_next: bool, place: u32, begin: usize, around: (Option<char>, Option<char>)) {
        let threads = if is_next { &mut self.next } else { &mut self.now };
        self.pending.push(place);
        while let Some(place) = self.pending.pop() {
            self.left = self.left.saturating_sub(1);
            if !threads.insert(place, begin) {
                continue;
            }
            match self.program.steps.get(place as usize) {
                Some(Instruction::Jump(to)) => self.pending.push(*to),
                Some(Instruction::Split(first, second)) => self.pending.extend([*second, *first]),
                Some(Instruction::Look(look)) if holds(*look, around) => self.pending.push(place + 1),
                _ => {}
            }
        }
    }
}

fn holds(look: Look, (before, after): (Option<char>, Option<char>)) -> bool {
    let is_word = |c: Option<char>| c.is_some_and(|c| c == '_' || c.is_ascii_alphanumeric());
    match look {
        Look::TextStart => before.is_none(),
        Look::TextEnd => after.is_none(),
        Look::LineStart => before.is_none_or(|c| c == '\n'),
        Look::LineEnd => after.is_none_or(|c| c == '\n'),
        Look::WordBoundary => is_word(before) != is_word(after),
        Look::NoWordBoundary => is_word(before) == is_word(after),
    }
}
