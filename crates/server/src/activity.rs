//! `Activity`: the state of a connection, and its timeouts.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// From the accepted connection to the whole head of its first request, the handshake included: upstream's
/// `ReadHeaderTimeout`.
pub const FIRST_REQUEST_MAX: Duration = Duration::from_secs(32);
/// From the first byte of a later request to its whole head, on HTTP/1.1.
pub const HEADER_MAX: Duration = Duration::from_secs(32);
/// The idle timeout between requests: upstream's `IdleTimeout`.
pub const IDLE_MAX: Duration = Duration::from_secs(90);
/// The idle timeout of a connection that was asked to leave.
pub const LEAVE_MAX: Duration = Duration::from_secs(5);
/// The time after which an answer is cut whose client takes nothing of it, since it keeps memory from others.
pub const STALL_MAX: Duration = Duration::from_secs(30);
/// The time between two looks at a connection with requests under way.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The length of a connection's list of answers up to which ended ones are not removed.
const ANSWERS_MIN: usize = 16;

/// The state of a connection. Times are in milliseconds since its beginning, plus one: zero stands for never.
pub struct Activity {
    pub address: IpAddr,
    began: Instant,
    /// Requests whose answer is not sent yet.
    requests: AtomicUsize,
    has_served: AtomicBool,
    is_http2: AtomicBool,
    is_leaving: AtomicBool,
    /// The end of the last request.
    rests_since: AtomicU64,
    /// The arrival of the first byte after `rests_since`.
    heard_at: AtomicU64,
    /// The time since which the client has taken nothing of the output.
    blocked_since: AtomicU64,
    answers: Mutex<Vec<Arc<StreamAnswer>>>,
    closed: Notify,
    /// Connections that have served nothing yet, with others.
    pending: Arc<AtomicUsize>,
}

/// The decision about a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum StreamVerdict {
    /// Keep it, and judge again at this time.
    LookAgain(Instant),
    /// End it gracefully: its idle time is over.
    Idle,
    Close(&'static str),
}

/// An answer on its way to the client.
#[derive(Default)]
struct StreamAnswer {
    /// Since when a part of it waits for the client; zero when nothing does.
    handed_at: AtomicU64,
    has_ended: AtomicBool,
    /// Ends the stream of HTTP/2 that it is sent on.
    stream: Option<Arc<OnceLock<AbortHandle>>>,
}

/// A request under way, until its answer is sent or given up.
pub struct InFlight {
    activity: Arc<Activity>,
    answer: Option<Arc<StreamAnswer>>,
}

impl Activity {
    pub fn new(address: IpAddr, pending: Arc<AtomicUsize>) -> Activity {
        pending.fetch_add(1, Ordering::Relaxed);
        Activity {
            address,
            began: Instant::now(),
            requests: AtomicUsize::new(0),
            has_served: AtomicBool::new(false),
            is_http2: AtomicBool::new(false),
            is_leaving: AtomicBool::new(false),
            rests_since: AtomicU64::new(1),
            heard_at: AtomicU64::new(0),
            blocked_since: AtomicU64::new(0),
            answers: Mutex::default(),
            closed: Notify::new(),
            pending,
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    fn at(&self, millis: u64) -> Instant {
        self.began + Duration::from_millis(millis.saturating_sub(1))
    }

    /// A request's head is read. `stream` ends the task that answers it, where it has one of its own.
    pub fn begin(self: &Arc<Activity>, stream: Option<Arc<OnceLock<AbortHandle>>>) -> InFlight {
        self.requests.fetch_add(1, Ordering::AcqRel);
        self.heard_at.store(0, Ordering::Relaxed);
        self.prove();
        let answer =
            stream.map(|stream| Arc::new(StreamAnswer { stream: Some(stream), ..StreamAnswer::default() }));
        if let Some(answer) = &answer {
            self.is_http2.store(true, Ordering::Relaxed);
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            if answers.len() >= ANSWERS_MIN && answers.len() == answers.capacity() {
                answers.retain(|answer| !answer.has_ended.load(Ordering::Relaxed));
            }
            answers.push(answer.clone());
        }
        InFlight { activity: self.clone(), answer }
    }

    fn prove(&self) {
        if !self.has_served.swap(true, Ordering::AcqRel) {
            self.pending.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Bytes came.
    pub fn heard(&self) {
        if self.heard_at.load(Ordering::Relaxed) == 0 {
            self.heard_at.store(self.now(), Ordering::Relaxed);
        }
    }

    /// Bytes could be written, or could not.
    pub fn wrote(&self, is_blocked: bool) {
        let since = self.blocked_since.load(Ordering::Relaxed);
        if is_blocked && since == 0 {
            self.blocked_since.store(self.now(), Ordering::Relaxed);
        } else if !is_blocked && since != 0 {
            self.blocked_since.store(0, Ordering::Relaxed);
        }
    }

    /// No more requests are to come.
    pub fn leave(&self) {
        self.is_leaving.store(true, Ordering::Relaxed);
    }

    pub fn is_resting(&self) -> bool {
        self.requests.load(Ordering::Acquire) == 0
    }

    pub fn is_pending(&self) -> bool {
        !self.has_served.load(Ordering::Relaxed)
    }

    /// Since when it does nothing.
    pub fn rests_since(&self) -> Instant {
        self.at(self.rests_since.load(Ordering::Relaxed))
    }

    /// Asks the connection's task to drop it.
    pub fn close(&self) {
        self.prove();
        self.closed.notify_one();
    }

    pub async fn closed(&self) {
        self.closed.notified().await;
    }

    /// Decides whether the connection stays open.
    pub fn judge(&self) -> StreamVerdict {
        let now = Instant::now();
        let blocked = self.blocked_since.load(Ordering::Relaxed);
        let is_resting = self.is_resting();
        let blocked_end = (blocked != 0).then(|| self.at(blocked) + STALL_MAX);
        if blocked_end.is_some_and(|end| end <= now) {
            return StreamVerdict::Close("its client takes nothing");
        }
        let (end, verdict) = match is_resting {
            true => self.rest_end(),
            false => {
                self.cut_stalled(now);
                (now + LOOK_EVERY, StreamVerdict::LookAgain(now + LOOK_EVERY))
            }
        };
        if is_resting && end <= now {
            return verdict;
        }
        // A request may begin and leave an answer untaken long before a rest would have ended.
        StreamVerdict::LookAgain(end.min(blocked_end.unwrap_or(end)).min(now + LOOK_EVERY))
    }

    /// The end of a rest, and the verdict then.
    fn rest_end(&self) -> (Instant, StreamVerdict) {
        if self.is_pending() {
            return (self.began + FIRST_REQUEST_MAX, StreamVerdict::Close("no request came in time"));
        }
        let since = self.rests_since.load(Ordering::Relaxed);
        let heard = self.heard_at.load(Ordering::Relaxed);
        if heard != 0 && !self.is_http2.load(Ordering::Relaxed) {
            return (
                self.at(heard.max(since)) + HEADER_MAX,
                StreamVerdict::Close("a request's head is too slow"),
            );
        }
        let max = if self.is_leaving.load(Ordering::Relaxed) { LEAVE_MAX } else { IDLE_MAX };
        (self.at(since) + max, StreamVerdict::Idle)
    }

    /// Resets streams whose clients do not take the answer.
    fn cut_stalled(&self, now: Instant) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|answer| !answer.has_ended.load(Ordering::Relaxed));
        for answer in answers.iter() {
            let handed = answer.handed_at.load(Ordering::Relaxed);
            let stream = answer.stream.as_ref().and_then(|stream| stream.get());
            if handed != 0
                && self.at(handed) + STALL_MAX <= now
                && let Some(stream) = stream
            {
                tracing::info!("response aborted: its client does not read it");
                stream.abort();
            }
        }
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        self.prove();
    }
}

impl InFlight {
    /// A part of the answer waits for the client, or no longer does.
    pub fn hand(&self, is_waiting: bool) {
        if let Some(answer) = &self.answer {
            let at = if is_waiting { self.activity.now() } else { 0 };
            answer.handed_at.store(at, Ordering::Relaxed);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(answer) = &self.answer {
            answer.has_ended.store(true, Ordering::Relaxed);
        }
        let activity = &self.activity;
        activity.heard_at.store(0, Ordering::Relaxed);
        activity.rests_since.store(activity.now(), Ordering::Relaxed);
        activity.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn activity() -> (Arc<Activity>, Arc<AtomicUsize>) {
        let pending = Arc::default();
        (Arc::new(Activity::new(Ipv4Addr::LOCALHOST.into(), Arc::clone(&pending))), pending)
    }

    /// The time until the connection is ended, in seconds, and the verdict.
    async fn end(activity: &Activity) -> (u64, StreamVerdict) {
        let began = Instant::now();
        loop {
            match activity.judge() {
                StreamVerdict::LookAgain(at) if began.elapsed() < IDLE_MAX * 4 => {
                    tokio::time::sleep_until(at).await
                }
                verdict => return (began.elapsed().as_secs(), verdict),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_or_too_little_is_left() {
        let (silent, pending) = activity();
        assert_eq!(end(&silent).await, (32, StreamVerdict::Close("no request came in time")));
        let (drip, _) = activity();
        drip.heard();
        assert_eq!(end(&drip).await, (32, StreamVerdict::Close("no request came in time")));
        drop(silent);
        assert_eq!(pending.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn rests_end_and_requests_do_not() {
        let (activity, pending) = activity();
        let request = activity.begin(None);
        assert_eq!(pending.load(Ordering::Relaxed), 0);
        assert!(matches!(end(&activity).await, (360, StreamVerdict::LookAgain(_))));
        drop(request);
        assert_eq!(end(&activity).await, (90, StreamVerdict::Idle));
        // The head of the next request comes byte for byte.
        drop(activity.begin(None));
        activity.heard();
        assert_eq!(end(&activity).await, (32, StreamVerdict::Close("a request's head is too slow")));
        drop(activity.begin(None));
        activity.leave();
        assert_eq!(end(&activity).await, (5, StreamVerdict::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_loses_the_answer() {
        let (activity, _) = activity();
        let stream = Arc::new(OnceLock::new());
        let task = tokio::spawn(std::future::pending::<()>());
        stream.set(task.abort_handle()).unwrap();
        let request = activity.begin(Some(stream));
        request.hand(true);
        request.hand(false);
        assert!(matches!(end(&activity).await, (360, StreamVerdict::LookAgain(_))));
        assert!(!task.is_finished());
        request.hand(true);
        assert!(matches!(end(&activity).await, (360, StreamVerdict::LookAgain(_))));
        assert!(task.await.is_err_and(|error| error.is_cancelled()));
        activity.wrote(true);
        assert_eq!(end(&activity).await, (30, StreamVerdict::Close("its client takes nothing")));
    }
}
