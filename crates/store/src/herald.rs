//! The herald: tells watchers of events, at once after a quiet time, and else a little later of several in one go.

use crate::lane::Lane;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lanes that are due within this time are told together, so that watchers on one connection share its writes.
const TOGETHER: Duration = Duration::from_millis(1);
/// Whoever publishes tells so many watchers himself; more would keep writers waiting.
const TOLD_AT_ONCE: usize = 32;
/// Its thread calls wakers and does nothing else.
const STACK_BYTES: usize = 128 << 10;

pub(crate) struct Herald {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<(Instant, Arc<Lane>)>,
    /// When the first of them is due.
    due: Option<Instant>,
    is_over: bool,
}

impl Herald {
    pub fn start() -> std::io::Result<Herald> {
        let shared = Arc::new(Shared::default());
        let own = shared.clone();
        let builder = std::thread::Builder::new().name(String::from("store-herald"));
        builder.stack_size(STACK_BYTES).spawn(move || own.run())?;
        Ok(Herald { shared })
    }

    /// Sees to it that the watchers of lanes are told of what is new there.
    pub fn announce(&self, lanes: Vec<Arc<Lane>>) {
        let now = Instant::now();
        for lane in lanes {
            let pause = lane.pause(now);
            if pause.is_zero() && lane.watchers() <= TOLD_AT_ONCE {
                lane.tell(now);
            } else {
                self.shared.later(lane, now + pause);
            }
        }
    }
}

impl Drop for Herald {
    fn drop(&mut self) {
        self.shared.state().is_over = true;
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn later(&self, lane: Arc<Lane>, due: Instant) {
        let mut state = self.state();
        state.waiting.push((due, lane));
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
                    let lanes = state.take_due(now + TOGETHER);
                    drop(state);
                    lanes.iter().for_each(|(_, lane)| lane.tell(now));
                    self.state()
                }
            };
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take_due(&mut self, now: Instant) -> Vec<(Instant, Arc<Lane>)> {
        let due = self.waiting.extract_if(.., |(due, _)| *due <= now).collect();
        self.due = self.waiting.iter().map(|(due, _)| *due).min();
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Interest;
    use std::time::Duration;

    #[test]
    fn what_comes_soon_after_is_told_a_little_later() {
        let herald = Herald::start().unwrap();
        let lane = Arc::new(Lane::new(Interest::default()));
        (0..1000).for_each(|_| {
            lane.join();
        });
        for place in 0..3 {
            if lane.push(place, 0) {
                herald.announce(vec![lane.clone()]);
            }
        }
        let begin = Instant::now();
        while lane.told() < 3 {
            assert!(begin.elapsed() < Duration::from_secs(10), "nobody was told");
            std::thread::yield_now();
        }
    }
}
