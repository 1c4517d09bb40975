//! Properties that hold for every sequence of requests: seats are never exceeded nor left free, everybody gets on, and
//! shares are fair.

use super::model::plans;
use super::virtual_time::{End, Plan, Simulation};
use crate::clock::Clock;
use crate::moment::Moment;
use crate::queue_set::Phase;
use crate::queuing::Queuing;
use crate::shuffle::Dealer;
use crate::width::Width;
use proptest::prelude::*;
use std::time::Duration;

const QUEUES: Queuing = Queuing::Queue { queues: 8, hand_size: 2, queue_length_max: 1000 };

/// The seats of executing and lingering requests never exceed the limit, and no request waits for free seats, except
/// behind one that needs them.
fn assert_seats_are_kept_and_used(level: &Simulation, limit: u64) {
    level.level.with(|requests, _| {
        let totals = requests.totals();
        assert!(totals.seats_in_use <= limit, "{totals:?} exceed {limit}");
        let waiting = requests.requests.iter().filter(|(_, one)| matches!(one.phase, Phase::Waiting(_)));
        let widest = waiting.map(|(_, one)| u64::from(one.arrival.width.max_seats())).max();
        assert!(widest.is_none_or(|widest| totals.seats_in_use + widest > limit), "{totals:?} of {limit}");
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn seats_are_kept_and_used_and_everybody_gets_on(
        (limit, plans) in (1_u32..12).prop_flat_map(|limit| (Just(limit), plans(limit))),
        is_patient: bool,
    ) {
        let patience = |plan: Plan| if is_patient { Duration::from_secs(3600) } else { plan.patience };
        let plans: Vec<Plan> =
            plans.into_iter().map(|plan| Plan { patience: patience(plan), ..plan }).collect();
        let mut level = Simulation::new(QUEUES, u64::from(limit), &plans);
        level.run(|level| assert_seats_are_kept_and_used(level, u64::from(limit)));
        prop_assert_eq!(level.ends.len(), plans.len(), "nobody starves");
        for (id, end) in &level.ends {
            let plan = plans[*id];
            match end {
                End::Ran { from, to } => prop_assert!(from.since(plan.at) <= plan.patience && to >= from),
                End::GaveUp => prop_assert!(!is_patient, "the patient are served"),
                End::Refused => prop_assert!(false, "queues are long enough"),
            }
        }
        // Lingering seats are released when their time is over, without any further request.
        level.clock.set(level.clock.now().plus(Duration::from_secs(1)));
        level.level.tick();
        level.level.with(|requests, _| {
            let totals = requests.totals();
            assert_eq!((totals.seats_in_use, totals.executing, totals.waiting), (0, 0, 0));
            assert!(requests.requests.is_empty() && requests.queues.is_empty());
        });
    }

    #[test]
    fn requests_wider_than_the_level_run_alone(plans in plans(12), limit in 1_u64..4) {
        let plans: Vec<Plan> = plans
            .into_iter()
            .map(|plan| Plan {
                width: Width { final_seats: 0, additional_latency: Duration::ZERO, ..plan.width },
                patience: Duration::from_secs(3600),
                ..plan
            })
            .collect();
        let mut level = Simulation::new(QUEUES, limit, &plans);
        level.run(|level| level.level.with(|requests, _| {
            let totals = requests.totals();
            assert!(totals.seats_in_use <= limit || totals.executing == 1, "{totals:?} of {limit}");
        }));
        let all_ran = level.ends.values().all(|end| matches!(end, End::Ran { .. }));
        prop_assert!(all_ran);
    }

    #[test]
    fn flows_that_always_want_more_get_equal_shares(
        limit in 4_u32..12,
        flows in prop::collection::vec((1_u32..4, 5_u64..20), 2..5),
    ) {
        // Each flow has a queue of its own, and more requests than it can have answered in the time.
        let dealer = Dealer::new(8, 1).expect("small sizes go together");
        let period = Duration::from_millis(500);
        let mut plans = Vec::new();
        let mut owners = Vec::new();
        for (flow, (seats, millis)) in flows.iter().enumerate() {
            let hash = (0..).find(|hash| dealer.deal(*hash)[0] as usize == flow).expect("every card is dealt");
            let takes = Duration::from_millis(*millis);
            let enough = period.as_millis() as u64 * u64::from(limit) / (u64::from(*seats) * millis);
            let width = Width { initial_seats: *seats, final_seats: 0, additional_latency: Duration::ZERO };
            for _ in 0..enough {
                plans.push(Plan { at: Moment::default(), hash, width, takes, patience: period });
                owners.push(flow);
            }
        }
        let queuing = Queuing::Queue { queues: 8, hand_size: 1, queue_length_max: u32::MAX };
        let mut level = Simulation::new(queuing, u64::from(limit), &plans);
        level.run(|_| ());
        let end = Moment::default().plus(period);
        let mut work = vec![0.0; flows.len()];
        for (id, outcome) in &level.ends {
            if let End::Ran { from, to } = outcome {
                let seconds = (*to).min(end).since(*from).as_secs_f64();
                work[owners[*id]] += seconds * f64::from(plans[*id].width.initial_seats);
            }
        }
        // Shares differ by the seats that wide requests leave free, and by requests that begin at once.
        let most = work.iter().copied().fold(0.0, f64::max);
        let least = work.iter().copied().fold(f64::MAX, f64::min);
        let widest = flows.iter().map(|(seats, _)| *seats).max().unwrap_or(1);
        let total: f64 = work.iter().sum();
        prop_assert!(total >= period.as_secs_f64() * f64::from(limit - widest + 1) * 0.99, "{work:?}");
        prop_assert!(most - least <= 0.1 * most + 0.1, "{work:?} of {limit} seats, {flows:?}");
    }
}

#[test]
fn a_flood_does_not_keep_another_flow_waiting() {
    let queuing = Queuing::Queue { queues: 64, hand_size: 6, queue_length_max: 50 };
    let width = Width::ONE;
    let takes = Duration::from_millis(10);
    let mut plans: Vec<Plan> = (0..5000)
        .map(|id| Plan {
            at: Moment::from_nanos(id * 100_000),
            hash: 1,
            width,
            takes,
            patience: Duration::from_secs(15),
        })
        .collect();
    let polite = plans.len();
    plans.extend((0..50).map(|id| Plan {
        at: Moment::from_nanos(id * 10_000_000),
        hash: 0x1234_5678_9abc_def0,
        width,
        takes,
        patience: Duration::from_secs(15),
    }));
    let mut level = Simulation::new(queuing, 10, &plans);
    level.run(|_| ());
    let refused = level.ends.values().filter(|end| **end == End::Refused).count();
    assert!(refused > 1000, "the flood overflows its queues: {refused}");
    for (id, end) in level.ends.range(polite..) {
        let End::Ran { from, .. } = end else { panic!("{id} was {end:?}") };
        let waited = from.since(plans[*id].at);
        assert!(waited <= Duration::from_millis(10), "{id} waited {waited:?}");
    }
}

#[test]
fn a_level_without_queues_refuses_whom_it_has_no_seats_for() {
    let plan = Plan {
        at: Moment::default(),
        hash: 0,
        width: Width::ONE,
        takes: Duration::from_millis(1),
        patience: Duration::ZERO,
    };
    let later = Plan { at: Moment::from_nanos(2_000_000), ..plan };
    let mut level = Simulation::new(Queuing::Reject, 2, &[plan, plan, plan, later]);
    level.run(|_| ());
    let refused: Vec<usize> =
        level.ends.iter().filter(|(_, end)| **end == End::Refused).map(|(id, _)| *id).collect();
    assert_eq!(refused, [2]);
    let mut level = Simulation::new(Queuing::Exempt, 0, &[plan; 20]);
    level.run(|_| ());
    assert!(level.ends.values().all(|end| matches!(end, End::Ran { .. })));
}
