//! Regular expressions as in Go's `regexp`: its syntax, its errors, its matches.
//!
//! `parse` makes trees and reports errors. A small pattern runs as an `automaton`, a large one as a `program`, and both
//! find the same. Patterns are compiled at their first use, and the memory of all patterns that share a [`Budget`] is
//! bounded.

mod automaton;
mod brackets;
mod class;
mod fault;
mod folds;
mod names;
mod parse;
mod program;
mod tree;

#[cfg(test)]
mod tests;
mod text;

pub use fault::{Code, Fault};

use program::Program;
use regex_automata::Input;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// The memory that the engines of a group of patterns may hold, in bytes.
#[derive(Clone, Debug)]
pub struct Budget(Arc<AtomicUsize>);

/// Memory for the patterns of one schema or policy: far more than real ones need.
const BUDGET_BYTES: usize = 16 << 20;

impl Default for Budget {
    fn default() -> Self {
        Budget(Arc::new(AtomicUsize::new(BUDGET_BYTES)))
    }
}

impl Budget {
    /// Keeps nothing: for patterns that are used once.
    #[must_use]
    pub fn none() -> Self {
        Budget(Arc::new(AtomicUsize::new(0)))
    }

    fn has(&self, bytes: usize) -> bool {
        self.0.load(Ordering::Relaxed) >= bytes
    }

    fn take(&self, bytes: usize) -> bool {
        let taken = |left: usize| left.checked_sub(bytes);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }
}

/// A regular expression.
#[derive(Clone, Debug)]
pub struct Regexp {
    source: Box<str>,
    budget: Budget,
    engine: OnceLock<Engine>,
}

#[derive(Clone, Debug)]
enum Engine {
    Automaton(Box<regex_automata::meta::Regex>),
    Program(Arc<Program>),
    /// Too large to be kept: made again for each use.
    Passing,
}

impl Regexp {
    /// # Errors
    /// The fault of the pattern.
    pub fn new(source: &str, budget: &Budget) -> Result<Regexp, Fault> {
        parse::parse(source)?;
        Ok(Regexp::unchecked(source, budget))
    }

    /// A pattern that is known to be good; one that is not matches nothing.
    #[must_use]
    pub fn unchecked(source: &str, budget: &Budget) -> Regexp {
        Regexp { source: source.into(), budget: budget.clone(), engine: OnceLock::new() }
    }

    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        match self.engine.get_or_init(|| self.build()) {
            Engine::Automaton(regex) => regex.is_match(text),
            Engine::Program(program) => program.find(text, 0, true).is_some(),
            Engine::Passing => self.program().is_some_and(|program| program.find(text, 0, true).is_some()),
        }
    }

    /// The leftmost match.
    #[must_use]
    pub fn find<'a>(&self, text: &'a str) -> Option<&'a str> {
        self.find_all(text, 1).pop()
    }

    /// The non-overlapping matches, up to a number; an empty one right after another match does not count.
    #[must_use]
    pub fn find_all<'a>(&self, text: &'a str, count_max: usize) -> Vec<&'a str> {
        let found = match self.engine.get_or_init(|| self.build()) {
            Engine::Automaton(regex) => each(text, count_max, |from| {
                let input = Input::new(text).span(from..text.len());
                regex.search(&input).map(|found| (found.start(), found.end()))
            }),
            Engine::Program(program) => each(text, count_max, |from| program.find(text, from, false)),
            Engine::Passing => match self.program() {
                Some(program) => each(text, count_max, |from| program.find(text, from, false)),
                None => Vec::new(),
            },
        };
        found.into_iter().map(|(start, end)| text.get(start..end).unwrap_or("")).collect()
    }

    fn program(&self) -> Option<Program> {
        parse::parse(&self.source).ok().map(|node| Program::new(&node))
    }

    fn build(&self) -> Engine {
        let Ok(node) = parse::parse(&self.source) else { return Engine::Passing };
        if self.budget.has(automaton::CACHE_BYTES_MAX)
            && let Some(regex) = automaton::build(&node)
            && self.budget.take(automaton::bytes(&regex))
        {
            return Engine::Automaton(Box::new(regex));
        }
        let program = Program::new(&node);
        match self.budget.take(program.bytes()) {
            true => Engine::Program(Arc::new(program)),
            false => Engine::Passing,
        }
    }
}

fn each(text: &str, count_max: usize, find: impl Fn(usize) -> Option<(usize, usize)>) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let (mut from, mut last_end) = (0, None);
    while found.len() < count_max && from <= text.len() {
        let Some((start, end)) = find(from) else { break };
        if start < end || last_end != Some(end) {
            found.push((start, end));
        }
        last_end = Some(end);
        from = match start < end {
            true => end,
            false => end + text.get(end..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8),
        };
    }
    found
}

/// The syntax error of a text that is no pattern.
#[must_use]
pub fn fault(source: &str) -> Option<Fault> {
    parse::parse(source).err()
}
