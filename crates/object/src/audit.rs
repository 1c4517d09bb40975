//! `AuditContext`: what the stages of one request leave for its audit event, from authorization through admission to
//! the answer. (Upstream: `k8s.io/apiserver/pkg/audit`, `AuditContext`.)

use std::borrow::Cow;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How much of a request its event tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    #[default]
    None,
    Metadata,
    Request,
    RequestResponse,
}

/// The collector of one request. Nothing is kept at level `None`, which it has until a policy says otherwise, so that
/// servers without an audit pay for a load and a comparison.
#[derive(Debug)]
pub struct AuditContext {
    level: AtomicU8,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    annotations: Vec<(Cow<'static, str>, String)>,
    request_object: Option<Vec<u8>>,
}

impl Default for AuditContext {
    fn default() -> AuditContext {
        AuditContext::new()
    }
}

impl AuditContext {
    pub const fn new() -> AuditContext {
        let kept = Kept { annotations: Vec::new(), request_object: None };
        AuditContext { level: AtomicU8::new(Level::None as u8), kept: Mutex::new(kept) }
    }

    /// Keeps what is left from now on, as far as the level goes.
    pub fn set_level(&self, level: Level) {
        self.level.store(level as u8, Ordering::Relaxed);
    }

    pub fn level(&self) -> Level {
        let level = self.level.load(Ordering::Relaxed);
        let all = [Level::Metadata, Level::Request, Level::RequestResponse];
        all.into_iter().find(|known| *known as u8 == level).unwrap_or(Level::None)
    }

    fn is_at_least(&self, level: Level) -> bool {
        self.level.load(Ordering::Relaxed) >= level as u8
    }

    /// Adds an annotation of the event. The first value of a key stays; false when there is another already.
    pub fn annotate(&self, key: impl Into<Cow<'static, str>>, value: impl Into<String>) -> bool {
        !self.is_at_least(Level::Metadata) || self.lock().annotate(key.into(), value.into())
    }

    /// The same for a value that costs something to make.
    pub fn annotate_with(&self, key: impl Into<Cow<'static, str>>, value: impl FnOnce() -> String) -> bool {
        !self.is_at_least(Level::Metadata) || self.lock().annotate(key.into(), value())
    }

    /// Keeps the request's object as JSON, where the event tells it: of a create or update the decoded object with its
    /// defaults, of a patch the patch, of a delete its options.
    pub fn set_request_object(&self, json: impl FnOnce() -> Vec<u8>) {
        if self.is_at_least(Level::Request) {
            let json = json();
            self.lock().request_object = Some(json);
        }
    }

    /// The annotations so far, in the order of their keys.
    pub fn annotations(&self) -> Vec<(Cow<'static, str>, String)> {
        let mut annotations = self.lock().annotations.clone();
        annotations.sort();
        annotations
    }

    /// Takes the request's object out.
    pub fn take_request_object(&self) -> Option<Vec<u8>> {
        self.lock().request_object.take()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn annotate(&mut self, key: Cow<'static, str>, value: String) -> bool {
        if let Some((_, known)) = self.annotations.iter().find(|(known, _)| *known == key) {
            return *known == value;
        }
        self.annotations.push((key, value));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_level_asks_for_is_kept() {
        let context = AuditContext::new();
        assert_eq!(context.level(), Level::None);
        assert!(context.annotate("a", "1") && context.annotate_with("a", || panic!("nobody asked")));
        context.set_request_object(|| panic!("nobody asked"));
        assert!(context.annotations().is_empty() && context.take_request_object().is_none());
        context.set_level(Level::Metadata);
        assert_eq!(context.level(), Level::Metadata);
        context.set_request_object(|| panic!("nobody asked"));
        assert!(context.annotate("b", "1") && context.annotate_with("a", || String::from("2")));
        assert!(context.annotate("b", "1"), "the same once more");
        assert!(!context.annotate("b", "3"), "the first value stays");
        let expected = [("a".into(), String::from("2")), ("b".into(), String::from("1"))];
        assert_eq!(context.annotations(), expected);
        context.set_level(Level::RequestResponse);
        context.set_request_object(|| b"{}".to_vec());
        assert_eq!(context.take_request_object().as_deref(), Some(b"{}".as_slice()));
    }
}
