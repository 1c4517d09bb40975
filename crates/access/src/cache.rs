//! `Cache`: results about credentials, for a while. Credentials are not kept, only their keyed hashes.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Maps that are locked apart.
const STRIPES: usize = 16;
/// Most entries of one stripe; a stripe that is full is emptied.
const STRIPE_LEN_MAX: usize = 2048;

/// The hash of a credential, under a key that only this process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

pub struct Cache<T> {
    key: hmac::Key,
    stripes: [Mutex<HashMap<Fingerprint, (T, Instant)>>; STRIPES],
}

impl<T> Default for Cache<T> {
    fn default() -> Cache<T> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        let key = key.expect("the system has randomness once a server runs");
        Cache { key, stripes: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl<T: Clone> Cache<T> {
    /// Of several parts, each with its length, so that no two lists of parts look the same.
    pub fn fingerprint<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> Fingerprint {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.sign().as_ref());
        Fingerprint(bytes)
    }

    pub fn get(&self, of: &Fingerprint) -> Option<T> {
        let stripe = self.stripe(of).lock().unwrap_or_else(PoisonError::into_inner);
        let (value, until) = stripe.get(of)?;
        (Instant::now() < *until).then(|| value.clone())
    }

    pub fn set(&self, of: Fingerprint, value: T, holds: Duration) {
        if holds.is_zero() {
            return;
        }
        let now = Instant::now();
        let mut stripe = self.stripe(&of).lock().unwrap_or_else(PoisonError::into_inner);
        if stripe.len() >= STRIPE_LEN_MAX {
            stripe.retain(|_, (_, until)| now < *until);
        }
        if stripe.len() >= STRIPE_LEN_MAX {
            stripe.clear();
        }
        stripe.insert(of, (value, now + holds));
    }

    pub fn clear(&self) {
        for stripe in &self.stripes {
            stripe.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    fn stripe(&self, of: &Fingerprint) -> &Mutex<HashMap<Fingerprint, (T, Instant)>> {
        let [first, ..] = of.0;
        let [only, ..] = &self.stripes;
        self.stripes.get(usize::from(first) % STRIPES).unwrap_or(only)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_hold_for_their_time() {
        let cache = Cache::<u8>::default();
        let of = cache.fingerprint([&b"a"[..]]);
        assert_eq!(cache.get(&of), None);
        cache.set(of, 1, Duration::ZERO);
        assert_eq!(cache.get(&of), None);
        cache.set(of, 1, Duration::from_secs(60));
        assert_eq!(cache.get(&of), Some(1));
        cache.set(of, 2, Duration::from_nanos(1));
        std::thread::yield_now();
        assert_eq!(cache.get(&of), None);
        cache.set(of, 3, Duration::from_secs(60));
        cache.clear();
        assert_eq!(cache.get(&of), None);
    }

    #[test]
    fn parts_are_told_apart() {
        let cache = Cache::<u8>::default();
        let of = |parts: &[&str]| cache.fingerprint(parts.iter().map(|part| part.as_bytes()));
        assert_eq!(of(&["xy", "z"]), of(&["xy", "z"]));
        for other in [&["x", "yz"][..], &["xyz"], &["xy", "z", ""]] {
            assert_ne!(of(&["xy", "z"]), of(other), "{other:?}");
        }
        assert_ne!(of(&["a"]), Cache::<u8>::default().fingerprint([&b"a"[..]]));
    }

    #[test]
    fn what_is_full_makes_room() {
        let cache = Cache::<usize>::default();
        for index in 0..STRIPES * STRIPE_LEN_MAX * 2 {
            cache.set(cache.fingerprint([&index.to_be_bytes()[..]]), index, Duration::from_secs(60));
        }
        for stripe in &cache.stripes {
            assert!(stripe.lock().unwrap().len() <= STRIPE_LEN_MAX);
        }
    }
}
