//! A clock that tests move, and the requests that they send through a level: each has its seats for a while, and
//! may give up waiting.

use crate::clock::{Alarm, Clock};
use crate::flow_stats::FlowStats;
use crate::level::{Admitted, Level, Seat, Waiting};
use crate::moment::Moment;
use crate::queue_set::{Arrival, Phase};
use crate::queuing::Queuing;
use crate::width::Width;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

#[derive(Debug, Default)]
pub struct VirtualClock {
    nanos: AtomicU64,
    alarms: Mutex<Vec<(Moment, Weak<dyn Alarm>)>>,
}

impl Clock for VirtualClock {
    fn now(&self) -> Moment {
        Moment::from_nanos(self.nanos.load(Ordering::Relaxed))
    }

    fn call_at(&self, at: Moment, alarm: Weak<dyn Alarm>) {
        self.alarms.lock().unwrap().push((at, alarm));
    }
}

impl VirtualClock {
    pub fn set(&self, now: Moment) {
        self.nanos.store(now.nanos(), Ordering::Relaxed);
    }

    fn next_alarm(&self) -> Option<Moment> {
        self.alarms.lock().unwrap().iter().map(|(at, _)| *at).min()
    }

    fn ring(&self) {
        let now = self.now();
        let due: Vec<Weak<dyn Alarm>> = {
            let mut alarms = self.alarms.lock().unwrap();
            let due = alarms.iter().filter(|(at, _)| *at <= now).map(|(_, alarm)| alarm.clone()).collect();
            alarms.retain(|(at, _)| *at > now);
            due
        };
        for alarm in due.iter().filter_map(Weak::upgrade) {
            alarm.ring();
        }
    }
}

/// A request to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub at: Moment,
    pub hash: u64,
    pub width: Width,
    pub takes: Duration,
    pub patience: Duration,
}

/// The outcome of a planned request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Ran { from: Moment, to: Moment },
    Refused,
    GaveUp,
}

#[derive(Debug, Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Waiter {
    waiting: Pin<Box<Waiting>>,
    woken: Arc<Flag>,
    gives_up_at: Moment,
    takes: Duration,
}

struct Runner {
    seat: Seat,
    from: Moment,
    to: Moment,
}

/// One level, the plans that were not sent yet, and the requests that are at it.
pub struct Simulation {
    pub clock: Arc<VirtualClock>,
    pub level: Arc<Level>,
    pub stats: Arc<FlowStats>,
    plans: BTreeMap<(Moment, usize), Plan>,
    waiters: BTreeMap<usize, Waiter>,
    runners: BTreeMap<usize, Runner>,
    pub ends: BTreeMap<usize, End>,
}

impl Simulation {
    pub fn new(queuing: Queuing, limit: u64, plans: &[Plan]) -> Simulation {
        let clock = Arc::new(VirtualClock::default());
        let level = Arc::new(Level::new("level".into(), clock.clone(), queuing, limit));
        let plans = plans.iter().enumerate().map(|(id, plan)| ((plan.at, id), *plan)).collect();
        Simulation {
            clock,
            level,
            stats: Arc::default(),
            plans,
            waiters: BTreeMap::new(),
            runners: BTreeMap::new(),
            ends: BTreeMap::new(),
        }
    }

    /// Sends everything, and calls `check` after each step.
    pub fn run(&mut self, mut check: impl FnMut(&Simulation)) {
        while let Some(next) = self.next_moment() {
            assert!(next >= self.clock.now(), "time goes forward");
            self.clock.set(next);
            self.step(next);
            self.assert_sound();
            check(self);
        }
        assert!(self.waiters.is_empty() && self.runners.is_empty());
    }

    fn next_moment(&self) -> Option<Moment> {
        let plans = self.plans.keys().next().map(|(at, _)| *at);
        let gives_up = self.waiters.values().map(|waiter| waiter.gives_up_at).min();
        let ends = self.runners.values().map(|runner| runner.to).min();
        [plans, gives_up, ends, self.clock.next_alarm()].into_iter().flatten().min()
    }

    /// One step: lingering seats are released, then requests end, then others come, then others give up.
    fn step(&mut self, now: Moment) {
        self.clock.ring();
        self.hand_over(now);
        let ended: Vec<usize> =
            self.runners.iter().filter(|(_, runner)| runner.to <= now).map(|(id, _)| *id).collect();
        for id in ended {
            let Some(Runner { seat, from, to }) = self.runners.remove(&id) else { continue };
            self.ends.insert(id, End::Ran { from, to });
            drop(seat);
            self.hand_over(now);
        }
        while let Some(entry) = self.plans.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((_, id), plan) = entry.remove_entry();
            self.send(now, id, plan);
            self.hand_over(now);
        }
        let given_up: Vec<usize> =
            self.waiters.iter().filter(|(_, waiter)| waiter.gives_up_at <= now).map(|(id, _)| *id).collect();
        for id in given_up {
            if self.waiters.remove(&id).is_some() {
                self.ends.insert(id, End::GaveUp);
            }
            self.hand_over(now);
        }
    }

    fn send(&mut self, now: Moment, id: usize, plan: Plan) {
        let arrival = Arrival {
            user: Arc::default(),
            info: Arc::default(),
            schema: "schema".into(),
            stats: self.stats.clone(),
            distinguisher: "".into(),
            hash: plan.hash,
            width: plan.width,
            watchers: None,
            is_watch: false,
            is_write: plan.width.final_seats > 0,
            is_again: false,
        };
        match self.level.start(arrival) {
            Admitted::Seat(seat) => {
                self.runners.insert(id, Runner { seat, from: now, to: now.plus(plan.takes) });
            }
            Admitted::Waiting(waiting) => {
                let woken = Arc::new(Flag(AtomicBool::new(true)));
                let gives_up_at = now.plus(plan.patience);
                let waiting = Box::pin(waiting);
                self.waiters.insert(id, Waiter { waiting, woken, gives_up_at, takes: plan.takes });
            }
            Admitted::Refused(_) => {
                self.ends.insert(id, End::Refused);
            }
        }
    }

    /// Polls the woken requests only: a request that is not woken never gets on.
    fn hand_over(&mut self, now: Moment) {
        let woken: Vec<usize> = self
            .waiters
            .iter()
            .filter(|(_, waiter)| waiter.woken.0.swap(false, Ordering::Relaxed))
            .map(|(id, _)| *id)
            .collect();
        for id in woken {
            let Some(waiter) = self.waiters.get_mut(&id) else { continue };
            let waker = Waker::from(waiter.woken.clone());
            if let Poll::Ready(seat) = waiter.waiting.as_mut().poll(&mut Context::from_waker(&waker)) {
                let to = now.plus(waiter.takes);
                self.waiters.remove(&id);
                self.runners.insert(id, Runner { seat, from: now, to });
            }
        }
    }

    /// Counts agree with each other, and with the states of the requests.
    fn assert_sound(&self) {
        self.level.with(|requests, _| {
            let totals = requests.totals();
            assert_eq!(totals.waiting, self.waiters.len() as u64, "no wake-up is lost");
            assert_eq!(totals.executing, self.runners.len() as u64);
            let seats = |phase: fn(Phase) -> bool| {
                let of = requests.requests.iter().filter(|(_, request)| phase(request.phase));
                of.map(|(_, request)| u64::from(request.arrival.width.max_seats())).sum::<u64>()
            };
            assert_eq!(totals.seats_waiting, seats(|phase| matches!(phase, Phase::Waiting(_))));
            assert_eq!(totals.seats_in_use, seats(|phase| !matches!(phase, Phase::Waiting(_))));
            assert_eq!(self.stats.waiting_requests.value(), totals.waiting);
            assert_eq!(self.stats.waiting_seats.value(), totals.seats_waiting);
            assert_eq!(self.stats.executing_requests.value(), totals.executing);
            assert_eq!(self.stats.executing_seats.value(), totals.seats_in_use);
            assert!(requests.queues.values().all(|queue| !queue.is_idle()), "idle queues are forgotten");
        });
    }
}
