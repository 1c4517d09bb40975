//! `Answers`: a bounded cache of answers with an expiry each; the least recently used are evicted.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A bounded cache of answers by question.
pub struct Answers<T> {
    state: Mutex<AnswersState<T>>,
    len_max: usize,
}

struct AnswersState<T> {
    known: HashMap<Arc<str>, Known<T>>,
    /// The questions by the tick of their last use, the oldest first.
    order: BTreeMap<u64, Arc<str>>,
    clock: u64,
}

struct Known<T> {
    answer: T,
    until: Instant,
    place: u64,
}

impl<T: Clone> Answers<T> {
    pub fn new(len_max: usize) -> Answers<T> {
        let state = AnswersState { known: HashMap::new(), order: BTreeMap::new(), clock: 0 };
        Answers { state: Mutex::new(state), len_max }
    }

    /// The answer, if it still holds.
    pub fn get(&self, asked: &str, now: Instant) -> Option<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        let (key, _) = state.known.get_key_value(asked)?;
        let key = key.clone();
        let known = state.known.get_mut(asked)?;
        state.order.remove(&known.place);
        if known.until <= now {
            state.known.remove(asked);
            return None;
        }
        state.clock += 1;
        known.place = state.clock;
        state.order.insert(state.clock, key);
        Some(known.answer.clone())
    }

    /// Remembers an answer for a while.
    pub fn put(&self, asked: &str, answer: T, holds: Duration, now: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.clock += 1;
        let (key, place): (Arc<str>, u64) = (asked.into(), state.clock);
        let known = Known { answer, until: now + holds, place };
        if let Some(old) = state.known.insert(key.clone(), known) {
            state.order.remove(&old.place);
        }
        state.order.insert(place, key);
        while state.known.len() > self.len_max {
            let Some((_, oldest)) = state.order.pop_first() else { return };
            state.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_hold_for_a_while_and_the_least_asked_for_go_first() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let answers = Answers::new(2);
        answers.put("a", 1, Duration::from_secs(10), start);
        answers.put("b", 2, Duration::from_secs(20), start);
        assert_eq!((answers.get("a", after(5)), answers.get("c", after(5))), (Some(1), None));
        answers.put("c", 3, Duration::from_secs(20), after(5));
        assert_eq!((answers.get("a", after(6)), answers.get("b", after(6))), (Some(1), None));
        assert_eq!((answers.get("a", after(10)), answers.get("c", after(24))), (None, Some(3)));
        assert_eq!(answers.get("c", after(25)), None);
    }
}
