//! One watcher: reads events as cheaply as it can, since it shares the machine with the server, and checks them.

use super::progress::Progress;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use memchr::{memchr_iter, memmem};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// Of so many watchers one notes how long deliveries take.
const TIMED_EVERY: usize = 16;

pub fn is_timed(watcher: usize) -> bool {
    watcher.is_multiple_of(TIMED_EVERY)
}

/// The updates of one run: what marks them, and when each was sent.
pub struct Sent {
    prefix: String,
    begin: Instant,
    /// Microseconds since the beginning.
    at: Vec<AtomicU32>,
}

impl Sent {
    pub fn new(name: &str, count: u64) -> Sent {
        let at = (0..count).map(|_| AtomicU32::new(0)).collect();
        Sent { prefix: format!("{name}-update-"), begin: Instant::now(), at }
    }

    pub fn count(&self) -> u64 {
        self.at.len() as u64
    }

    /// Marks an update that is sent now.
    pub fn mark(&self, n: u64) -> String {
        if let Some(at) = self.at.get(n as usize) {
            at.store(self.micros(), Ordering::Relaxed);
        }
        format!("{}{n}", self.prefix)
    }

    fn micros(&self) -> u32 {
        u32::try_from(self.begin.elapsed().as_micros()).unwrap_or(u32::MAX)
    }

    /// Microseconds since update number n was sent.
    fn latency(&self, n: u64) -> Option<u32> {
        let at = self.at.get(usize::try_from(n).ok()?)?.load(Ordering::Relaxed);
        Some(self.micros().saturating_sub(at))
    }
}

pub struct Follower {
    /// Events that it is to be told of.
    pub expected: u64,
    pub sent: Arc<Sent>,
    pub progress: Arc<Progress>,
    pub is_timed: bool,
}

#[derive(Debug, Default)]
pub struct FollowedEvents {
    pub events: u64,
    pub bytes: u64,
    pub latencies: Vec<u32>,
    /// The version of the last event.
    last: u64,
}

impl Follower {
    /// Reads until it was told of all updates; versions must rise.
    pub async fn run(self, mut body: Incoming) -> Result<FollowedEvents, String> {
        let mark = memmem::Finder::new(&self.sent.prefix);
        let version = memmem::Finder::new("\"resourceVersion\":\"");
        let mut told = FollowedEvents::default();
        let mut rest: Vec<u8> = Vec::new();
        while told.events < self.expected {
            let frame =
                body.frame().await.ok_or("a watch ended early")?.map_err(|error| error.to_string())?;
            let Some(data) = frame.data_ref() else { continue };
            told.bytes += data.len() as u64;
            let before = told.events;
            let mut begin = 0;
            for end in memchr_iter(b'\n', data) {
                let line = data.get(begin..end).unwrap_or_default();
                begin = end + 1;
                if rest.is_empty() {
                    self.hear(line, &mark, &version, &mut told)?;
                } else {
                    rest.extend_from_slice(line);
                    self.hear(&rest, &mark, &version, &mut told)?;
                    rest.clear();
                }
            }
            rest.extend_from_slice(data.get(begin..).unwrap_or_default());
            self.progress.add(told.events - before);
        }
        Ok(told)
    }

    fn hear(
        &self,
        line: &[u8],
        mark: &memmem::Finder,
        version: &memmem::Finder,
        told: &mut FollowedEvents,
    ) -> Result<(), String> {
        let shown = || String::from_utf8_lossy(line).into_owned();
        let number = number_after(line, version).ok_or_else(|| format!("without a version: {}", shown()))?;
        if number <= told.last {
            return Err(format!("a watch told of version {number} after {}", told.last));
        }
        told.last = number;
        match number_after(line, mark) {
            Some(n) => {
                told.events += 1;
                if self.is_timed {
                    told.latencies.extend(self.sent.latency(n));
                }
                Ok(())
            }
            None if line.starts_with(b"{\"type\":\"ERROR\"") => Err(format!("a watch broke: {}", shown())),
            // Somebody else wrote something.
            None => Ok(()),
        }
    }
}

/// The number that follows a text, found without reading the whole object.
fn number_after(line: &[u8], text: &memmem::Finder) -> Option<u64> {
    let begin = text.find(line)? + text.needle().len();
    let digits = line.get(begin..)?.iter().take_while(|byte| byte.is_ascii_digit());
    let (mut number, mut count) = (0_u64, 0);
    for digit in digits {
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        count += 1;
    }
    (count > 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_lines() {
        for (line, expected) in
            [("{\"a\":\"x-12\"}", Some(12)), ("x-7", Some(7)), ("x-", None), ("y-3", None), ("", None)]
        {
            assert_eq!(number_after(line.as_bytes(), &memmem::Finder::new("x-")), expected, "{line}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_watch_is_found() {
        let sent = Arc::new(Sent::new("b", 3));
        let progress = Arc::new(Progress::new("", 1));
        let follower = Follower { expected: 3, sent, progress, is_timed: true };
        let line =
            |version: u64, mark: &str| format!("{{\"resourceVersion\":\"{version}\",\"m\":\"{mark}\"}}");
        let check = |lines: &[String]| {
            let (mark, version) =
                (memmem::Finder::new("b-update-"), memmem::Finder::new("\"resourceVersion\":\""));
            let mut told = FollowedEvents::default();
            lines.iter().try_for_each(|line| follower.hear(line.as_bytes(), &mark, &version, &mut told))?;
            Ok::<_, String>(told.events)
        };
        assert_eq!(check(&[line(4, "b-update-0"), line(5, "other"), line(9, "b-update-2")]), Ok(2));
        assert!(check(&[line(4, "b-update-0"), line(4, "b-update-1")]).is_err());
        assert!(check(&[line(4, "b-update-0"), line(3, "b-update-1")]).is_err());
        assert!(check(&[String::from("{\"type\":\"ERROR\",\"resourceVersion\":\"9\"}")]).is_err());
        assert!(check(&[String::from("{}")]).is_err());
    }
}
