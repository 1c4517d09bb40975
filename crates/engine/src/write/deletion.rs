//! The state machine of deletion: the next step for an object, by its finalizers and grace period.
//!
//! ```text
//! alive --delete--> gone                                     nothing holds it
//! alive --delete--> marked --last finalizer taken--> gone    finalizers hold it
//! alive --delete--> grace running --delete, period 0--> gone a kind with graceful deletion
//! ```

use crate::request::options::{DeleteOptions, Propagation};
use crate::resource::ServedResource;
use pintle_kinds::Dependents;
use pintle_object::Value;
use pintle_object::meta::{self, FOREGROUND, ORPHAN};
use pintle_object::time::Time;

/// The next step of a deletion.
pub(crate) enum Step {
    /// A new state is to be stored; the object goes after that when `then_go`.
    Mark { object: Value, then_go: bool },
    /// It was deleted before, and nothing changes.
    Pending,
    /// It goes now.
    Go,
}

/// The next step of an object's deletion.
pub(crate) fn step(served: &ServedResource, old: &Value, options: &DeleteOptions, now: Time) -> Step {
    let mut object = old.clone();
    if !meta::is_deleting(&object) && served.strategy.begin_deletion(&mut object, now) {
        object.set(&["metadata", "deletionTimestamp"], now.to_seconds_text());
        if let Some(finalizers) = finalizers_for(served, &object, options) {
            meta::set_finalizers(&mut object, &finalizers);
        }
        return Step::Mark { object, then_go: false };
    }
    if !served.strategy.may_go(&object) {
        return Step::Pending;
    }
    let graceful = match begin_graceful(served, &mut object, options, now) {
        Graceful::Pending => return Step::Pending,
        Graceful::Yes(seconds) => Some(seconds),
        Graceful::No => None,
    };
    let changes = finalizers_for(served, &object, options);
    if let Some(finalizers) = &changes {
        meta::set_finalizers(&mut object, finalizers);
    }
    let is_held = !meta::finalizers(&object).is_empty();
    match graceful {
        Some(seconds) => Step::Mark { then_go: !is_held && seconds == 0, object },
        None if is_held => {
            meta::mark_deleting(&mut object, now);
            Step::Mark { object, then_go: false }
        }
        None => Step::Go,
    }
}

enum Graceful {
    No,
    Pending,
    Yes(i64),
}

/// The first phase of a graceful deletion: the kind decides whether there is one.
fn begin_graceful(
    served: &ServedResource,
    object: &mut Value,
    options: &DeleteOptions,
    now: Time,
) -> Graceful {
    let rules = &served.strategy;
    // A negative period means one second.
    let requested = options.grace_period_seconds.map(|seconds| if seconds < 0 { 1 } else { seconds });
    if meta::is_deleting(object) {
        return shorten(served, object, requested, now);
    }
    let Some(seconds) = rules.grace_seconds(object, requested) else { return Graceful::No };
    let end = Time { seconds: now.seconds.saturating_add(seconds), nanos: 0 };
    object.set(&["metadata", "deletionTimestamp"], end.to_seconds_text());
    object.set(&["metadata", "deletionGracePeriodSeconds"], seconds);
    if meta::generation(object) > 0 {
        let next = meta::generation(object) + 1;
        meta::set_generation(object, next);
    }
    Graceful::Yes(seconds)
}

/// The period that a graceful deletion is given, as the kind completes it.
pub(crate) fn grace_seconds(served: &ServedResource, object: &Value, options: &DeleteOptions) -> Option<i64> {
    let requested = options.grace_period_seconds.map(|seconds| if seconds < 0 { 1 } else { seconds });
    if meta::is_deleting(object) { requested } else { served.strategy.grace_seconds(object, requested) }
}

/// A second delete can only bring the end nearer.
fn shorten(served: &ServedResource, object: &mut Value, requested: Option<i64>, now: Time) -> Graceful {
    // Only kinds with graceful deletion look at the period of a deleted object.
    let is_graceful = served.strategy.grace_seconds(object, Some(1)).is_some();
    let period = meta::grace_seconds(object).map(|seconds| if seconds < 0 { 1 } else { seconds });
    let Some(period) = period.filter(|period| is_graceful && *period != 0) else { return Graceful::No };
    let Some(requested) = requested.filter(|requested| *requested < period) else { return Graceful::Pending };
    let end = Time::parse(object.str_at(&["metadata", "deletionTimestamp"])).unwrap_or(now);
    let begin = end.seconds.saturating_sub(period);
    let (mut end, mut requested) = (begin.saturating_add(requested), requested);
    if requested != 0 && end < now.seconds {
        // A graceful deletion that is overdue stays graceful: the kubelet still has to see it.
        requested = 1;
    }
    end = end.max(now.seconds);
    let end = Time { seconds: end, nanos: 0 };
    object.set(&["metadata", "deletionTimestamp"], end.to_seconds_text());
    object.set(&["metadata", "deletionGracePeriodSeconds"], requested);
    Graceful::Yes(requested)
}

/// The finalizers with those of the garbage collector added or taken away; `None` when they stay as they are.
fn finalizers_for(served: &ServedResource, object: &Value, options: &DeleteOptions) -> Option<Vec<String>> {
    let own = meta::finalizers(object);
    let has = |name: &str| own.contains(&name);
    let policy = served.facts.dependents;
    let (orphan, foreground) = match (policy, options.orphan_dependents, options.propagation) {
        (Dependents::Unsupported, _, _) => (false, false),
        (_, Some(orphan), _) => (orphan, false),
        (_, None, Some(propagation)) => {
            (propagation == Propagation::Orphan, propagation == Propagation::Foreground)
        }
        (_, None, None) if has(ORPHAN) || has(FOREGROUND) => {
            let first = own.iter().find(|name| [ORPHAN, FOREGROUND].contains(name));
            (first == Some(&ORPHAN), first == Some(&FOREGROUND))
        }
        (Dependents::Orphan, None, None) => (true, false),
        (Dependents::Delete, None, None) => (false, false),
    };
    let others = own.iter().filter(|name| ![ORPHAN, FOREGROUND].contains(name));
    let mut next: Vec<String> = others.map(ToString::to_string).collect();
    next.extend(orphan.then(|| ORPHAN.to_string()));
    next.extend(foreground.then(|| FOREGROUND.to_string()));
    let is_same = has(ORPHAN) == orphan && has(FOREGROUND) == foreground;
    (!is_same).then_some(next)
}
