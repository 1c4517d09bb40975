//! Patterns as automata, which are fast but large.

use crate::class::{self, Range};
use crate::tree::{Look, NodeKind, Repeat, TreeNode};
use regex_automata::meta::{Config, Regex};
use regex_syntax::hir::{self, Class, ClassUnicode, ClassUnicodeRange, Hir};

/// The most that an automaton's states may hold; larger patterns run as programs.
const STATES_BYTES_MAX: usize = 64 << 10;
/// The bytes of an automaton's cache.
pub const CACHE_BYTES_MAX: usize = 128 << 10;
/// A pattern with more instructions is not tried: it would not fit.
const SIZE_MAX: u64 = 1000;

/// The automaton of a pattern, unless it would be too large.
pub fn build(node: &TreeNode) -> Option<Regex> {
    if node.size > SIZE_MAX {
        return None;
    }
    let config = Config::new()
        .nfa_size_limit(Some(STATES_BYTES_MAX))
        .onepass_size_limit(Some(STATES_BYTES_MAX))
        .hybrid_cache_capacity(CACHE_BYTES_MAX);
    Regex::builder().configure(config).build_from_hir(&hir(node)).ok()
}

/// The memory that an automaton may come to hold.
pub fn bytes(regex: &Regex) -> usize {
    regex.memory_usage() + CACHE_BYTES_MAX
}

fn hir(node: &TreeNode) -> Hir {
    match &node.kind {
        NodeKind::Empty => Hir::empty(),
        NodeKind::Literal(text) => Hir::literal(text.as_bytes()),
        NodeKind::Folded(text) => Hir::concat(text.chars().map(folded).collect()),
        NodeKind::Class(set) => set_hir(set),
        NodeKind::Look(look) => Hir::look(match look {
            Look::TextStart => hir::Look::Start,
            Look::TextEnd => hir::Look::End,
            Look::LineStart => hir::Look::StartLF,
            Look::LineEnd => hir::Look::EndLF,
            Look::WordBoundary => hir::Look::WordAscii,
            Look::NoWordBoundary => hir::Look::WordAsciiNegate,
        }),
        NodeKind::Group(inner) => hir(inner),
        NodeKind::Repeat(inner, Repeat { min, max, is_greedy, .. }) => {
            let sub = Box::new(hir(inner));
            Hir::repetition(hir::Repetition { min: *min, max: *max, greedy: *is_greedy, sub })
        }
        NodeKind::Concat(parts) => Hir::concat(parts.iter().map(hir).collect()),
        NodeKind::Alternate(parts) => Hir::alternation(parts.iter().map(hir).collect()),
    }
}

fn folded(c: char) -> Hir {
    let code = u32::from(c);
    set_hir(&class::folded(&[(code, code)]))
}

/// The class without surrogates, which no text has.
fn set_hir(ranges: &[Range]) -> Hir {
    let halves = [(0, 0xd7ff), (0xe000, class::LAST)];
    let clipped = ranges.iter().flat_map(|&(low, high)| {
        halves.into_iter().filter_map(move |(first, last)| {
            let (start, end) = (char::from_u32(low.max(first))?, char::from_u32(high.min(last))?);
            (start <= end).then(|| ClassUnicodeRange::new(start, end))
        })
    });
    Hir::class(Class::Unicode(ClassUnicode::new(clipped)))
}
