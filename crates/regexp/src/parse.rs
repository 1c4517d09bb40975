//! Patterns to trees: the syntax of Go's `regexp`, with its subset of Perl's.

use crate::brackets::Brackets;
use crate::fault::{Code, Fault};
use crate::text::{read_part, split_first};
use crate::tree::{Look, NodeKind, Repeat, TreeNode};

/// A longer pattern is too large. Go has no such limit, but its others are reached by patterns not much longer.
const SOURCE_BYTES_MAX: usize = 256 << 10;
/// Go's limit of the instructions of one pattern.
const SIZE_MAX: u64 = (128 << 20) / 40;
/// Go's limit of how deep a tree may be.
const HEIGHT_MAX: u32 = 1000;
/// Go's limit of a count, and of the copies that counts in counts ask for.
const COUNT_MAX: u32 = 1000;

/// The tree of a pattern.
pub fn parse(source: &str) -> Result<TreeNode, Fault> {
    if source.len() > SOURCE_BYTES_MAX {
        return Err(Fault::new(Code::Large, source));
    }
    let flags = Flags::default();
    let mut parser = Parser { source, rest: source, flags, stack: Vec::new(), brackets: Brackets::default() };
    parser.run()
}

/// Flags that `(?i)` and its like have set.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flags {
    /// `i`: in either case.
    pub is_folded: bool,
    /// `m`: `^` and `$` match at ends of lines.
    has_lines: bool,
    /// `s`: a dot is any character.
    dot_is_any: bool,
    /// `U`: repetitions take as little as they can.
    is_lazy: bool,
}

enum Item {
    Node(TreeNode),
    /// An open group, with the flags from before it.
    Open {
        flags: Flags,
        is_capture: bool,
    },
    /// A bar on the stack, below the branches so far.
    Bar,
}

struct Parser<'a> {
    source: &'a str,
    rest: &'a str,
    flags: Flags,
    stack: Vec<Item>,
    brackets: Brackets,
}

impl<'a> Parser<'a> {
    fn run(&mut self) -> Result<TreeNode, Fault> {
        // The start of the repetition right before this place, if there is one.
        let mut last_repeat: Option<&'a str> = None;
        while let Some((c, after)) = split_first(self.rest) {
            let start = self.rest;
            let mut is_repeat = false;
            match c {
                '(' if after.starts_with('?') => self.perl_group()?,
                '(' => self.open(after, self.flags, true),
                '|' => self.bar(after)?,
                ')' => self.close(after)?,
                '*' | '+' | '?' | '{' => is_repeat = self.repetition(c, after, last_repeat)?,
                '[' => {
                    let (set, rest) = self.brackets.class(start, self.flags.is_folded)?;
                    self.rest = rest;
                    self.push(TreeNode::leaf(NodeKind::Class(set)))?;
                }
                '\\' => self.escape()?,
                c => self.plain(c, after)?,
            }
            last_repeat = is_repeat.then_some(start);
        }
        self.finish_branch()?;
        let node = self.take_branches()?;
        match self.stack.is_empty() {
            true => Ok(node),
            false => Err(Fault::new(Code::MissingParen, self.source)),
        }
    }

    fn plain(&mut self, c: char, after: &'a str) -> Result<(), Fault> {
        self.rest = after;
        let kind = match c {
            '^' if self.flags.has_lines => NodeKind::Look(Look::LineStart),
            '^' => NodeKind::Look(Look::TextStart),
            '$' if self.flags.has_lines => NodeKind::Look(Look::LineEnd),
            '$' => NodeKind::Look(Look::TextEnd),
            '.' => NodeKind::Class(self.brackets.dot(self.flags.dot_is_any)),
            c => return self.literal(c),
        };
        self.push(TreeNode::leaf(kind))
    }

    fn literal(&mut self, c: char) -> Result<(), Fault> {
        self.push(TreeNode::literal(c, self.flags.is_folded))
    }

    fn push(&mut self, node: TreeNode) -> Result<(), Fault> {
        self.check(&node)?;
        self.join_literals();
        self.stack.push(Item::Node(node));
        Ok(())
    }

    fn check(&self, node: &TreeNode) -> Result<(), Fault> {
        if node.size > SIZE_MAX || self.brackets.is_full() {
            return Err(Fault::new(Code::Large, self.source));
        }
        if node.height > HEIGHT_MAX {
            return Err(Fault::new(Code::NestingDepth, self.source));
        }
        Ok(())
    }

    /// Two literals on top become one; only the last of the two could still be repeated.
    fn join_literals(&mut self) {
        let Some(([.., Item::Node(below)], Item::Node(top))) =
            self.stack.split_last_mut().map(|(top, below)| (below, top))
        else {
            return;
        };
        let is_joined = match (&mut below.kind, &top.kind) {
            (NodeKind::Literal(text), NodeKind::Literal(more))
            | (NodeKind::Folded(text), NodeKind::Folded(more)) => {
                text.push_str(more);
                true
            }
            _ => false,
        };
        if is_joined {
            below.size = below.size.saturating_add(top.size);
            self.stack.pop();
        }
    }

    fn open(&mut self, rest: &'a str, flags: Flags, is_capture: bool) {
        self.join_literals();
        self.stack.push(Item::Open { flags, is_capture });
        self.rest = rest;
    }

    fn bar(&mut self, rest: &'a str) -> Result<(), Fault> {
        self.finish_branch()?;
        self.stack.push(Item::Bar);
        self.rest = rest;
        Ok(())
    }

    /// The nodes since the last bar or parenthesis become one.
    fn finish_branch(&mut self) -> Result<(), Fault> {
        self.join_literals();
        let from =
            self.stack.iter().rposition(|item| !matches!(item, Item::Node(_))).map_or(0, |place| place + 1);
        let parts: Vec<TreeNode> = self.stack.drain(from..).filter_map(Item::into_node).collect();
        let node = if parts.is_empty() { TreeNode::leaf(NodeKind::Empty) } else { TreeNode::concat(parts) };
        self.check(&node)?;
        self.stack.push(Item::Node(node));
        Ok(())
    }

    /// The branches since the last parenthesis become one.
    fn take_branches(&mut self) -> Result<TreeNode, Fault> {
        let is_open = |item: &Item| matches!(item, Item::Open { .. });
        let from = self.stack.iter().rposition(is_open).map_or(0, |place| place + 1);
        let parts = self.stack.drain(from..).filter_map(Item::into_node).collect();
        let node = TreeNode::alternate(parts);
        self.check(&node)?;
        Ok(node)
    }

    fn close(&mut self, rest: &'a str) -> Result<(), Fault> {
        self.finish_branch()?;
        let inner = self.take_branches()?;
        let Some(Item::Open { flags, is_capture }) = self.stack.pop() else {
            return Err(Fault::new(Code::UnexpectedParen, self.source));
        };
        self.flags = flags;
        self.rest = rest;
        self.push(if is_capture { TreeNode::group(inner) } else { inner })
    }

    /// A repetition operator; false if a brace is a literal.
    fn repetition(&mut self, c: char, after: &'a str, last: Option<&'a str>) -> Result<bool, Fault> {
        let start = self.rest;
        let simple = |min, max| Repeat { min, max, is_greedy: true, is_counted: false };
        let (mut repeat, mut rest) = match c {
            '*' => (simple(0, None), after),
            '+' => (simple(1, None), after),
            '?' => (simple(0, Some(1)), after),
            _ => match counts(after) {
                None => {
                    self.rest = after;
                    self.literal('{')?;
                    return Ok(false);
                }
                Some((min, max, rest)) => {
                    let fits = |count: u32| count <= COUNT_MAX;
                    if !fits(min) || !max.is_none_or(fits) || max.is_some_and(|max| min > max) {
                        return Err(Fault::new(Code::RepeatSize, read_part(start, rest)));
                    }
                    (Repeat { is_counted: true, ..simple(min, max) }, rest)
                }
            },
        };
        let mut is_lazy = self.flags.is_lazy;
        if let Some(lazy) = rest.strip_prefix('?') {
            rest = lazy;
            is_lazy = !is_lazy;
        }
        repeat.is_greedy = !is_lazy;
        if let Some(last) = last {
            return Err(Fault::new(Code::RepeatOp, read_part(last, rest)));
        }
        self.repeat_top(repeat, read_part(start, rest))?;
        self.rest = rest;
        Ok(true)
    }

    fn repeat_top(&mut self, repeat: Repeat, written: &str) -> Result<(), Fault> {
        let missing = || Fault::new(Code::MissingRepeatArgument, written);
        let inner = self.stack.pop_if(|item| matches!(item, Item::Node(_))).and_then(Item::into_node);
        let node = TreeNode::repeat(inner.ok_or_else(missing)?, repeat);
        self.check(&node)?;
        let is_many = repeat.is_counted && (repeat.min >= 2 || repeat.max.is_some_and(|max| max >= 2));
        if is_many && !node.copies_fit(COUNT_MAX) {
            return Err(Fault::new(Code::RepeatSize, written));
        }
        self.stack.push(Item::Node(node));
        Ok(())
    }

    /// `(?P<name>`, `(?<name>`, `(?flags)` or `(?flags:`.
    fn perl_group(&mut self) -> Result<(), Fault> {
        let start = self.rest;
        let inner = start.get(2..).unwrap_or("");
        let name =
            inner.strip_prefix("P<").or_else(|| inner.strip_prefix('<')).filter(|name| !name.is_empty());
        let Some(name) = name else { return self.flag_group(start, inner) };
        let Some((name, rest)) = name.split_once('>') else {
            return Err(Fault::new(Code::NamedCapture, start));
        };
        if name.is_empty() || !name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()) {
            return Err(Fault::new(Code::NamedCapture, read_part(start, rest)));
        }
        self.open(rest, self.flags, true);
        Ok(())
    }

    fn flag_group(&mut self, start: &'a str, inner: &'a str) -> Result<(), Fault> {
        let (before, mut flags) = (self.flags, self.flags);
        let (mut is_set, mut has_flag, mut rest) = (true, false, inner);
        while let Some((c, after)) = split_first(rest) {
            rest = after;
            match c {
                'i' => flags.is_folded = is_set,
                'm' => flags.has_lines = is_set,
                's' => flags.dot_is_any = is_set,
                'U' => flags.is_lazy = is_set,
                '-' if is_set => is_set = false,
                ':' | ')' if is_set || has_flag => {
                    if c == ':' {
                        self.open(rest, before, false);
                    }
                    self.rest = rest;
                    self.flags = flags;
                    return Ok(());
                }
                _ => break,
            }
            has_flag = c != '-';
        }
        Err(Fault::new(Code::PerlOp, read_part(start, rest)))
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let start = self.rest;
        let after = start.get(1..).unwrap_or("");
        let rest = after.get(1..).unwrap_or("");
        let look = match after.as_bytes().first() {
            Some(b'A') => Look::TextStart,
            Some(b'z') => Look::TextEnd,
            Some(b'b') => Look::WordBoundary,
            Some(b'B') => Look::NoWordBoundary,
            Some(b'Q') => return self.quoted(rest),
            _ => {
                if let Some((set, rest)) = self.brackets.named(start, self.flags.is_folded)? {
                    self.rest = rest;
                    return self.push(TreeNode::leaf(NodeKind::Class(set)));
                }
                let (code, rest) = crate::brackets::escape(start)?;
                self.rest = rest;
                return match char::from_u32(code) {
                    Some(c) => self.literal(c),
                    // Half of a pair, which no text has.
                    None => self.push(TreeNode::leaf(NodeKind::Class([(code, code)].into()))),
                };
            }
        };
        self.rest = rest;
        self.push(TreeNode::leaf(NodeKind::Look(look)))
    }

    /// Reads the literal text between `\Q` and `\E`.
    fn quoted(&mut self, inner: &'a str) -> Result<(), Fault> {
        let (text, rest) = inner.split_once("\\E").unwrap_or((inner, ""));
        for c in text.chars() {
            self.literal(c)?;
        }
        self.rest = rest;
        Ok(())
    }
}

impl Item {
    fn into_node(self) -> Option<TreeNode> {
        match self {
            Item::Node(node) => Some(node),
            Item::Open { .. } | Item::Bar => None,
        }
    }
}

/// `2}`, `2,}` or `2,3}` after an opening brace, and the rest; `None` if the brace is a literal.
fn counts(text: &str) -> Option<(u32, Option<u32>, &str)> {
    let (min, rest) = number(text)?;
    let (max, rest) = match rest.strip_prefix(',') {
        None => (Some(min), rest),
        Some(rest) if rest.starts_with('}') => (None, rest),
        Some(rest) => number(rest).map(|(max, rest)| (Some(max), rest))?,
    };
    Some((min, max, rest.strip_prefix('}')?))
}

/// A decimal number without leading zeros; one that is too large saturates.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let is_plain = !digits.is_empty() && (digits.len() == 1 || !digits.starts_with('0'));
    is_plain.then(|| (digits.parse().unwrap_or(u32::MAX), rest))
}
