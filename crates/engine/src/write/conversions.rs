//! Conversions that the accounting of managed fields needs in the middle of one write.
//!
//! The accounting runs at once. What it cannot know without asking a webhook it notes here and fails; the write then
//! waits for the answers and runs it again.

use pintle_object::Value;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Objects of one write in other versions: known ones, and wanted ones.
#[derive(Debug, Default)]
pub struct Conversions {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: Vec<Conversion>,
    wanted: Vec<(Value, String)>,
}

#[derive(Debug)]
struct Conversion {
    object: Value,
    to: String,
    result: Result<Value, String>,
}

impl Conversions {
    /// An object in another version, as far as it is known.
    pub fn of(&self, object: Value, to: &str) -> Result<Value, String> {
        let mut state = self.state();
        let known = state.known.iter().find(|known| known.to == to && known.object == object);
        if let Some(known) = known {
            return known.result.clone();
        }
        if !state.wanted.iter().any(|(wanted, version)| version == to && *wanted == object) {
            state.wanted.push((object, to.into()));
        }
        Err(String::from("the conversion is still to be asked for"))
    }

    /// Takes the wanted conversions that are not known, so that each is made once.
    pub(crate) fn take_wanted(&self) -> Vec<(Value, String)> {
        std::mem::take(&mut self.state().wanted)
    }

    /// Keeps the result of a conversion.
    pub(crate) fn note(&self, object: Value, to: String, result: Result<Value, String>) {
        self.state().known.push(Conversion { object, to, result });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
