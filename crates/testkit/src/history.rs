//! Histories of concurrent clients, and whether a store that does one thing at a time could have given their answers.
//!
//! Wing and Gong's search with Lowe's memory: calls that overlap may have happened in either order, others only in the
//! order of their times. Revisions must rise in the order found, which leaves few orders to try. For example:
//!
//! ```text
//! one:    |--- create a=1 -> revision 7 ---|
//! other:      |- get a -> missing -|  |- list -> a=1 at 7, of revision 9 -|
//! ```
//! The get happened before the create; were it to begin after the create's answer, there would be no such order.

use std::collections::{BTreeMap, HashSet};

/// A client's question to a map from keys to values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    Create {
        key: u8,
        value: u64,
    },
    Update {
        key: u8,
        at: u64,
        value: u64,
    },
    /// A write of the current version, whichever it is.
    Patch {
        key: u8,
        value: u64,
    },
    Delete {
        key: u8,
        at: Option<u64>,
    },
    Get {
        key: u8,
    },
    List,
}

/// The answer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryOutcome {
    /// The revision of a write.
    Written(u64),
    /// A deletion, and its revision where the answer has it.
    Deleted(Option<u64>),
    Exists,
    Missing,
    Stale,
    /// Value and revision.
    Found(u64, u64),
    Listed {
        revision: u64,
        items: BTreeMap<u8, (u64, u64)>,
    },
    /// Nothing: it may have happened, at any time, or never.
    Nothing,
}

/// A call with the times of its beginning and end; no two are the same, but for calls that never ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedCall {
    pub begin: u64,
    pub end: u64,
    pub ask: Ask,
    pub outcome: HistoryOutcome,
}

/// The end of a call that was never answered, and is known to have happened.
pub const NEVER: u64 = u64::MAX;

/// States that a search remembers before it gives up, so that no history makes it go on for ever.
const STATES_MAX: usize = 1 << 20;

/// The writes that a watch from the beginning to the end has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryText {
    /// Revisions by the values that were written.
    pub written: BTreeMap<u64, u64>,
    /// The number of deletions of each key.
    pub deleted: BTreeMap<u8, usize>,
}

/// Decides unanswered calls by a watch: those that it shows happened, the others did not. Each call that stays
/// undecided doubles the orders that may have to be tried. Unanswered reads are ignored.
pub fn decide(calls: &mut Vec<TimedCall>, shown: &HistoryText) {
    let mut unanswered = shown.deleted.clone();
    for call in calls.iter() {
        if let (Ask::Delete { key, .. }, HistoryOutcome::Deleted(_)) = (&call.ask, &call.outcome)
            && let Some(count) = unanswered.get_mut(key)
        {
            *count = count.saturating_sub(1);
        }
    }
    calls.retain_mut(|call| {
        if call.outcome != HistoryOutcome::Nothing {
            return true;
        }
        match &call.ask {
            Ask::Get { .. } | Ask::List => false,
            Ask::Delete { key, .. } => unanswered.get(key).is_some_and(|count| *count > 0),
            Ask::Create { value, .. } | Ask::Update { value, .. } | Ask::Patch { value, .. } => {
                let Some(revision) = shown.written.get(value) else { return false };
                (call.outcome, call.end) = (HistoryOutcome::Written(*revision), NEVER);
                true
            }
        }
    });
}

/// Checks that there is an order in which the calls can have happened; the error has the calls around which there is
/// none.
pub fn check(calls: &[TimedCall]) -> Result<(), String> {
    Search::new(calls).run()
}

/// The revision of a key's last change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Changed {
    At(u64),
    /// By a call of which nothing is known but that.
    After(u64),
}

impl Changed {
    fn may_be(self, revision: u64) -> bool {
        match self {
            Changed::At(known) => known == revision,
            Changed::After(known) => revision > known,
        }
    }
}

/// The map, and the latest revision that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct State {
    revision: u64,
    keys: BTreeMap<u8, (u64, Changed)>,
}

impl State {
    /// The state after a call, if it can have been answered so.
    fn after(&self, call: &TimedCall) -> Option<State> {
        match (&call.ask, &call.outcome) {
            (Ask::Get { .. } | Ask::List, HistoryOutcome::Nothing) => Some(self.clone()),
            (Ask::Get { key }, HistoryOutcome::Missing) => {
                (!self.keys.contains_key(key)).then(|| self.clone())
            }
            (Ask::Get { key }, HistoryOutcome::Found(value, revision)) => {
                self.showing(*key, *value, *revision)
            }
            (Ask::List, HistoryOutcome::Listed { revision, items }) => self.listed(*revision, items),
            (Ask::Create { key, .. }, HistoryOutcome::Exists) => {
                self.keys.contains_key(key).then(|| self.clone())
            }
            (Ask::Create { key, value }, outcome) if !self.keys.contains_key(key) => {
                self.written(*key, *value, outcome)
            }
            (Ask::Patch { key, value }, outcome)
                if self.keys.contains_key(key) && *outcome != HistoryOutcome::Missing =>
            {
                self.written(*key, *value, outcome)
            }
            (Ask::Update { key, at, value }, outcome)
                if self.is_at(*key, *at) && *outcome != HistoryOutcome::Stale =>
            {
                self.written(*key, *value, outcome)
            }
            (Ask::Delete { key, at }, HistoryOutcome::Deleted(_) | HistoryOutcome::Nothing)
                if self.keys.contains_key(key) && at.is_none_or(|at| self.is_at(*key, at)) =>
            {
                self.deleted(*key, &call.outcome)
            }
            (
                Ask::Update { key, .. } | Ask::Patch { key, .. } | Ask::Delete { key, .. },
                HistoryOutcome::Missing,
            ) => (!self.keys.contains_key(key)).then(|| self.clone()),
            (Ask::Update { key, at, .. } | Ask::Delete { key, at: Some(at) }, HistoryOutcome::Stale) => {
                let found = self.keys.get(key)?;
                (found.1 != Changed::At(*at)).then(|| self.clone())
            }
            _ => None,
        }
    }

    fn is_at(&self, key: u8, revision: u64) -> bool {
        self.keys.get(&key).is_some_and(|(_, changed)| changed.may_be(revision))
    }

    fn showing(&self, key: u8, value: u64, revision: u64) -> Option<State> {
        let (held, changed) = self.keys.get(&key)?;
        if *held != value || !changed.may_be(revision) {
            return None;
        }
        let mut next = self.clone();
        next.revision = next.revision.max(revision);
        next.keys.insert(key, (value, Changed::At(revision)));
        Some(next)
    }

    /// A list is of the present: nothing was written between its revision and it.
    fn listed(&self, revision: u64, items: &BTreeMap<u8, (u64, u64)>) -> Option<State> {
        if revision < self.revision || items.len() != self.keys.len() {
            return None;
        }
        let mut next = self.clone();
        for (key, (value, changed)) in items {
            next = next.showing(*key, *value, *changed)?;
        }
        if next.revision > revision {
            return None;
        }
        next.revision = revision;
        Some(next)
    }

    fn written(&self, key: u8, value: u64, outcome: &HistoryOutcome) -> Option<State> {
        let changed = match outcome {
            HistoryOutcome::Written(revision) if *revision > self.revision => Changed::At(*revision),
            HistoryOutcome::Nothing => Changed::After(self.revision),
            _ => return None,
        };
        let mut next = self.clone();
        if let Changed::At(revision) = changed {
            next.revision = revision;
        }
        next.keys.insert(key, (value, changed));
        Some(next)
    }

    fn deleted(&self, key: u8, outcome: &HistoryOutcome) -> Option<State> {
        let mut next = self.clone();
        next.keys.remove(&key);
        match outcome {
            HistoryOutcome::Deleted(Some(revision)) if *revision > self.revision => next.revision = *revision,
            HistoryOutcome::Deleted(Some(_)) => return None,
            _ => {}
        }
        Some(next)
    }
}

/// A place in the list of beginnings and ends that are still to be explained.
#[derive(Clone, Copy, Debug)]
struct HistoryNode {
    call: usize,
    is_end: bool,
    previous: usize,
    next: usize,
}

/// The list's first and last node, and so neither.
const HEAD: usize = 0;

struct Search<'a> {
    calls: &'a [TimedCall],
    nodes: Vec<HistoryNode>,
    /// Of each call, the node of its end.
    ends: Vec<Option<usize>>,
    done: Vec<u64>,
    /// Ends that are still to be explained.
    left: usize,
    state: State,
    seen: HashSet<(Vec<u64>, State)>,
    stack: Vec<(usize, State)>,
}

impl<'a> Search<'a> {
    fn new(calls: &'a [TimedCall]) -> Search<'a> {
        let mut times = Vec::new();
        for (place, call) in calls.iter().enumerate() {
            times.push((call.begin, place, false));
            // A call that was not answered has no end.
            if call.outcome != HistoryOutcome::Nothing {
                times.push((call.end, place, true));
            }
        }
        times.sort_unstable();
        let mut nodes = vec![HistoryNode { call: usize::MAX, is_end: false, previous: times.len(), next: 1 }];
        let mut ends = vec![None; calls.len()];
        for (place, (_, call, is_end)) in times.iter().enumerate() {
            let next = (place + 2) % (times.len() + 1);
            nodes.push(HistoryNode { call: *call, is_end: *is_end, previous: place, next });
            if *is_end {
                ends[*call] = Some(place + 1);
            }
        }
        if times.is_empty() {
            nodes[HEAD].next = HEAD;
        }
        let left = ends.iter().flatten().count();
        let done = vec![0; calls.len().div_ceil(64)];
        let (state, seen, stack) = (State::default(), HashSet::new(), Vec::new());
        Search { calls, nodes, ends, done, left, state, seen, stack }
    }

    fn run(mut self) -> Result<(), String> {
        let (mut after, mut longest, mut stuck) = (None, 0, String::new());
        while self.left > 0 {
            if let Some(at) = self.candidate(after) {
                after = if self.take(at) { None } else { Some(at) };
                continue;
            }
            if self.seen.len() > STATES_MAX {
                let count = self.calls.len();
                return Err(format!("no order was found among {STATES_MAX} states of {count} calls"));
            }
            // A call ended and could not have happened, so the last choice was wrong.
            if self.stack.len() >= longest {
                (longest, stuck) = (self.stack.len(), self.describe());
            }
            let Some((taken, before)) = self.stack.pop() else {
                return Err(format!("no order explains the history of {} calls; {stuck}", self.calls.len()));
            };
            self.put_back(taken, before);
            after = Some(taken);
        }
        Ok(())
    }

    /// The next of the remaining calls that may have happened first, after one that did not. Unanswered ones come last:
    /// they need not have happened at all.
    fn candidate(&self, after: Option<usize>) -> Option<usize> {
        let is_known = |at: &usize| self.ends.get(self.nodes[*at].call).is_some_and(Option::is_some);
        let begun = |from: usize| {
            let nodes = std::iter::successors(Some(self.nodes[from].next), |at| Some(self.nodes[*at].next));
            nodes.take_while(|at| *at != HEAD && !self.nodes[*at].is_end)
        };
        let unknown = |from: usize| begun(from).find(|at| !is_known(at));
        match after {
            Some(at) if !is_known(&at) => unknown(at),
            _ => begun(after.unwrap_or(HEAD)).find(is_known).or_else(|| unknown(HEAD)),
        }
    }

    /// Lets the call of a node be the next that happened, if it can be and that was not tried before.
    fn take(&mut self, at: usize) -> bool {
        let call = self.nodes[at].call;
        let Some(next) = self.state.after(&self.calls[call]) else { return false };
        self.done[call / 64] ^= 1 << (call % 64);
        if !self.seen.insert((self.done.clone(), next.clone())) {
            self.done[call / 64] ^= 1 << (call % 64);
            return false;
        }
        self.stack.push((at, std::mem::replace(&mut self.state, next)));
        self.lift(at);
        if let Some(end) = self.ends[call] {
            self.lift(end);
            self.left -= 1;
        }
        true
    }

    fn put_back(&mut self, at: usize, before: State) {
        let call = self.nodes[at].call;
        self.state = before;
        self.done[call / 64] ^= 1 << (call % 64);
        if let Some(end) = self.ends[call] {
            self.drop_in(end);
            self.left += 1;
        }
        self.drop_in(at);
    }

    fn lift(&mut self, at: usize) {
        let HistoryNode { previous, next, .. } = self.nodes[at];
        self.nodes[previous].next = next;
        self.nodes[next].previous = previous;
    }

    fn drop_in(&mut self, at: usize) {
        let HistoryNode { previous, next, .. } = self.nodes[at];
        self.nodes[previous].next = at;
        self.nodes[next].previous = at;
    }

    /// Describes the answer without an explanation, and the calls at that time.
    fn describe(&self) -> String {
        let nodes = std::iter::successors(Some(self.nodes[HEAD].next), |at| Some(self.nodes[*at].next));
        let end = nodes.take_while(|at| *at != HEAD).find(|at| self.nodes[*at].is_end);
        let Some(stuck) = end.and_then(|at| self.calls.get(self.nodes[at].call)) else {
            return String::new();
        };
        let near = self
            .calls
            .iter()
            .filter(|call| call.begin < stuck.end && call.end.saturating_add(20) > stuck.begin);
        let near: Vec<String> = near.map(|call| format!("{call:?}")).collect();
        let (state, count) = (&self.state, self.stack.len());
        format!(
            "after {count} of them the state is {state:?}, which cannot explain {stuck:?} among\n{}",
            near.join("\n")
        )
    }
}

#[cfg(test)]
mod tests;
