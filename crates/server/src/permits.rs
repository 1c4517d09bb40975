//! `Pool`: seats or memory that requests share; a part is reserved for the system, and no user may have all.

use pintle_access::User;
use pintle_object::user::MASTERS;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The part of a pool for system users alone, so that the cluster's own components go on whatever other clients do.
const SYSTEM_PART: usize = 4;
/// One system user has at most this part: a node that is taken over does not stop the others.
const SYSTEM_USER_PART: usize = 2;
/// The number of remembered users from which those without a permit are forgotten.
const USERS_MIN: usize = 256;

const NODES: &str = "system:nodes";
const SYSTEM_COMPONENTS: &str = "system:kube-";
const SERVICE_ACCOUNTS: &str = "system:serviceaccount:";
const SYSTEM_NAMESPACE: &str = "kube-system";

/// The holder of a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requester<'a> {
    /// Members of `system:masters`: bounded by the whole alone.
    Master,
    /// Nodes, components and controllers.
    System(&'a str),
    /// Any other user. All ServiceAccounts of a namespace are one, since an owner of the namespace has them all.
    Other(&'a str),
}

impl<'a> Requester<'a> {
    pub fn of(user: &'a User) -> Requester<'a> {
        let name = user.name.as_str();
        if user.is_in(MASTERS) {
            return Requester::Master;
        }
        let account = name.strip_prefix(SERVICE_ACCOUNTS);
        let namespace = account.and_then(|account| account.split_once(':')).map(|(namespace, _)| namespace);
        match namespace {
            Some(SYSTEM_NAMESPACE) => Requester::System(name),
            Some(namespace) => Requester::Other(namespace),
            None if user.is_in(NODES) || name.starts_with(SYSTEM_COMPONENTS) => Requester::System(name),
            None => Requester::Other(name),
        }
    }
}

/// A number of units that are shared out.
pub struct Pool {
    size: usize,
    /// The most units of one user who is not of the system.
    user_max: usize,
    all: Arc<Semaphore>,
    others: Arc<Semaphore>,
    users: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// Units of a pool, given back when they are dropped.
#[derive(Debug)]
pub struct Permit {
    of_user: Option<OwnedSemaphorePermit>,
    of_others: Option<OwnedSemaphorePermit>,
    of_all: OwnedSemaphorePermit,
}

impl Permit {
    pub fn units(&self) -> usize {
        self.of_all.num_permits()
    }

    /// Gives back the units beyond `units`.
    pub fn shrink(&mut self, units: usize) {
        let more = self.units().saturating_sub(units);
        let permits = [self.of_user.as_mut(), self.of_others.as_mut(), Some(&mut self.of_all)];
        permits.into_iter().flatten().for_each(|permit| drop(permit.split(more)));
    }
}

impl Pool {
    /// A pool of which one user has at most the `user_part`th part.
    pub fn new(size: usize, user_part: usize) -> Pool {
        let size = size.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        let semaphore = |units: usize| Arc::new(Semaphore::new(units));
        Pool {
            size,
            user_max: (size / user_part).max(1),
            all: semaphore(size),
            others: semaphore((size - size / SYSTEM_PART).max(1)),
            users: Mutex::default(),
        }
    }

    /// A permit at once, if there are units left. A request for more than a user may have gets all that it may have.
    pub fn try_permit(&self, who: Requester<'_>, units: usize) -> Option<Permit> {
        let units = self.units(who, units);
        let take = |from: Arc<Semaphore>| from.try_acquire_many_owned(units).ok();
        let of_user = match self.user(who) {
            Some(user) => Some(take(user)?),
            None => None,
        };
        let of_others = match who {
            Requester::Other(_) => Some(take(self.others.clone())?),
            Requester::Master | Requester::System(_) => None,
        };
        Some(Permit { of_user, of_others, of_all: take(self.all.clone())? })
    }

    /// A permit as soon as there are units. Requests of one user wait for each other and keep no other user waiting.
    pub async fn permit(&self, who: Requester<'_>, units: usize) -> Permit {
        let units = self.units(who, units);
        let take = async |from: Arc<Semaphore>| {
            from.acquire_many_owned(units).await.expect("the pool's semaphores are never closed")
        };
        let of_user = match self.user(who) {
            Some(user) => Some(take(user).await),
            None => None,
        };
        let of_others = match who {
            Requester::Other(_) => Some(take(self.others.clone()).await),
            Requester::Master | Requester::System(_) => None,
        };
        Permit { of_user, of_others, of_all: take(self.all.clone()).await }
    }

    /// The units that a requester lacks of `units`, given those that it has `held` and the most that it may have.
    pub fn missing(&self, who: Requester<'_>, held: usize, units: usize) -> usize {
        units.min(self.max(who)).saturating_sub(held)
    }

    fn max(&self, who: Requester<'_>) -> usize {
        match who {
            Requester::Master => self.size,
            Requester::System(_) => (self.size / SYSTEM_USER_PART).max(1),
            Requester::Other(_) => self.user_max.min(self.size - self.size / SYSTEM_PART).max(1),
        }
    }

    fn units(&self, who: Requester<'_>, units: usize) -> u32 {
        u32::try_from(units.min(self.max(who))).unwrap_or(u32::MAX)
    }

    /// The semaphore of one user's part.
    fn user(&self, who: Requester<'_>) -> Option<Arc<Semaphore>> {
        let (Requester::System(name) | Requester::Other(name)) = who else { return None };
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(user) = users.get(name) {
            return Some(user.clone());
        }
        if users.len() >= USERS_MIN && users.len() == users.capacity() {
            users.retain(|_, user| Arc::strong_count(user) > 1);
        }
        let user = Arc::new(Semaphore::new(self.max(who)));
        users.insert(name.into(), user.clone());
        Some(user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, group: &str) -> User {
        User { name: name.into(), groups: vec![group.into()], ..User::anonymous() }
    }

    #[test]
    fn the_system_is_told_from_others() {
        let check = |name: &str, group: &str, expected: Requester<'_>| {
            assert_eq!(Requester::of(&user(name, group)), expected, "{name}");
        };
        check("root", MASTERS, Requester::Master);
        check("system:node:a", NODES, Requester::System("system:node:a"));
        check("system:node:a", "", Requester::Other("system:node:a"));
        check("system:kube-scheduler", "", Requester::System("system:kube-scheduler"));
        let controller = "system:serviceaccount:kube-system:job-controller";
        check(controller, "", Requester::System(controller));
        check("system:serviceaccount:a:b", "", Requester::Other("a"));
        check("system:serviceaccount:kube-system", "", Requester::Other("system:serviceaccount:kube-system"));
        check("system:anonymous", "", Requester::Other("system:anonymous"));
    }

    #[tokio::test]
    async fn no_user_has_all_and_others_have_not_the_systems_part() {
        let pool = Pool::new(16, 4);
        let (dev, ops, lab) = (Requester::Other("dev"), Requester::Other("ops"), Requester::Other("lab"));
        let held = pool.permit(dev, 3).await;
        assert!(pool.try_permit(dev, 2).is_none());
        let more = pool.try_permit(dev, 1).unwrap();
        let others = (pool.try_permit(ops, 100).unwrap(), pool.try_permit(lab, 100).unwrap());
        assert!(pool.try_permit(Requester::Other("app"), 1).is_none());
        let system = pool.try_permit(Requester::System("system:kube-scheduler"), 3).unwrap();
        let master = pool.try_permit(Requester::Master, 1).unwrap();
        assert!(pool.try_permit(Requester::Master, 1).is_none());
        drop((held, more, others, system, master));
        assert!(pool.try_permit(Requester::Master, 16).is_some());
        assert_eq!(pool.others.available_permits(), 12);
    }

    #[test]
    fn a_share_that_is_too_large_is_given_back_in_part() {
        let pool = Pool::new(16, 4);
        let dev = Requester::Other("dev");
        let mut permit = pool.try_permit(dev, 4).unwrap();
        assert_eq!((pool.missing(dev, permit.units(), 3), pool.missing(dev, 1, 100)), (0, 3));
        permit.shrink(1);
        assert_eq!(
            (permit.units(), pool.all.available_permits(), pool.others.available_permits()),
            (1, 15, 11)
        );
        assert!(pool.try_permit(dev, 3).is_some());
        permit.shrink(2);
        assert_eq!(permit.units(), 1);
    }

    #[tokio::test]
    async fn who_waits_keeps_only_itself_waiting() {
        let pool = Pool::new(16, 4);
        let held = pool.permit(Requester::Other("dev"), 4).await;
        let mut waiting = std::pin::pin!(pool.permit(Requester::Other("dev"), 4));
        tokio::select! {
            biased;
            _ = &mut waiting => panic!("the user has all that it may have"),
            _ = pool.permit(Requester::Other("ops"), 4) => {}
        }
        drop(held);
        waiting.await;
    }

    #[test]
    fn users_without_shares_are_forgotten() {
        let pool = Pool::new(16, 4);
        for index in 0..10 * USERS_MIN {
            drop(pool.try_permit(Requester::Other(&index.to_string()), 1));
        }
        assert!(pool.users.lock().unwrap().len() < 4 * USERS_MIN);
    }
}
