//! The requests of one level: executing, waiting in queues, and the choice of the next one (upstream's
//! `fairqueuing/queueset`). Time is passed in; nothing here waits.
//!
//! Fairness is that of virtual time: `r` rises by the seats that each active queue should have had. A queue's next
//! request begins, in virtual time, when those before it would be done; that whose end comes first is dispatched.

use crate::flow_stats::{FlowStats, Refusal};
use crate::gauges::{Gauges, Totals};
use crate::moment::Moment;
use crate::queue::{Queue, Sums};
use crate::queuing::Queuing;
use crate::retry_after::RetryAfter;
use crate::seat_seconds::SeatSeconds;
use crate::shuffle::Dealer;
use crate::width::Width;
use pintle_object::user::User;
use pintle_object::{RequestInfo, Text};
use slab::Slab;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// The assumed time that a request takes, until it is known.
const SERVICE_DURATION: Duration = Duration::from_millis(3);

/// A request that comes to its level.
#[derive(Debug)]
pub struct Arrival {
    pub user: Arc<User>,
    pub info: Arc<RequestInfo>,
    pub schema: Arc<str>,
    pub stats: Arc<FlowStats>,
    pub distinguisher: Text,
    pub hash: u64,
    pub width: Width,
    pub watchers: Option<u64>,
    pub is_watch: bool,
    pub is_write: bool,
    /// Whether it had a seat before, which it gave away to wait for its client. It counts once.
    pub is_again: bool,
}

/// The decision about a request that arrived, with its key while it is in the queue set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Executing(usize),
    Waiting(usize),
    Refused(Refusal),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// In its queue, at a place in the order of arrivals.
    Waiting(u64),
    Executing,
    /// Done, but its seats are taken for a while.
    Lingering,
}

#[derive(Debug)]
pub(crate) struct QueuedRequest {
    pub arrival: Arrival,
    pub queue: Option<u32>,
    pub phase: Phase,
    pub arrived_at: Moment,
    arrived_r: SeatSeconds,
    pub started_at: Option<Moment>,
    work: SeatSeconds,
    waker: Option<Waker>,
}

#[derive(Debug)]
pub struct QueueSet {
    pub(crate) queuing: Queuing,
    dealer: Option<Dealer>,
    limit: u64,
    pub(crate) queues: BTreeMap<u32, Queue>,
    active_queues: u32,
    pub(crate) requests: Slab<QueuedRequest>,
    r: SeatSeconds,
    synced_at: Moment,
    robin: u32,
    enqueues: usize,
    sequence: u64,
    /// The ends of lingering seats, with the keys of their requests.
    lingering: BinaryHeap<Reverse<(Moment, usize)>>,
    /// The next call of [`QueueSet::tick`].
    alarm_at: Option<Moment>,
    pub(crate) totals: Totals,
    pub(crate) gauges: Gauges,
    woken: Vec<Waker>,
    pub(crate) retry_after: RetryAfter,
}

impl QueueSet {
    /// A level of some seats. Without a dealer for its queues it rejects: validation lets no such level through.
    pub fn new(now: Moment, queuing: Queuing, limit: u64) -> QueueSet {
        let mut set = QueueSet {
            queuing: Queuing::Reject,
            dealer: None,
            limit: 0,
            queues: BTreeMap::new(),
            active_queues: 0,
            requests: Slab::new(),
            r: SeatSeconds::ZERO,
            synced_at: now,
            robin: 0,
            enqueues: 0,
            sequence: 0,
            lingering: BinaryHeap::new(),
            alarm_at: None,
            totals: Totals::default(),
            gauges: Gauges::new(now),
            woken: Vec::new(),
            retry_after: RetryAfter::default(),
        };
        set.configure(now, queuing, limit, limit.max(1));
        set
    }

    /// Changes queues and seats. Requests keep theirs; waiting ones may be dispatched at once.
    pub fn configure(&mut self, now: Moment, queuing: Queuing, limit: u64, denominator: u64) {
        self.sync(now);
        self.queuing = queuing;
        self.dealer = match queuing {
            Queuing::Queue { queues, hand_size, .. } => Dealer::new(queues, hand_size),
            Queuing::Exempt | Queuing::Reject => None,
        };
        self.limit = limit;
        self.gauges.set_denominators(now, queuing, denominator);
        self.dispatch_all(now);
        self.gauges.observe(now, &self.totals);
    }

    /// Takes a request in: to a seat, to a queue, or not at all.
    pub fn start(&mut self, now: Moment, arrival: Arrival) -> Outcome {
        self.sync(now);
        arrival.stats.width.observe(u64::from(arrival.width.max_seats()));
        if let Some(watchers) = arrival.watchers {
            arrival.stats.watchers.observe(watchers);
        }
        let outcome = match (self.queuing, self.dealer) {
            (Queuing::Queue { queue_length_max, .. }, Some(dealer)) => {
                self.enqueue_and_dispatch(now, arrival, dealer, queue_length_max as usize)
            }
            _ if self.has_room(u64::from(arrival.width.max_seats())) => {
                let request = QueuedRequest::new(now, self.r, arrival);
                let key = self.requests.insert(request);
                self.execute(now, key);
                Outcome::Executing(key)
            }
            _ => {
                arrival.stats.wait_refused.observe(0);
                self.refuse(&arrival.stats, Refusal::ConcurrencyLimit)
            }
        };
        self.gauges.observe(now, &self.totals);
        outcome
    }

    /// Whether a request has its seats; otherwise its waker is called once it has.
    pub fn poll(&mut self, key: usize, waker: &Waker) -> bool {
        let Some(request) = self.requests.get_mut(key) else { return false };
        if request.phase == Phase::Executing {
            return true;
        }
        match &mut request.waker {
            Some(own) => own.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        false
    }

    /// Takes a request back: out of its queue, or out of the seats that it was given meanwhile.
    pub fn cancel(&mut self, now: Moment, key: usize) {
        self.sync(now);
        let Some(request) = self.requests.get(key) else { return };
        let Phase::Waiting(sequence) = request.phase else { return self.finish(now, key) };
        let (queue, sums) = (request.queue, request.sums());
        // Upstream counts these waits with the successful ones.
        request.arrival.stats.wait_executed.observe_duration(now.since(request.arrived_at));
        let stats = request.arrival.stats.clone();
        self.leave_queue(key, sequence, sums);
        self.requests.remove(key);
        self.totals.cancelled += 1;
        self.refuse(&stats, Refusal::TimeOut);
        if let Some(queue) = queue {
            self.bound_next_dispatch(queue);
            self.forget_if_idle(queue);
        }
        // The requests behind it may need fewer seats.
        self.dispatch_all(now);
        self.gauges.observe(now, &self.totals);
    }

    /// Ends a request that had seats; some may stay taken for a while.
    pub fn finish(&mut self, now: Moment, key: usize) {
        self.sync(now);
        let Some(request) = self.requests.get_mut(key).filter(|one| one.phase == Phase::Executing) else {
            return debug_assert!(false, "a request that finishes has a seat");
        };
        request.phase = Phase::Lingering;
        let took = now.since(request.started_at.unwrap_or(now));
        let (width, queue, is_write) = (request.arrival.width, request.queue, request.arrival.is_write);
        let stats = &request.arrival.stats;
        stats.executing_requests.sub(1);
        let durations =
            if request.arrival.is_watch { &stats.execution_watch } else { &stats.execution_regular };
        durations.observe_duration(took);
        self.totals.executing -= 1;
        self.gauges.leave(is_write, true);
        if let Some(index) = queue
            && let Some(queue) = self.queues.get_mut(&index)
        {
            queue.requests_executing -= 1;
            self.active_queues -= u32::from(!queue.is_active());
            let seats = f64::from(width.initial_seats);
            queue.next_dispatch_r -= SeatSeconds::of(seats, SERVICE_DURATION);
            queue.next_dispatch_r += SeatSeconds::of(seats, took);
            self.bound_next_dispatch(index);
        }
        if width.additional_latency.is_zero() {
            self.release(key);
        } else {
            self.lingering.push(Reverse((now.plus(width.additional_latency), key)));
        }
        self.dispatch_all(now);
        self.gauges.observe(now, &self.totals);
    }

    /// Advances time, so that waiting requests get released lingering seats.
    pub fn tick(&mut self, now: Moment) {
        self.alarm_at = self.alarm_at.filter(|at| *at > now);
        self.sync(now);
    }

    /// The moment for the next [`QueueSet::tick`]: when a request waits for lingering seats, and no call as early as
    /// that is set.
    pub fn alarm(&mut self) -> Option<Moment> {
        if self.totals.waiting == 0 {
            return None;
        }
        let Reverse((at, _)) = *self.lingering.peek()?;
        if self.alarm_at.is_some_and(|alarm_at| alarm_at <= at) {
            return None;
        }
        self.alarm_at = Some(at);
        Some(at)
    }

    /// The wakers of requests that got seats, to be called after the lock is released.
    pub fn take_woken(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.woken)
    }

    pub fn totals(&self) -> Totals {
        self.totals
    }

    pub fn is_idle(&self) -> bool {
        self.totals.waiting == 0 && self.totals.executing == 0
    }

    pub fn current_r(&self) -> SeatSeconds {
        self.r
    }

    fn enqueue_and_dispatch(
        &mut self,
        now: Moment,
        arrival: Arrival,
        dealer: Dealer,
        queue_length_max: usize,
    ) -> Outcome {
        let index = self.choose_queue(dealer, arrival.hash);
        let queue = self.queues.entry(index).or_default();
        if self.totals.seats_in_use >= self.limit && queue.len() >= queue_length_max {
            arrival.stats.wait_refused.observe(0);
            let refused = self.refuse(&arrival.stats, Refusal::QueueFull);
            self.forget_if_idle(index);
            return refused;
        }
        if !queue.is_active() {
            queue.next_dispatch_r = self.r;
            self.active_queues += 1;
        }
        let mut request = QueuedRequest::new(now, self.r, arrival);
        (request.queue, request.phase) = (Some(index), Phase::Waiting(self.sequence));
        let sums = request.sums();
        let key = self.requests.vacant_key();
        queue.push(self.sequence, key, sums);
        self.sequence += 1;
        let stats = &request.arrival.stats;
        stats.queue_length.observe(queue.len() as u64);
        stats.waiting_requests.add(1);
        stats.waiting_seats.add(sums.max_seats);
        self.gauges.enter(request.arrival.is_write, false);
        self.totals.waiting += 1;
        self.totals.seats_waiting += sums.max_seats;
        self.requests.insert(request);
        self.bound_next_dispatch(index);
        self.dispatch_all(now);
        let is_executing = self.requests.get(key).is_some_and(|one| one.phase == Phase::Executing);
        if is_executing { Outcome::Executing(key) } else { Outcome::Waiting(key) }
    }

    /// The queue of a flow's hand in which the least work waits; the first that is looked at goes around.
    fn choose_queue(&mut self, dealer: Dealer, hash: u64) -> u32 {
        let hand = dealer.deal(hash);
        let hand = hand.get(..dealer.hand_size()).unwrap_or(&hand);
        let (before, from) = hand.split_at(self.enqueues % hand.len());
        self.enqueues = self.enqueues.wrapping_add(1);
        let work = |index: &&u32| self.queues.get(*index).map_or(SeatSeconds::ZERO, |queue| queue.sums.work);
        from.iter().chain(before).min_by_key(work).copied().unwrap_or(0)
    }

    fn dispatch_all(&mut self, now: Moment) {
        while self.totals.waiting > 0 && self.totals.seats_in_use < self.limit && self.dispatch_one(now) {}
    }

    /// Dispatches the request with the earliest end in virtual time; if its seats are not free nothing is dispatched,
    /// so that no request overtakes it.
    fn dispatch_one(&mut self, now: Moment) -> bool {
        let Some((index, key)) = self.next_in_virtual_time() else { return false };
        let Some(request) = self.requests.get_mut(key) else { return false };
        let Phase::Waiting(sequence) = request.phase else { return false };
        let sums = request.sums();
        if !self.has_room(sums.max_seats) {
            if let Some(request) = self.requests.get(key) {
                request.arrival.stats.no_accommodation.add(1);
            }
            return false;
        }
        self.robin = index;
        self.leave_queue(key, sequence, sums);
        self.narrow_final_seats(key);
        if let Some(request) = self.requests.get_mut(key) {
            self.woken.extend(request.waker.take());
        }
        self.execute(now, key);
        let Some(request) = self.requests.get(key) else { return false };
        let (work, seats) = (request.work, u64::from(request.arrival.width.max_seats()));
        if let Some(queue) = self.queues.get_mut(&index) {
            self.gauges.dispatched_s = queue.next_dispatch_r;
            self.active_queues += u32::from(!queue.is_active());
            queue.requests_executing += 1;
            queue.seats_in_use += seats;
            queue.next_dispatch_r += work;
        }
        self.gauges.dispatched_r = self.r;
        self.bound_next_dispatch(index);
        true
    }

    /// The queue whose oldest request ends first in virtual time, and that request. Among equals, queues take turns.
    fn next_in_virtual_time(&mut self) -> Option<(u32, usize)> {
        let after = self.queues.range(self.robin.saturating_add(1)..);
        let up_to = self.queues.range(..=self.robin);
        let mut best: Option<(SeatSeconds, u32, usize)> = None;
        self.gauges.begin_bounds();
        for (index, queue) in after.chain(up_to) {
            let Some(key) = queue.oldest() else { continue };
            let Some(request) = self.requests.get(key) else { continue };
            self.gauges.bound(queue.next_dispatch_r, queue.seats_in_use, SERVICE_DURATION);
            let end = queue.next_dispatch_r + request.work;
            if best.is_none_or(|(earliest, ..)| end < earliest) {
                best = Some((end, *index, key));
            }
        }
        best.map(|(_, index, key)| (index, key))
    }

    /// Whether seats are free. A request wider than the limit has to be alone.
    fn has_room(&self, seats: u64) -> bool {
        if self.queuing == Queuing::Exempt {
            return true;
        }
        if seats > self.limit {
            return self.totals.executing == 0;
        }
        self.totals.seats_in_use + seats <= self.limit
    }

    /// Spreads lingering seats over a longer time, if the limit is lower than their number.
    fn narrow_final_seats(&mut self, key: usize) {
        let Some(request) = self.requests.get_mut(key) else { return };
        let width = &mut request.arrival.width;
        if u64::from(width.final_seats) > self.limit {
            let seats = f64::from(width.final_seats);
            width.final_seats = u32::try_from(self.limit).unwrap_or(u32::MAX);
            let work = SeatSeconds::of(seats, width.additional_latency);
            width.additional_latency = work.per_seat(f64::from(width.final_seats.max(1)));
        }
    }

    fn execute(&mut self, now: Moment, key: usize) {
        let Some(request) = self.requests.get_mut(key) else { return };
        request.phase = Phase::Executing;
        request.started_at = Some(now);
        let seats = u64::from(request.arrival.width.max_seats());
        let stats = &request.arrival.stats;
        stats.executing_requests.add(1);
        stats.executing_seats.add(seats);
        let dispatches = u64::from(!request.arrival.is_again);
        stats.dispatched.add(dispatches);
        if self.queuing != Queuing::Exempt {
            stats.wait_executed.observe_duration(now.since(request.arrived_at));
        }
        self.gauges.enter(request.arrival.is_write, true);
        self.totals.executing += 1;
        self.totals.dispatched += dispatches;
        self.totals.seats_in_use += seats;
    }

    fn refuse(&mut self, stats: &FlowStats, why: Refusal) -> Outcome {
        stats.refuse(why);
        self.totals.refused += 1;
        Outcome::Refused(why)
    }

    fn leave_queue(&mut self, key: usize, sequence: u64, sums: Sums) {
        let Some(request) = self.requests.get(key) else { return };
        if let Some(queue) = request.queue.and_then(|index| self.queues.get_mut(&index)) {
            queue.remove(sequence, sums);
            self.active_queues -= u32::from(!queue.is_active());
        }
        request.arrival.stats.waiting_requests.sub(1);
        request.arrival.stats.waiting_seats.sub(sums.max_seats);
        self.gauges.leave(request.arrival.is_write, false);
        self.totals.waiting -= 1;
        self.totals.seats_waiting -= sums.max_seats;
    }

    /// Frees a request's seats and forgets it.
    fn release(&mut self, key: usize) {
        let Some(request) = self.requests.try_remove(key) else { return };
        let seats = u64::from(request.arrival.width.max_seats());
        request.arrival.stats.executing_seats.sub(seats);
        self.totals.seats_in_use -= seats;
        if let Some(index) = request.queue {
            if let Some(queue) = self.queues.get_mut(&index) {
                queue.seats_in_use -= seats;
            }
            self.forget_if_idle(index);
        }
    }

    fn forget_if_idle(&mut self, index: u32) {
        if self.queues.get(&index).is_some_and(Queue::is_idle) {
            self.queues.remove(&index);
        }
    }

    /// Keeps a queue from saving up virtual time while it is empty.
    fn bound_next_dispatch(&mut self, index: u32) {
        let Some(queue) = self.queues.get_mut(&index) else { return };
        let oldest = queue.oldest().and_then(|key| self.requests.get(key));
        if let Some(oldest) = oldest {
            queue.next_dispatch_r = queue.next_dispatch_r.max(oldest.arrived_r);
        }
    }

    /// Advances virtual time up to now, releasing lingering seats when they are due.
    fn sync(&mut self, now: Moment) {
        let mut is_released = false;
        while let Some(Reverse((at, key))) = self.lingering.peek().copied().filter(|next| next.0.0 <= now) {
            self.lingering.pop();
            self.advance(at);
            self.release(key);
            self.gauges.observe(at, &self.totals);
            is_released = true;
        }
        self.advance(now);
        if is_released && self.totals.waiting > 0 {
            self.dispatch_all(now);
            self.gauges.observe(now, &self.totals);
        }
    }

    fn advance(&mut self, now: Moment) {
        if now <= self.synced_at {
            return;
        }
        if self.active_queues > 0 {
            let seats = (self.totals.seats_in_use + self.totals.seats_waiting).min(self.limit);
            let seats = u32::try_from(seats).map_or(f64::MAX, f64::from);
            self.r += SeatSeconds::of(seats / f64::from(self.active_queues), now.since(self.synced_at));
        }
        self.synced_at = now;
    }
}

impl QueuedRequest {
    fn new(now: Moment, r: SeatSeconds, arrival: Arrival) -> QueuedRequest {
        let width = &arrival.width;
        let work = SeatSeconds::of(f64::from(width.initial_seats), SERVICE_DURATION)
            + SeatSeconds::of(f64::from(width.final_seats), width.additional_latency);
        QueuedRequest {
            arrival,
            queue: None,
            phase: Phase::Executing,
            arrived_at: now,
            arrived_r: r,
            started_at: None,
            work,
            waker: None,
        }
    }

    fn sums(&self) -> Sums {
        let width = &self.arrival.width;
        let (initial_seats, max_seats) = (u64::from(width.initial_seats), u64::from(width.max_seats()));
        Sums { initial_seats, max_seats, work: self.work }
    }
}
