//! The flags for requests in flight, timeouts and shutdown.

use crate::flags::FlagValues;
use crate::memory;
use pintle_server::inflight::{Limits as Enforced, Seats};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitFlags {
    reads_max: usize,
    writes_max: usize,
    /// Whether all requests share their places and wait for them.
    is_shared: bool,
    request_max: Duration,
    /// The minimum duration of watches without `timeoutSeconds`.
    pub watch_min: Duration,
    /// The memory budget of the server in bytes; zero for none.
    pub memory_bytes_max: u64,
    /// The time for which a stopping server still serves.
    pub stop_delay: Duration,
    /// The time over which the ends of watches are spread at a stop; zero for all at once.
    pub watch_drain: Duration,
    /// Whether requests that arrive during a stop are answered with `429` and `Retry-After`.
    pub sends_retry_after: bool,
    /// The number of HTTP/2 requests in a million after which the client is told (GOAWAY) to connect anew.
    pub goaway_per_million: u32,
    /// The value of `Strict-Transport-Security`.
    pub strict_transport_security: String,
}

impl LimitFlags {
    pub fn read(given: &FlagValues) -> Result<LimitFlags, String> {
        let limits = LimitFlags {
            reads_max: count(given, "max-requests-inflight")?,
            writes_max: count(given, "max-mutating-requests-inflight")?,
            is_shared: given.bool("enable-priority-and-fairness"),
            request_max: positive(given, "request-timeout")?,
            watch_min: Duration::from_secs(count(given, "min-request-timeout")? as u64),
            memory_bytes_max: memory::budget(given.text("memory-budget"))?,
            stop_delay: positive(given, "shutdown-delay-duration")?,
            watch_drain: given.duration("shutdown-watch-termination-grace-period").map_err(
                |_| "shutdown-watch-termination-grace-period, if provided, can not be a negative value",
            )?,
            sends_retry_after: given.bool("shutdown-send-retry-after"),
            goaway_per_million: goaway(given.text("goaway-chance"))?,
            strict_transport_security: security(&given.list("strict-transport-security-directives"))?,
        };
        if limits.is_shared && limits.reads_max + limits.writes_max == 0 {
            return Err(String::from(
                "invalid configuration: MaxRequestsInFlight=0 and MaxMutatingRequestsInFlight=0; they must add up to \
                 something positive",
            ));
        }
        Ok(limits)
    }

    pub fn enforced(&self) -> Enforced {
        Enforced::new(Seats::new(self.reads_max, self.writes_max), self.request_max)
    }

    /// The seats that all requests share by priority and fairness; none where reads and writes have theirs.
    pub fn shared_seats(&self) -> Option<u32> {
        let sum = self.reads_max.saturating_add(self.writes_max);
        self.is_shared.then(|| u32::try_from(sum).unwrap_or(u32::MAX))
    }
}

fn count(given: &FlagValues, flag: &str) -> Result<usize, String> {
    let number: i64 = given.text(flag).parse().unwrap_or(0);
    usize::try_from(number)
        .ok()
        .filter(|number| *number <= u32::MAX as usize)
        .ok_or_else(|| format!("--{flag} can not be negative value"))
}

fn positive(given: &FlagValues, flag: &str) -> Result<Duration, String> {
    given.duration(flag).map_err(|_| format!("--{flag} can not be negative value"))
}

fn goaway(text: &str) -> Result<u32, String> {
    let chance: f64 = text.parse().unwrap_or(-1.0);
    if !(0.0..=0.02).contains(&chance) {
        return Err(String::from("--goaway-chance can not be less than 0 or greater than 0.02"));
    }
    // At most 20,000.
    Ok((chance * 1e6).round() as u32)
}

fn security(directives: &[String]) -> Result<String, String> {
    let is_valid = |directive: &&String| {
        let age = directive.strip_prefix("max-age=");
        matches!(directive.as_str(), "includeSubDomains" | "preload")
            || age.is_some_and(|age| !age.contains('='))
    };
    if !directives.iter().all(|directive| is_valid(&directive)) {
        return Err(String::from(
            "--strict-transport-security-directives invalid, allowed values: max-age=expireTime, includeSubDomains, \
             preload. see https://tools.ietf.org/html/rfc6797#section-6.1 for more information",
        ));
    }
    Ok(directives.join("; "))
}
