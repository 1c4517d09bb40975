//! `Notes`: warnings and audit annotations of plugins about a request.

use pintle_object::content::label_key;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Warnings for the client and annotations for the audit log, in the order in which they came.
#[derive(Default)]
pub struct Notes(Mutex<Lists>);

#[derive(Default)]
struct Lists {
    warnings: Vec<String>,
    annotations: Vec<Annotation>,
}

/// An annotation of an audit event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    pub key: String,
    pub value: String,
    /// Whether only events that show the request show it.
    pub is_of_request: bool,
}

/// A state of notes that can be gone back to.
#[derive(Clone, Copy)]
pub struct NoteMark {
    warnings: usize,
    annotations: usize,
}

impl Notes {
    /// Adds a warning for the client.
    pub fn warn(&self, text: String) {
        self.lock().warnings.push(text);
    }

    /// Adds an annotation of the request's audit event. The first value of a key counts, and a key that is no name
    /// within a domain (`example.com/name`) none.
    pub fn annotate(&self, key: String, value: String) {
        self.add(Annotation { key, value, is_of_request: false });
    }

    /// The same for a value that shows parts of the request.
    pub fn annotate_request(&self, key: String, value: String) {
        self.add(Annotation { key, value, is_of_request: true });
    }

    fn add(&self, annotation: Annotation) {
        let key = &annotation.key;
        if !key.contains('/') || !label_key(key).is_empty() {
            tracing::warn!(key, "an audit annotation has an invalid key, and is left out");
            return;
        }
        let mut lists = self.lock();
        if let Some(known) = lists.annotations.iter().find(|known| known.key == *key) {
            if known.value != annotation.value {
                tracing::warn!(key, "an audit annotation is not set again");
            }
            return;
        }
        lists.annotations.push(annotation);
    }

    /// The current position in the notes, to reset to.
    pub fn mark(&self) -> NoteMark {
        let lists = self.lock();
        NoteMark { warnings: lists.warnings.len(), annotations: lists.annotations.len() }
    }

    /// Drops the notes made since a mark.
    pub fn reset(&self, mark: NoteMark) {
        let mut lists = self.lock();
        lists.warnings.truncate(mark.warnings);
        lists.annotations.truncate(mark.annotations);
    }

    /// The warnings and the annotations.
    pub fn into_lists(self) -> (Vec<String>, Vec<Annotation>) {
        let lists = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        (lists.warnings, lists.annotations)
    }

    fn lock(&self) -> MutexGuard<'_, Lists> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_after_a_mark_is_forgotten_and_keys_are_set_once() {
        let notes = Notes::default();
        notes.warn("a".into());
        notes.annotate("a.b/k".into(), "1".into());
        for bad in ["k", "a/b/c", "a.b/bad key!", "A_/k"] {
            notes.annotate(bad.into(), "1".into());
        }
        let mark = notes.mark();
        notes.warn("b".into());
        notes.annotate("a.b/l".into(), "2".into());
        notes.reset(mark);
        notes.annotate("a.b/k".into(), "3".into());
        let (warnings, annotations) = notes.into_lists();
        assert_eq!(warnings, ["a"]);
        let kept: Vec<(&str, &str)> =
            annotations.iter().map(|one| (one.key.as_str(), one.value.as_str())).collect();
        assert_eq!(kept, [("a.b/k", "1")]);
    }
}
