//! Conversions that the accounting of managed fields needs in the middle of one write.
//!
//! The accounting runs at once. What it cannot know without asking a webhook it notes here and fails; the write then
//! waits for the answers and runs it again.

use crate::engine::Engine;
use crate::resource::ServedResource;
use pintle_object::Value;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What one write has learned of its objects in other versions, and what it wants to know.
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

    /// Asks for what was wanted; false when nothing was.
    pub async fn learn(&self, engine: &Engine, served: &ServedResource) -> bool {
        let wanted = std::mem::take(&mut self.state().wanted);
        let is_any = !wanted.is_empty();
        for (object, to) in wanted {
            let converted =
                Box::pin(engine.convert_by_webhook(served, std::slice::from_ref(&object), &to)).await;
            let result =
                converted.map_err(|status| status.message).map(|mut all| all.pop().unwrap_or_default());
            self.state().known.push(Conversion { object, to, result });
        }
        is_any
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
