//! Histories that a store can have answered, and such that it cannot.

use super::*;
use crate::Random;

fn call(begin: u64, end: u64, ask: Ask, told: Told) -> Call {
    Call { begin, end, ask, told }
}

fn create(begin: u64, end: u64, value: u64, told: Told) -> Call {
    call(begin, end, Ask::Create { key: 0, value }, told)
}

fn get(begin: u64, end: u64, told: Told) -> Call {
    call(begin, end, Ask::Get { key: 0 }, told)
}

fn update(begin: u64, end: u64, at: u64, value: u64, told: Told) -> Call {
    call(begin, end, Ask::Update { key: 0, at, value }, told)
}

fn delete(begin: u64, end: u64, told: Told) -> Call {
    call(begin, end, Ask::Delete { key: 0, at: None }, told)
}

fn list(begin: u64, end: u64, revision: u64, items: &[(u8, u64, u64)]) -> Call {
    let items = items.iter().map(|(key, value, at)| (*key, (*value, *at))).collect();
    call(begin, end, Ask::List, Told::Listed { revision, items })
}

#[test]
fn what_one_store_can_have_answered_is_accepted() {
    for (case, calls) in [
        ("nothing", vec![]),
        ("one after the other", vec![create(0, 1, 5, Told::Written(7)), get(2, 3, Told::Found(5, 7))]),
        ("a read beside a write", vec![create(0, 5, 5, Told::Written(7)), get(1, 4, Told::Missing)]),
        ("a read beside a write", vec![create(0, 5, 5, Told::Written(7)), get(1, 4, Told::Found(5, 7))]),
        (
            "of two that update the same, one",
            vec![
                create(0, 1, 5, Told::Written(7)),
                update(2, 9, 7, 6, Told::Written(8)),
                update(3, 8, 7, 9, Told::Stale),
                get(10, 11, Told::Found(6, 8)),
            ],
        ),
        (
            "a list between writes",
            vec![
                create(0, 1, 5, Told::Written(7)),
                list(2, 9, 12, &[(0, 5, 7)]),
                update(3, 8, 7, 6, Told::Written(13)),
            ],
        ),
        (
            "an unanswered write that happened late",
            vec![
                create(0, 1, 5, Told::Nothing),
                get(2, 3, Told::Missing),
                get(4, 5, Told::Found(5, 9)),
                update(6, 7, 9, 6, Told::Written(10)),
            ],
        ),
        (
            "an unanswered write that never happened",
            vec![create(0, 1, 5, Told::Nothing), get(2, 3, Told::Missing)],
        ),
        (
            "deletions",
            vec![
                create(0, 1, 5, Told::Written(7)),
                delete(2, 9, Told::Deleted(None)),
                delete(3, 8, Told::Missing),
                create(4, 10, 6, Told::Written(11)),
            ],
        ),
    ] {
        assert_eq!(check(&calls), Ok(()), "{case}");
    }
}

#[test]
fn what_no_store_can_have_answered_is_refused() {
    for (case, calls) in [
        ("a lost write", vec![create(0, 1, 5, Told::Written(7)), get(2, 3, Told::Missing)]),
        (
            "a stale read",
            vec![
                create(0, 1, 5, Told::Written(7)),
                update(2, 3, 7, 6, Told::Written(8)),
                get(4, 5, Told::Found(5, 7)),
            ],
        ),
        (
            "reads that go back in time",
            vec![
                create(0, 1, 5, Told::Written(7)),
                update(2, 20, 7, 6, Told::Written(8)),
                get(3, 4, Told::Found(6, 8)),
                get(5, 6, Told::Found(5, 7)),
            ],
        ),
        (
            "a lost update",
            vec![
                create(0, 1, 5, Told::Written(7)),
                update(2, 9, 7, 6, Told::Written(8)),
                update(3, 8, 7, 9, Told::Written(10)),
            ],
        ),
        (
            "revisions against the order of time",
            vec![create(0, 1, 5, Told::Written(7)), update(2, 3, 7, 6, Told::Written(6))],
        ),
        (
            "a list without what was written before it",
            vec![create(0, 1, 5, Told::Written(7)), list(2, 3, 9, &[])],
        ),
        (
            "a list of a later revision than the write it misses",
            vec![
                create(0, 1, 5, Told::Written(7)),
                update(2, 9, 7, 6, Told::Written(8)),
                list(3, 7, 9, &[(0, 5, 7)]),
            ],
        ),
        (
            "two creations without a deletion",
            vec![create(0, 3, 5, Told::Written(7)), create(1, 2, 6, Told::Written(8))],
        ),
        ("a refusal without a reason", vec![create(0, 1, 5, Told::Exists)]),
        ("a conflict with itself", vec![create(0, 1, 5, Told::Written(7)), update(2, 3, 7, 6, Told::Stale)]),
        (
            "an unanswered write that was and is no more",
            vec![create(0, 1, 5, Told::Nothing), get(2, 3, Told::Found(5, 9)), get(4, 5, Told::Missing)],
        ),
    ] {
        assert!(check(&calls).is_err(), "{case}");
    }
}

/// Random histories of a true map, with reads swapped for wrong ones: the checker must tell the two apart.
#[test]
fn a_single_wrong_answer_among_many_is_found() {
    let mut random = Random::new(3);
    for round in 0..40 {
        let mut calls = true_history(&mut random);
        assert_eq!(check(&calls), Ok(()), "round {round}");
        let wrong = calls.iter_mut().rev().find_map(|call| match &mut call.told {
            Told::Found(value, _) => Some(value),
            _ => None,
        });
        let Some(value) = wrong else { continue };
        *value += 1_000_000;
        assert!(check(&calls).is_err(), "round {round}");
    }
}

/// Calls that happen at a random instant between their beginnings and ends.
fn true_history(random: &mut Random) -> Vec<Call> {
    let (mut calls, mut state, mut clock) = (Vec::new(), BTreeMap::<u8, (u64, u64)>::new(), 100);
    // Calls happen in order at 100, 200, 300, ..., and overlap with their neighbours.
    for value in 0..200 {
        clock += 100;
        let (begin, end) = (clock - random.below(190), clock + 1 + random.below(190));
        let key = (random.below(3)) as u8;
        let held = state.get(&key).copied();
        let (ask, told) = match (random.below(4), held) {
            (0, None) => (Ask::Create { key, value }, Told::Written(clock)),
            (0, Some((_, at))) => (Ask::Update { key, at, value }, Told::Written(clock)),
            (1, Some(_)) => (Ask::Delete { key, at: None }, Told::Deleted(None)),
            (1, None) => (Ask::Delete { key, at: None }, Told::Missing),
            (2, _) => (Ask::List, Told::Listed { revision: clock, items: state.clone() }),
            (_, Some((value, at))) => (Ask::Get { key }, Told::Found(value, at)),
            (_, None) => (Ask::Get { key }, Told::Missing),
        };
        match told {
            Told::Written(at) => drop(state.insert(key, (value, at))),
            Told::Deleted(_) => drop(state.remove(&key)),
            _ => {}
        }
        calls.push(call(begin, end, ask, told));
    }
    distinct(calls)
}

/// Gives all times an order of their own: where two are the same, ends come after beginnings.
fn distinct(mut calls: Vec<Call>) -> Vec<Call> {
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
