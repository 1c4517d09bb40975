//! Histories that a store can have answered, and impossible ones.

use super::*;
use crate::Random;

fn call(begin: u64, end: u64, ask: Ask, outcome: HistoryOutcome) -> TimedCall {
    TimedCall { begin, end, ask, outcome }
}

fn create(begin: u64, end: u64, value: u64, outcome: HistoryOutcome) -> TimedCall {
    call(begin, end, Ask::Create { key: 0, value }, outcome)
}

fn get(begin: u64, end: u64, outcome: HistoryOutcome) -> TimedCall {
    call(begin, end, Ask::Get { key: 0 }, outcome)
}

fn update(begin: u64, end: u64, at: u64, value: u64, outcome: HistoryOutcome) -> TimedCall {
    call(begin, end, Ask::Update { key: 0, at, value }, outcome)
}

fn delete(begin: u64, end: u64, outcome: HistoryOutcome) -> TimedCall {
    call(begin, end, Ask::Delete { key: 0, at: None }, outcome)
}

fn list(begin: u64, end: u64, revision: u64, items: &[(u8, u64, u64)]) -> TimedCall {
    let items = items.iter().map(|(key, value, at)| (*key, (*value, *at))).collect();
    call(begin, end, Ask::List, HistoryOutcome::Listed { revision, items })
}

#[test]
fn a_watch_decides_calls_that_were_not_answered() {
    let shown = HistoryText { written: [(5, 7)].into(), deleted: [(0, 1)].into() };
    let mut calls = vec![
        create(0, 1, 5, HistoryOutcome::Nothing),
        create(2, 3, 6, HistoryOutcome::Nothing),
        get(4, 5, HistoryOutcome::Nothing),
        delete(6, 7, HistoryOutcome::Nothing),
        call(8, 9, Ask::Delete { key: 1, at: None }, HistoryOutcome::Nothing),
    ];
    decide(&mut calls, &shown);
    let decided = create(0, NEVER, 5, HistoryOutcome::Written(7));
    assert_eq!(calls, [decided.clone(), delete(6, 7, HistoryOutcome::Nothing)]);
    let mut answered = vec![
        decided.clone(),
        delete(2, 3, HistoryOutcome::Deleted(None)),
        delete(4, 5, HistoryOutcome::Nothing),
    ];
    decide(&mut answered, &shown);
    assert_eq!(answered.len(), 2, "the one deletion is that of the other call");
    assert_eq!(check(&answered), Ok(()));
    assert!(check(&[get(0, 1, HistoryOutcome::Found(5, 7)), TimedCall { begin: 2, ..decided }]).is_err());
}

/// An etcd that is down for a while leaves many calls unanswered, of which half happened.
#[test]
fn a_history_with_many_unanswered_calls_is_judged_soon() {
    let create = |key: u8| {
        let (begin, value) = (u64::from(key) * 2, 1000 + u64::from(key));
        call(begin, begin + 1, Ask::Create { key, value }, HistoryOutcome::Written(begin + 1))
    };
    let mut calls: Vec<TimedCall> = (0..4).map(create).collect();
    let mut shown = HistoryText::default();
    for value in 0..200 {
        let begin = 10 + value * 2;
        let key = (value % 4) as u8;
        calls.push(call(begin, begin + 1, Ask::Patch { key, value }, HistoryOutcome::Nothing));
        if value % 2 == 0 {
            shown.written.insert(value, begin);
        }
    }
    decide(&mut calls, &shown);
    assert_eq!((calls.len(), check(&calls)), (104, Ok(())));
}

#[test]
fn what_one_store_can_have_answered_is_accepted() {
    for (case, calls) in [
        ("nothing", vec![]),
        (
            "one after the other",
            vec![create(0, 1, 5, HistoryOutcome::Written(7)), get(2, 3, HistoryOutcome::Found(5, 7))],
        ),
        (
            "a read beside a write",
            vec![create(0, 5, 5, HistoryOutcome::Written(7)), get(1, 4, HistoryOutcome::Missing)],
        ),
        (
            "a read beside a write",
            vec![create(0, 5, 5, HistoryOutcome::Written(7)), get(1, 4, HistoryOutcome::Found(5, 7))],
        ),
        (
            "of two that update the same, one",
            vec![
                create(0, 1, 5, HistoryOutcome::Written(7)),
                update(2, 9, 7, 6, HistoryOutcome::Written(8)),
                update(3, 8, 7, 9, HistoryOutcome::Stale),
                get(10, 11, HistoryOutcome::Found(6, 8)),
            ],
        ),
        (
            "a list between writes",
            vec![
                create(0, 1, 5, HistoryOutcome::Written(7)),
                list(2, 9, 12, &[(0, 5, 7)]),
                update(3, 8, 7, 6, HistoryOutcome::Written(13)),
            ],
        ),
        (
            "an unanswered write that happened late",
            vec![
                create(0, 1, 5, HistoryOutcome::Nothing),
                get(2, 3, HistoryOutcome::Missing),
                get(4, 5, HistoryOutcome::Found(5, 9)),
                update(6, 7, 9, 6, HistoryOutcome::Written(10)),
            ],
        ),
        (
            "an unanswered write that never happened",
            vec![create(0, 1, 5, HistoryOutcome::Nothing), get(2, 3, HistoryOutcome::Missing)],
        ),
        (
            "deletions",
            vec![
                create(0, 1, 5, HistoryOutcome::Written(7)),
                delete(2, 9, HistoryOutcome::Deleted(None)),
                delete(3, 8, HistoryOutcome::Missing),
                create(4, 10, 6, HistoryOutcome::Written(11)),
            ],
        ),
    ] {
        assert_eq!(check(&calls), Ok(()), "{case}");
    }
}

#[test]
fn what_no_store_can_have_answered_is_refused() {
    for (case, calls) in [
        (
            "a lost write",
            vec![create(0, 1, 5, HistoryOutcome::Written(7)), get(2, 3, HistoryOutcome::Missing)],
        ),
        (
            "a stale read",
            vec![
                create(0, 1, 5, HistoryOutcome::Written(7)),
                update(2, 3, 7, 6, HistoryOutcome::Written(8)),
                get(4, 5, HistoryOutcome::Found(5, 7)),
            ],
        ),
        (
            "reads that go back in time",
            vec![
                create(0, 1, 5, HistoryOutcome::Written(7)),
                update(2, 20, 7, 6, HistoryOutcome::Written(8)),
                get(3, 4, HistoryOutcome::Found(6, 8)),
                get(5, 6, HistoryOutcome::Found(5, 7)),
            ],
        ),
        (
            "a lost update",
            vec![
                create(0, 1, 5, HistoryOutcome::Written(7)),
                update(2, 9, 7, 6, HistoryOutcome::Written(8)),
                update(3, 8, 7, 9, HistoryOutcome::Written(10)),
            ],
        ),
        (
            "revisions against the order of time",
            vec![create(0, 1, 5, HistoryOutcome::Written(7)), update(2, 3, 7, 6, HistoryOutcome::Written(6))],
        ),
        (
            "a list without what was written before it",
            vec![create(0, 1, 5, HistoryOutcome::Written(7)), list(2, 3, 9, &[])],
        ),
        (
            "a list of a later revision than the write it misses",
            vec![
                create(0, 1, 5, HistoryOutcome::Written(7)),
                update(2, 9, 7, 6, HistoryOutcome::Written(8)),
                list(3, 7, 9, &[(0, 5, 7)]),
            ],
        ),
        (
            "two creations without a deletion",
            vec![create(0, 3, 5, HistoryOutcome::Written(7)), create(1, 2, 6, HistoryOutcome::Written(8))],
        ),
        ("a refusal without a reason", vec![create(0, 1, 5, HistoryOutcome::Exists)]),
        (
            "a conflict with itself",
            vec![create(0, 1, 5, HistoryOutcome::Written(7)), update(2, 3, 7, 6, HistoryOutcome::Stale)],
        ),
        (
            "an unanswered write that was and is no more",
            vec![
                create(0, 1, 5, HistoryOutcome::Nothing),
                get(2, 3, HistoryOutcome::Found(5, 9)),
                get(4, 5, HistoryOutcome::Missing),
            ],
        ),
    ] {
        assert!(check(&calls).is_err(), "{case}");
    }
}

/// Random histories of a true map, with reads swapped for wrong ones, which the checker must find.
#[test]
fn a_single_wrong_answer_among_many_is_found() {
    let mut random = Random::new(3);
    for round in 0..40 {
        let mut calls = true_history(&mut random);
        assert_eq!(check(&calls), Ok(()), "round {round}");
        let wrong = calls.iter_mut().rev().find_map(|call| match &mut call.outcome {
            HistoryOutcome::Found(value, _) => Some(value),
            _ => None,
        });
        let Some(value) = wrong else { continue };
        *value += 1_000_000;
        assert!(check(&calls).is_err(), "round {round}");
    }
}

/// Calls that happen at a random instant between their beginnings and ends.
fn true_history(random: &mut Random) -> Vec<TimedCall> {
    let (mut calls, mut state, mut clock) = (Vec::new(), BTreeMap::<u8, (u64, u64)>::new(), 100);
    // Calls happen in order at 100, 200, 300, ..., and overlap with their neighbours.
    for value in 0..200 {
        clock += 100;
        let (begin, end) = (clock - random.below(190), clock + 1 + random.below(190));
        let key = (random.below(3)) as u8;
        let held = state.get(&key).copied();
        let (ask, outcome) = match (random.below(4), held) {
            (0, None) => (Ask::Create { key, value }, HistoryOutcome::Written(clock)),
            (0, Some((_, at))) => (Ask::Update { key, at, value }, HistoryOutcome::Written(clock)),
            (1, Some(_)) => (Ask::Delete { key, at: None }, HistoryOutcome::Deleted(None)),
            (1, None) => (Ask::Delete { key, at: None }, HistoryOutcome::Missing),
            (2, _) => (Ask::List, HistoryOutcome::Listed { revision: clock, items: state.clone() }),
            (_, Some((value, at))) => (Ask::Get { key }, HistoryOutcome::Found(value, at)),
            (_, None) => (Ask::Get { key }, HistoryOutcome::Missing),
        };
        match outcome {
            HistoryOutcome::Written(at) => drop(state.insert(key, (value, at))),
            HistoryOutcome::Deleted(_) => drop(state.remove(&key)),
            _ => {}
        }
        calls.push(call(begin, end, ask, outcome));
    }
    distinct(calls)
}

/// Gives all times an order of their own: where two are the same, ends come after beginnings.
fn distinct(mut calls: Vec<TimedCall>) -> Vec<TimedCall> {
    let times = calls.iter().enumerate();
    let mut order: Vec<_> =
        times.flat_map(|(place, call)| [(call.begin, 0, place), (call.end, 1, place)]).collect();
    order.sort_unstable();
    for (time, (_, end, place)) in order.into_iter().enumerate() {
        let call = &mut calls[place];
        let at = if end == 0 { &mut call.begin } else { &mut call.end };
        *at = time as u64;
    }
    calls
}
