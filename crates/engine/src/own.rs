//! The server as a client of its own engine: its user, and the clock of its loops.

use crate::engine::Engine;
use crate::request::write_context::WriteContext;
use pintle_object::time::Time;
use pintle_object::user::{MASTERS, User};
use std::time::{SystemTime, UNIX_EPOCH};

/// The user of the server's own writes, who may do everything.
pub fn user() -> User {
    User { name: "system:apiserver".into(), groups: vec![MASTERS.into()], ..User::default() }
}

/// The time now.
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time { seconds: i64::try_from(since.as_secs()).unwrap_or(0), nanos: since.subsec_nanos() }
}

impl Engine {
    /// A write of the server's own.
    pub fn own_call<'a>(&self, user: &'a User, now: Time) -> WriteContext<'a> {
        WriteContext::new(user, now, &self.manager)
    }
}
