//! A plain model of a level: all queues in a list, every sum computed anew each time, lingering seats as events. Levels
//! must dispatch the same requests at the same moments.

use super::virtual_time::{End, Plan, Simulation};
use crate::moment::Moment;
use crate::queuing::Queuing;
use crate::seat_seconds::SeatSeconds;
use crate::shuffle::Dealer;
use crate::width::Width;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

const SERVICE: Duration = Duration::from_millis(3);

#[derive(Clone, Debug, Default)]
struct Line {
    waiting: Vec<usize>,
    executing: Vec<usize>,
    lingering: Vec<usize>,
    next_r: SeatSeconds,
}

#[derive(Clone, Debug)]
struct One {
    plan: Plan,
    line: usize,
    arrived_r: SeatSeconds,
    started: Moment,
}

struct Model {
    limit: u64,
    length_max: usize,
    dealer: Dealer,
    lines: Vec<Line>,
    known: BTreeMap<usize, One>,
    lingering: Vec<(Moment, usize)>,
    r: SeatSeconds,
    now: Moment,
    robin: usize,
    enqueues: usize,
    ends: BTreeMap<usize, End>,
}

impl Model {
    fn width(&self, id: usize) -> Width {
        self.known[&id].plan.width
    }

    fn seats(&self, ids: &[usize]) -> u64 {
        ids.iter().map(|id| u64::from(self.width(*id).max_seats())).sum()
    }

    fn work(&self, id: usize) -> SeatSeconds {
        let width = self.width(id);
        SeatSeconds::of(f64::from(width.initial_seats), SERVICE)
            + SeatSeconds::of(f64::from(width.final_seats), width.additional_latency)
    }

    fn in_use(&self) -> u64 {
        self.lines.iter().map(|line| self.seats(&line.executing) + self.seats(&line.lingering)).sum()
    }

    fn advance(&mut self, now: Moment) {
        let active = self.lines.iter().filter(|line| !line.waiting.is_empty() || !line.executing.is_empty());
        let active = active.count();
        let wanted: u64 =
            self.in_use() + self.lines.iter().map(|line| self.seats(&line.waiting)).sum::<u64>();
        if active > 0 {
            let ratio = wanted.min(self.limit) as f64 / active as f64;
            self.r += SeatSeconds::of(ratio, now.since(self.now));
        }
        self.now = now;
    }

    fn bound(&mut self, line: usize) {
        if let Some(oldest) = self.lines[line].waiting.first() {
            let arrived = self.known[oldest].arrived_r;
            self.lines[line].next_r = self.lines[line].next_r.max(arrived);
        }
    }

    fn arrive(&mut self, id: usize, plan: Plan) {
        let hand: Vec<u32> = self.dealer.deal(plan.hash)[..self.dealer.hand_size()].to_vec();
        let offset = self.enqueues % hand.len();
        self.enqueues += 1;
        let mut best: Option<(SeatSeconds, usize)> = None;
        for card in 0..hand.len() {
            let line = hand[(offset + card) % hand.len()] as usize;
            let work =
                self.lines[line].waiting.iter().fold(SeatSeconds::ZERO, |sum, id| sum + self.work(*id));
            if best.is_none_or(|(least, _)| work < least) {
                best = Some((work, line));
            }
        }
        let (_, line) = best.expect("a hand is never empty");
        if self.in_use() >= self.limit && self.lines[line].waiting.len() >= self.length_max {
            self.ends.insert(id, End::Refused);
            return;
        }
        if self.lines[line].waiting.is_empty() && self.lines[line].executing.is_empty() {
            self.lines[line].next_r = self.r;
        }
        self.known.insert(id, One { plan, line, arrived_r: self.r, started: self.now });
        self.lines[line].waiting.push(id);
        self.bound(line);
        self.dispatch();
    }

    fn dispatch(&mut self) {
        while self.in_use() < self.limit {
            let mut best: Option<(SeatSeconds, usize, usize)> = None;
            for step in 1..=self.lines.len() {
                let line = (self.robin + step) % self.lines.len();
                let Some(oldest) = self.lines[line].waiting.first() else { continue };
                let end = self.lines[line].next_r + self.work(*oldest);
                if best.is_none_or(|(earliest, ..)| end < earliest) {
                    best = Some((end, line, *oldest));
                }
            }
            let Some((_, line, id)) = best else { return };
            if self.in_use() + u64::from(self.width(id).max_seats()) > self.limit {
                return;
            }
            self.robin = line;
            self.lines[line].waiting.remove(0);
            self.lines[line].executing.push(id);
            let work = self.work(id);
            self.lines[line].next_r += work;
            self.known.get_mut(&id).expect("it waited").started = self.now;
            self.bound(line);
        }
    }

    fn finish(&mut self, id: usize) {
        let One { plan, line, started, .. } = self.known[&id].clone();
        self.ends.insert(id, End::Ran { from: started, to: self.now });
        self.lines[line].executing.retain(|other| *other != id);
        let seats = f64::from(plan.width.initial_seats);
        self.lines[line].next_r -= SeatSeconds::of(seats, SERVICE);
        self.lines[line].next_r += SeatSeconds::of(seats, self.now.since(started));
        self.bound(line);
        if !plan.width.additional_latency.is_zero() {
            self.lines[line].lingering.push(id);
            self.lingering.push((self.now.plus(plan.width.additional_latency), id));
        }
        self.dispatch();
    }

    fn run(&mut self, plans: &[Plan]) {
        let mut plans: Vec<(Moment, usize, Plan)> =
            plans.iter().enumerate().map(|(id, plan)| (plan.at, id, *plan)).collect();
        plans.sort_by_key(|(at, id, _)| (*at, *id));
        loop {
            let executing = || self.lines.iter().flat_map(|line| &line.executing);
            let end = |id: &usize| self.known[id].started.plus(self.known[id].plan.takes);
            let moments = executing().map(end).chain(self.lingering.iter().map(|(at, _)| *at));
            let Some(now) = moments.chain(plans.first().map(|(at, ..)| *at)).min() else { return };
            self.lingering.sort_unstable();
            self.advance(now);
            let is_due = self.lingering.first().is_some_and(|(at, _)| *at <= now);
            while let Some((_, id)) = self.lingering.first().copied().filter(|(at, _)| *at <= now) {
                self.lingering.remove(0);
                let line = self.known[&id].line;
                self.lines[line].lingering.retain(|other| *other != id);
            }
            if is_due {
                self.dispatch();
            }
            let executing = self.lines.iter().flat_map(|line| &line.executing);
            let is_over = |id: &usize| self.known[id].started.plus(self.known[id].plan.takes) <= now;
            let mut ended: Vec<usize> = executing.copied().filter(is_over).collect();
            ended.sort_unstable();
            for id in ended {
                self.finish(id);
            }
            while let Some((_, id, plan)) = plans.first().copied().filter(|(at, ..)| *at <= now) {
                plans.remove(0);
                self.arrive(id, plan);
            }
        }
    }
}

pub fn plans(limit: u32) -> impl Strategy<Value = Vec<Plan>> {
    let width = (1..=limit, 0..=limit, 0_u64..20).prop_map(|(initial_seats, final_seats, millis)| Width {
        initial_seats,
        final_seats,
        additional_latency: Duration::from_millis(if final_seats > 0 { millis } else { 0 }),
    });
    let plan = (0_u64..200, 0_u64..6, width, 0_u64..30, 1_u64..100);
    let plan = plan.prop_map(|(at, flow, width, takes, patience)| Plan {
        at: Moment::from_nanos(at * 1_000_000),
        hash: flow.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        width,
        takes: Duration::from_millis(takes),
        patience: Duration::from_millis(patience),
    });
    prop::collection::vec(plan, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn levels_dispatch_as_the_model_does(
        (limit, plans) in (1_u32..12).prop_flat_map(|limit| (Just(limit), plans(limit))),
        queues in 1_u32..9,
        hand_size in 1_u32..4,
        queue_length_max in 1_u32..20,
    ) {
        let hand_size = hand_size.min(queues);
        let plans: Vec<Plan> =
            plans.into_iter().map(|plan| Plan { patience: Duration::from_secs(3600), ..plan }).collect();
        let queuing = Queuing::Queue { queues, hand_size, queue_length_max };
        let mut level = Simulation::new(queuing, u64::from(limit), &plans);
        level.run(|_| ());
        let mut model = Model {
            limit: u64::from(limit),
            length_max: queue_length_max as usize,
            dealer: Dealer::new(queues, hand_size).expect("small sizes go together"),
            lines: vec![Line::default(); queues as usize],
            known: BTreeMap::new(),
            lingering: Vec::new(),
            r: SeatSeconds::ZERO,
            now: Moment::default(),
            robin: 0,
            enqueues: 0,
            ends: BTreeMap::new(),
        };
        model.run(&plans);
        prop_assert_eq!(level.ends, model.ends);
    }
}
