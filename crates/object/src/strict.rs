//! Findings of strict decoding: unknown and repeated fields, as sigs.k8s.io/json reports them.

pub(crate) use crate::field::{STRICT_PATH_BYTES_MAX, quote};

/// Upstream reports at most this many, each once.
pub const STRICT_ERRORS_MAX: usize = 100;
/// The bytes of all paths computed for one document; the same field may be repeated many times.
const LOOKED_AT_BYTES_MAX: usize = 1024 * 1024;

/// The findings of one document, in order.
#[derive(Clone, Debug, Default)]
pub struct StrictErrors {
    list: Vec<String>,
    looked_at_bytes: usize,
}

impl StrictErrors {
    /// Adds `unknown field "spec.x"` or `duplicate field "spec.x"`, with `what` before it; the path is computed only if
    /// there is room.
    pub fn add<P: AsRef<str>>(&mut self, what: &str, path: impl FnOnce() -> P) {
        if self.list.len() >= STRICT_ERRORS_MAX || self.looked_at_bytes >= LOOKED_AT_BYTES_MAX {
            return;
        }
        let path = path();
        let path = head(path.as_ref());
        self.looked_at_bytes += path.len();
        let error = format!("{what} field {}", quote(path));
        if !self.list.contains(&error) {
            self.list.push(error);
        }
    }

    pub fn into_vec(self) -> Vec<String> {
        self.list
    }
}

/// As much of a path as is shown.
pub fn head(path: &str) -> &str {
    match path.get(..STRICT_PATH_BYTES_MAX) {
        Some(head) => head,
        None if path.len() <= STRICT_PATH_BYTES_MAX => path,
        // Within a character, which are four bytes at most.
        None => (1..4).find_map(|less| path.get(..STRICT_PATH_BYTES_MAX - less)).unwrap_or(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_told_once_and_bounded() {
        let mut errors = StrictErrors::default();
        (0..STRICT_ERRORS_MAX + 9).for_each(|n| errors.add("unknown", || format!("a{n}")));
        errors.add("unknown", || String::from("a1"));
        let list = errors.into_vec();
        assert_eq!((list.len(), list.first().unwrap().as_str()), (STRICT_ERRORS_MAX, "unknown field \"a0\""));

        let mut errors = StrictErrors::default();
        let long = "k".repeat(100_000);
        (0..10_000).for_each(|n| errors.add("duplicate", || long.get(n % 2..).unwrap()));
        let list = errors.into_vec();
        assert_eq!(list.len(), 1, "paths are alike as far as they are shown");
        assert!(list.iter().all(|error| error.len() < STRICT_PATH_BYTES_MAX + 30));
    }
}
