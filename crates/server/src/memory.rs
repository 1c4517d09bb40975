//! The memory budget: as memory fills, large requests are refused, of the heaviest users first, then of all users, and
//! of the system last, so that the process is never killed for its memory.

use crate::permits::Requester;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The parts of the budget in use, in percent, from which memory is strained, short, and as good as gone.
const STRAINED_PERCENT: u64 = 75;
const SHORT_PERCENT: u64 = 85;
const GONE_PERCENT: u64 = 95;
/// Users with at least this part of all recent cost are heavy.
const HEAVY_PART: f64 = 0.25;

/// The memory of a server.
#[derive(Debug, Default)]
pub struct Memory {
    /// Zero for no budget.
    budget_bytes: u64,
    used_bytes: AtomicU64,
    heavy: Mutex<BTreeSet<String>>,
}

/// The degree to which memory is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    None,
    Strained,
    Short,
    Gone,
}

/// The size class of a request's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    Small,
    /// A large list, or a watch that begins.
    Large,
}

impl Memory {
    pub fn new(budget_bytes: u64) -> Memory {
        Memory { budget_bytes, ..Memory::default() }
    }

    pub fn has_budget(&self) -> bool {
        self.budget_bytes > 0
    }

    /// Notes the memory in use, and the heavy users.
    pub fn observe(&self, used_bytes: u64, heavy: BTreeSet<String>) {
        self.used_bytes.store(used_bytes, Ordering::Relaxed);
        *self.heavy.lock().unwrap_or_else(PoisonError::into_inner) = heavy;
    }

    pub fn pressure(&self) -> Pressure {
        if self.budget_bytes == 0 {
            return Pressure::None;
        }
        match self.used_bytes.load(Ordering::Relaxed).saturating_mul(100) / self.budget_bytes {
            GONE_PERCENT.. => Pressure::Gone,
            SHORT_PERCENT.. => Pressure::Short,
            STRAINED_PERCENT.. => Pressure::Strained,
            _ => Pressure::None,
        }
    }

    /// Whether a request is refused, by its user and size.
    pub(crate) fn refuses(&self, who: Requester<'_>, user: &str, weight: Weight) -> bool {
        let is_large = weight == Weight::Large;
        let is_heavy = || self.heavy.lock().unwrap_or_else(PoisonError::into_inner).contains(user);
        match (self.pressure(), who) {
            (Pressure::None, _) => false,
            (Pressure::Strained, Requester::Other(_)) => is_large && is_heavy(),
            (Pressure::Short, Requester::Other(_)) => is_large,
            (Pressure::Gone, Requester::Other(_)) => true,
            (Pressure::Gone, Requester::System(_) | Requester::Master) => is_large,
            (Pressure::Strained | Pressure::Short, Requester::System(_) | Requester::Master) => false,
        }
    }
}

/// The users that have a good part of the total cost.
pub fn heavy(costs: &[(String, f64)]) -> BTreeSet<String> {
    let total: f64 = costs.iter().map(|(_, cost)| cost).sum();
    let is_heavy = |cost: f64| total > 0.0 && cost >= total * HEAVY_PART;
    costs.iter().filter(|(_, cost)| is_heavy(*cost)).map(|(user, _)| user.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_are_refused_first_and_the_system_last() {
        let memory = Memory::new(1000);
        let (alice, bob) = (Requester::Other("alice"), Requester::Other("bob"));
        let (node, master) = (Requester::System("system:node:a"), Requester::Master);
        let check = |used: u64, large: [bool; 4], small: [bool; 4]| {
            memory.observe(used, BTreeSet::from([String::from("alice")]));
            for (weight, expected) in [(Weight::Large, large), (Weight::Small, small)] {
                let users = [(alice, "alice"), (bob, "bob"), (node, "system:node:a"), (master, "admin")];
                let found = users.map(|(who, user)| memory.refuses(who, user, weight));
                assert_eq!(found, expected, "{weight:?} at {used}");
            }
        };
        let nobody = [false; 4];
        check(749, nobody, nobody);
        check(750, [true, false, false, false], nobody);
        check(850, [true, true, false, false], nobody);
        check(950, [true; 4], [true, true, false, false]);
        check(2000, [true; 4], [true, true, false, false]);
        let unbounded = Memory::default();
        unbounded.observe(u64::MAX, BTreeSet::new());
        assert_eq!(unbounded.pressure(), Pressure::None);
    }

    #[test]
    fn heavy_is_who_has_a_good_part_of_all() {
        let costs = [("a", 5.0), ("b", 3.0), ("c", 1.0), ("d", 1.0)].map(|(user, cost)| (user.into(), cost));
        assert_eq!(heavy(&costs), BTreeSet::from([String::from("a"), String::from("b")]));
        assert!(heavy(&[]).is_empty() && heavy(&[("a".into(), 0.0)]).is_empty());
    }
}
