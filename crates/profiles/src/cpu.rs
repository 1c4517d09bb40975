//! Profiles of processor time: a thread is sampled whenever it has used another hundredth of a second.

use crate::profile::{Builder, Symbol};
use pprof::{Error, ProfilerGuardBuilder, Report};
use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, SystemTime};

/// Samples a second, as in Go's profiles.
const FREQUENCY: i32 = 100;
const PERIOD_NANOS: i64 = 1_000_000_000 / FREQUENCY as i64;
/// Libraries in which threads are not sampled: unwinding a stack takes locks that these hold.
const LEFT_OUT: [&str; 4] = ["libc", "libgcc", "pthread", "vdso"];

/// The reason why there is no profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProfileFailure {
    /// Another one is being made: there is one at a time.
    Busy,
    Failed(String),
}

impl fmt::Display for ProfileFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProfileFailure::Busy => f.write_str("cpu profiling already in use"),
            ProfileFailure::Failed(why) => f.write_str(why),
        }
    }
}

/// Profiles the process for a while, from a thread of its own. It ends early when its future is dropped.
pub async fn cpu(duration: Duration) -> Result<Vec<u8>, ProfileFailure> {
    let (waits, gone) = channel();
    let made = tokio::task::spawn_blocking(move || sampled(duration, &gone)).await;
    drop::<std::sync::mpsc::Sender<()>>(waits);
    made.unwrap_or_else(|error| Err(ProfileFailure::Failed(error.to_string())))
}

fn sampled(duration: Duration, gone: &Receiver<()>) -> Result<Vec<u8>, ProfileFailure> {
    let failed = |error: Error| match error {
        Error::Running => ProfileFailure::Busy,
        other => ProfileFailure::Failed(other.to_string()),
    };
    let began = SystemTime::now();
    let builder = ProfilerGuardBuilder::default().frequency(FREQUENCY).blocklist(&LEFT_OUT);
    let guard = builder.build().map_err(failed)?;
    if gone.recv_timeout(duration) != Err(RecvTimeoutError::Timeout) {
        return Err(ProfileFailure::Failed("nobody waits for the profile".into()));
    }
    let report = guard.report().build().map_err(failed)?;
    drop(guard);
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    Ok(encoded(&report, began, duration, &maps))
}

fn encoded(report: &Report, began: SystemTime, lasted: Duration, maps: &str) -> Vec<u8> {
    let mut builder = Builder::new(&[("samples", "count"), ("cpu", "nanoseconds")]);
    builder.period(began, lasted, ("cpu", "nanoseconds"), PERIOD_NANOS);
    builder.mappings(maps);
    for (frames, count) in &report.data {
        let places = frames.frames.iter().map(|frame| {
            let address = frame.first().and_then(|symbol| symbol.addr).map_or(0, |addr| addr as u64);
            builder.location(address, frame.iter().map(symbol).collect())
        });
        let places = places.collect();
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        builder.sample(places, vec![count, count.saturating_mul(PERIOD_NANOS)], &frames.thread_name);
    }
    builder.bytes()
}

fn symbol(symbol: &pprof::Symbol) -> Symbol {
    let Some(_) = &symbol.name else { return Symbol::default() };
    Symbol {
        name: symbol.name(),
        system_name: symbol.sys_name().into_owned(),
        file: symbol.filename.as_ref().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default(),
        line: symbol.lineno.unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Profile;
    use flate2::read::GzDecoder;
    use prost::Message;
    use std::io::Read;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[inline(never)]
    fn what_is_busy(stop: &AtomicBool) -> u64 {
        let mut sum = 0_u64;
        while !stop.load(Ordering::Relaxed) {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(7));
        }
        sum
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_busy_function_is_in_the_profile_and_profiles_are_made_one_at_a_time() {
        let stop = Arc::new(AtomicBool::new(false));
        let own = stop.clone();
        let busy = std::thread::spawn(move || what_is_busy(&own));
        let second = Duration::from_millis(500);
        let (one, other) = tokio::join!(cpu(second), cpu(second));
        // The first to come is given one.
        let (made, refused) = if one.is_ok() { (one, other) } else { (other, one) };
        assert_eq!(refused, Err(ProfileFailure::Busy));
        let abandoned = tokio::time::timeout(Duration::from_millis(1), cpu(Duration::from_secs(3600))).await;
        assert!(abandoned.is_err());
        stop.store(true, Ordering::Relaxed);
        busy.join().unwrap();
        let mut bytes = Vec::new();
        GzDecoder::new(&*made.unwrap()).read_to_end(&mut bytes).unwrap();
        let profile = Profile::decode(&*bytes).unwrap();
        assert!(!profile.sample.is_empty() && profile.period == PERIOD_NANOS);
        assert!(profile.string_table.iter().any(|text| text.contains("what_is_busy")), "{profile:?}");
    }
}
