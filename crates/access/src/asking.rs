//! `Asking`: lets code that decides at once ask authorizers that have to be waited for, without a thread that waits.
//!
//! The code runs with the answers known so far. A question without one is denied, and so is every question after it, so
//! the result of that run does not count; the answer is then awaited, and the code runs again with it.
//!
//! ```text
//! run 1   may ann impersonate bob?   not known      -> denied, and awaited
//! run 2   may ann impersonate bob?   yes
//!         and the group dev?         not known      -> denied, and awaited
//! run 3   yes, yes                                  -> this is the result
//! ```

use crate::authorize::{Authorizer, Decision, Rules, authorize};
use pintle_object::RequestInfo;
use pintle_object::user::User;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The number of questions of one request that are awaited one after the other; further ones are denied.
const AWAITED_MAX: usize = 256;

/// The answers of one request's questions.
pub struct Asking {
    authorizer: Arc<dyn Authorizer>,
    hasher: RandomState,
    state: Mutex<AskingState>,
}

#[derive(Default)]
struct AskingState {
    /// By the hash of the question, which is copied once: each run asks most of them again.
    known: HashMap<u64, Vec<(Question, Decision)>>,
    /// The question that has to be awaited before anything that was decided counts.
    next: Option<Question>,
    awaited: usize,
}

/// User and request, kept.
#[derive(Clone, Debug)]
struct Question {
    user: User,
    info: RequestInfo,
}

impl Asking {
    pub fn new(authorizer: Arc<dyn Authorizer>) -> Asking {
        Asking { authorizer, hasher: RandomState::new(), state: Mutex::default() }
    }

    /// Awaits the answer to the question that had none; false when there was no such question, and the result counts.
    pub async fn learns(&self) -> bool {
        let Some(question) = self.state().next.clone() else { return false };
        let decision = authorize(self.authorizer.as_ref(), &question.user, &question.info).await;
        let hash = self.hasher.hash_one((&question.user, &question.info));
        let mut state = self.state();
        state.next = None;
        state.awaited += 1;
        state.known.entry(hash).or_default().push((question, decision));
        true
    }

    fn state(&self) -> MutexGuard<'_, AskingState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Authorizer for Asking {
    fn authorize(&self, user: &User, info: &RequestInfo) -> Decision {
        let mut state = self.state();
        if state.next.is_some() {
            return unanswered();
        }
        let hash = self.hasher.hash_one((user, info));
        let mut known = state.known.get(&hash).into_iter().flatten();
        if let Some((_, decision)) = known.find(|(known, _)| known.user == *user && known.info == *info) {
            return decision.clone();
        }
        let question = Question { user: user.clone(), info: info.clone() };
        match self.authorizer.at_hand(user, info) {
            Some(decision) => {
                state.known.entry(hash).or_default().push((question, decision.clone()));
                decision
            }
            None => {
                if state.awaited < AWAITED_MAX {
                    state.next = Some(question);
                }
                unanswered()
            }
        }
    }

    fn list_rules(&self, user: &User, namespace: &str, found: &mut Rules) {
        self.authorizer.list_rules(user, namespace, found);
    }
}

fn unanswered() -> Decision {
    Decision::Error { is_denial: true, reason: String::new(), why: String::from("nobody answered") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorize::Waiting;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Has names of one letter at hand, and has to be waited for with others. Allows all.
    #[derive(Default)]
    struct Slow(AtomicUsize);

    impl Authorizer for Slow {
        fn authorize(&self, _: &User, _: &RequestInfo) -> Decision {
            panic!("who has to be waited for must not be asked to answer at once")
        }

        fn at_hand(&self, _: &User, info: &RequestInfo) -> Option<Decision> {
            (info.name.len() == 1).then(|| Decision::Allow(String::new()))
        }

        fn waits(&self) -> bool {
            true
        }

        fn wait<'a>(&'a self, _: &'a User, _: &'a RequestInfo) -> Option<Waiting<'a>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Some(Box::pin(async {
                tokio::task::yield_now().await;
                Decision::Allow(String::new())
            }))
        }
    }

    async fn run(names: &[&str]) -> (usize, usize, usize) {
        let slow = Arc::new(Slow::default());
        let asking = Asking::new(slow.clone());
        let mut runs = 0;
        loop {
            runs += 1;
            let allowed = |name: &&&str| {
                let asked = RequestInfo { name: (**name).into(), ..RequestInfo::default() };
                matches!(asking.authorize(&User::anonymous(), &asked), Decision::Allow(_))
            };
            let count = names.iter().filter(allowed).count();
            if !asking.learns().await {
                return (runs, slow.0.load(Ordering::Relaxed), count);
            }
        }
    }

    #[tokio::test]
    async fn what_is_not_at_hand_is_awaited_once_and_decided_with() {
        assert_eq!(run(&["a", "b"]).await, (1, 0, 2));
        assert_eq!(run(&["a", "long", "b", "long", "longer"]).await, (3, 2, 5));
    }

    #[tokio::test]
    async fn questions_beyond_the_bound_are_denied() {
        let names: Vec<String> = (0..AWAITED_MAX + 9).map(|index| format!("name-{index}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(run(&names).await, (AWAITED_MAX + 1, AWAITED_MAX, AWAITED_MAX));
    }
}
