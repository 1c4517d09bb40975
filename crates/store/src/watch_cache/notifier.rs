//! The notifier: wakes the watchers of new events, at once after a quiet time, else a little later for several events
//! in one go.

use crate::watch_cache::watch_group::WatchGroup;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Groups that are due within this time are notified together, so that watchers on one connection share its writes.
const TOGETHER: Duration = Duration::from_millis(1);
/// The watchers of a group that the writer wakes itself; more would keep writes waiting.
const WOKEN_AT_ONCE_MAX: usize = 32;
/// Its thread calls wakers and does nothing else.
const STACK_BYTES: usize = 128 << 10;

pub(crate) struct Notifier {
    shared: Arc<NotifierShared>,
}

#[derive(Default)]
struct NotifierShared {
    state: Mutex<NotifierState>,
    changed: Condvar,
}

#[derive(Default)]
struct NotifierState {
    waiting: Vec<(Instant, Arc<WatchGroup>)>,
    /// The time at which the first of them is due.
    due: Option<Instant>,
    is_over: bool,
}

impl Notifier {
    pub fn start() -> std::io::Result<Notifier> {
        let shared = Arc::new(NotifierShared::default());
        let own = shared.clone();
        let builder = std::thread::Builder::new().name(String::from("store-notifier"));
        builder.stack_size(STACK_BYTES).spawn(move || own.run())?;
        Ok(Notifier { shared })
    }

    /// Wakes the watchers of groups with new events, now or soon.
    pub fn notify(&self, groups: Vec<Arc<WatchGroup>>) {
        let now = Instant::now();
        for group in groups {
            let pause = group.pause(now);
            if pause.is_zero() && group.watchers() <= WOKEN_AT_ONCE_MAX {
                group.notify(now);
            } else {
                self.shared.later(group, now + pause);
            }
        }
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.shared.state().is_over = true;
        self.shared.changed.notify_one();
    }
}

impl NotifierShared {
    fn later(&self, group: Arc<WatchGroup>, due: Instant) {
        let mut state = self.state();
        state.waiting.push((due, group));
        if state.due.is_none_or(|before| due < before) {
            state.due = Some(due);
            drop(state);
            self.changed.notify_one();
        }
    }

    fn run(&self) {
        let mut state = self.state();
        while !state.is_over {
            let now = Instant::now();
            state = match state.due {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(due) if due > now => {
                    let wait = self.changed.wait_timeout(state, due - now);
                    wait.unwrap_or_else(PoisonError::into_inner).0
                }
                Some(_) => {
                    let groups = state.take_due(now + TOGETHER);
                    drop(state);
                    groups.iter().for_each(|(_, group)| group.notify(now));
                    self.state()
                }
            };
        }
    }

    fn state(&self) -> MutexGuard<'_, NotifierState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NotifierState {
    fn take_due(&mut self, now: Instant) -> Vec<(Instant, Arc<WatchGroup>)> {
        let due = self.waiting.extract_if(.., |(due, _)| *due <= now).collect();
        self.due = self.waiting.iter().map(|(due, _)| *due).min();
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch_cache::predicate::WatchPredicate;
    use std::time::Duration;

    #[test]
    fn events_soon_after_others_are_notified_a_little_later() {
        let notifier = Notifier::start().unwrap();
        let group = Arc::new(WatchGroup::new(WatchPredicate::default()));
        (0..1000).for_each(|_| {
            group.join();
        });
        for place in 0..3 {
            if group.push(place, 0) {
                notifier.notify(vec![group.clone()]);
            }
        }
        let begin = Instant::now();
        while group.notified() < 3 {
            assert!(begin.elapsed() < Duration::from_secs(10), "nobody was notified");
            std::thread::yield_now();
        }
    }
}
