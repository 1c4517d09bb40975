//! `Backend`: the policy and its sinks. Each sink cuts events that are too large, and writes at once or in batches.

use crate::batch::{Batching, Buffer, Delegate};
use crate::counters::{BackendName, Counters};
use crate::event::{Annotations, AuditEvent};
use crate::line::Line;
use crate::log::{LogBackend, Output, Rotation};
use crate::options::{AuditOptions, Format, Mode};
use crate::policy::{AuditPolicy, AuditStage, Level, RequestConfig};
use crate::webhook::WebhookBackend;
use pintle_object::RequestInfo;
use pintle_object::time::Time;
use pintle_object::user::User;
use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Events of requests that nobody waits for any more, on their way to a sink that is waited for.
const DETACHED_MAX: usize = 4096;
/// A log and a webhook.
const SINKS_MAX: usize = 2;
/// The room for a line that each thread keeps.
const SCRATCH_MAX: usize = 16 << 10;
/// The longest time that the end of the server waits for events in flight.
pub const SHUTDOWN_MAX: Duration = Duration::from_secs(30);
/// The annotation of an event that lost its bodies.
const TRUNCATED: &str = "audit.k8s.io/truncated";

thread_local! {
    /// The line that this thread is writing.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// One of the two kinds of backends, as its flags set it up.
struct Sink {
    plugin: BackendName,
    format: Format,
    /// The most bytes of an event; none: any number.
    max_event_bytes: Option<usize>,
    /// Whether a request fails whose event cannot be stored when it comes.
    is_strict: bool,
    delivery: Delivery,
}

enum Delivery {
    AtOnce(Arc<Delegate>),
    Buffered(Buffer),
}

/// Audit without the part that reads requests: policy, sinks, counters.
pub struct Backend {
    policy: AuditPolicy,
    sinks: Vec<Sink>,
    counters: Arc<Counters>,
    detached: Arc<Semaphore>,
}

/// The lines of one event, one for each sink; none for a sink that cannot have the event.
pub struct Lines([Option<Line>; SINKS_MAX]);

impl Backend {
    /// Reads the policy and opens the sinks. None when nothing is to be recorded. Must be called within a runtime.
    pub fn start(options: &AuditOptions, counters: &Arc<Counters>) -> Result<Option<Arc<Backend>>, String> {
        let policy = match &options.policy_file {
            Some(path) => {
                Some(AuditPolicy::load(path).map_err(|why| format!("loading audit policy file: {why}"))?)
            }
            None => None,
        };
        let mut sinks = Vec::new();
        if options.log.is_enabled() {
            let log = &options.log;
            let rotation = Rotation {
                max_megabytes: log.max_megabytes,
                max_age_days: log.max_age_days,
                max_backups: log.max_backups,
                is_compressed: log.is_compressed,
            };
            let output = Output::open(&log.path, rotation)?;
            if policy.is_none() {
                tracing::info!("No audit policy file provided, no events will be recorded for log backend");
            } else {
                let delegate = Delegate::Log(LogBackend::start(output, counters.clone())?);
                sinks.push(sink(
                    BackendName::Log,
                    delegate,
                    &log.mode,
                    log.format,
                    log.max_event_bytes,
                    counters,
                ));
            }
        }
        if let Some(kubeconfig) = &options.webhook.config_file {
            let webhook = &options.webhook;
            if policy.is_none() {
                tracing::info!(
                    "No audit policy file provided, no events will be recorded for webhook backend"
                );
            } else {
                let opened = WebhookBackend::open(kubeconfig, webhook.initial_backoff, counters.clone())?;
                let (delegate, max) = (Delegate::Webhook(Box::new(opened)), webhook.max_event_bytes);
                sinks.push(sink(BackendName::Webhook, delegate, &webhook.mode, Format::Json, max, counters));
            }
        }
        let Some(policy) = policy.filter(|_| !sinks.is_empty()) else { return Ok(None) };
        let detached = Arc::new(Semaphore::new(DETACHED_MAX));
        let counters = counters.clone();
        Ok(Some(Arc::new(Backend { policy, sinks, counters, detached })))
    }

    /// The policy's decision for a request: the level and the omitted stages. Counts the level.
    pub fn evaluate(&self, user: Option<&User>, info: &RequestInfo) -> RequestConfig {
        let config = self.policy.evaluate(user, info);
        self.counters.observe_level(config.level);
        config
    }

    /// Writes an event at a stage for each sink. One that is cut carries the annotation from then on, as upstream's
    /// copies share their annotations; it is not given to one that has none.
    pub fn prepare(&self, event: &mut AuditEvent, stage: AuditStage, now: Time) -> Lines {
        self.counters.observe_event();
        let mut json: Option<Line> = None;
        let mut lines = [const { None }; SINKS_MAX];
        for (sink, line) in self.sinks.iter().zip(&mut lines) {
            *line = self.prepare_for(sink, event, stage, now, &mut json);
        }
        Lines(lines)
    }

    fn prepare_for(
        &self,
        sink: &Sink,
        event: &mut AuditEvent,
        stage: AuditStage,
        now: Time,
        json: &mut Option<Line>,
    ) -> Option<Line> {
        let is_measured = sink.max_event_bytes.is_some();
        if sink.format == Format::Legacy && !is_measured {
            return Some(Line::legacy(event, stage));
        }
        if let Some(why) = &event.undecodable {
            let plugin = if is_measured { BackendName::Truncate } else { sink.plugin };
            self.counters.failed(plugin, why, &[Line::legacy(event, stage)]);
            return None;
        }
        let mut line = json.get_or_insert_with(|| Line::json(event, stage, now)).clone();
        if let Some(max) = sink.max_event_bytes {
            if line.len() > max && event.level >= Level::Request {
                line = truncated(event, stage, now);
                *json = None;
            }
            if line.len() > max {
                self.counters.failed(
                    BackendName::Truncate,
                    "event is too large even after truncating",
                    &[line],
                );
                return None;
            }
        }
        Some(if sink.format == Format::Legacy { Line::legacy(event, stage) } else { line })
    }

    /// Hands an event to the sinks, one after the other, and waits as their modes say. False when a strict one failed.
    pub async fn process(&self, lines: Lines) -> bool {
        let mut is_stored = true;
        for (sink, line) in self.sinks.iter().zip(lines.0) {
            match (&sink.delivery, line) {
                (Delivery::Buffered(buffer), Some(line)) => buffer.put(line),
                (Delivery::AtOnce(delegate), Some(line)) => {
                    is_stored &= delegate.process_line(line).await || !sink.is_strict;
                }
                (Delivery::Buffered(_), None) => {}
                // An event that is too large even without its bodies fails no request.
                (Delivery::AtOnce(_), None) => is_stored &= sink.max_event_bytes.is_some() || !sink.is_strict,
            }
        }
        is_stored
    }

    /// Hands an event at a stage to the log if it needs no other sink and the log is quick: it is stored before
    /// `poll_stored` of the given number is ready. None, and nothing was done, where it must be waited for.
    pub fn leave(&self, event: &AuditEvent, stage: AuditStage, now: Time) -> Option<u64> {
        let [Sink { format: Format::Json, max_event_bytes: None, .. }] = self.sinks.as_slice() else {
            return None;
        };
        let (Some(log), None) = (self.log(), &event.undecodable) else { return None };
        let left = SCRATCH.with_borrow_mut(|line| {
            line.clear();
            event.write(stage, now, line);
            let left = log.leave(line);
            line.shrink_to(SCRATCH_MAX);
            left
        });
        left.inspect(|_| self.counters.observe_event())
    }

    /// Whether a request fails whose event cannot be stored when it comes.
    pub fn is_strict(&self) -> bool {
        self.sinks.iter().any(|sink| sink.is_strict)
    }

    /// Writes the lines that were left.
    pub fn flush(&self) {
        self.log().into_iter().for_each(LogBackend::flush);
    }

    /// Ready when so many events, of all that were ever left, are stored, or have failed.
    pub fn poll_stored(&self, count: u64, context: &mut Context<'_>) -> Poll<()> {
        self.log().map_or(Poll::Ready(()), |log| log.poll_stored(count, context))
    }

    /// The log, if it is written at once.
    fn log(&self) -> Option<&LogBackend> {
        self.sinks.iter().find_map(|sink| match &sink.delivery {
            Delivery::AtOnce(delegate) => match delegate.as_ref() {
                Delegate::Log(log) => Some(log),
                Delegate::Webhook(_) => None,
            },
            Delivery::Buffered(_) => None,
        })
    }

    /// The same of events in their order where nobody can wait: for a request whose client went away.
    pub fn process_detached(self: &Arc<Backend>, events: Vec<Lines>) {
        let (turn, runtime) = (self.detached.clone().try_acquire_owned(), Handle::try_current());
        let (Ok(turn), Ok(runtime)) = (turn, runtime) else {
            for (sink, line) in events.into_iter().flat_map(|lines| self.sinks.iter().zip(lines.0)) {
                let why = "too many events of requests that ended early are on their way";
                self.counters.failed(sink.plugin, why, line.as_slice());
            }
            return;
        };
        let backend = self.clone();
        runtime.spawn(async move {
            for lines in events {
                backend.process(lines).await;
            }
            drop(turn);
        });
    }

    /// Counts a request that was refused because its event could not be stored.
    pub fn reject(&self) {
        self.counters.observe_rejected();
    }

    /// Waits until events that are on their way have come through, for some time. Requests have ended before.
    pub async fn shut_down(&self) {
        let deadline = Instant::now() + SHUTDOWN_MAX;
        let detached = self.detached.acquire_many(DETACHED_MAX as u32);
        if tokio::time::timeout_at(deadline, detached).await.is_err() {
            tracing::error!("audit events were lost: their sink hangs");
        }
        for sink in &self.sinks {
            match &sink.delivery {
                Delivery::Buffered(buffer) => buffer.shut_down(deadline).await,
                Delivery::AtOnce(_) => {}
            }
        }
        if let Some(log) = self.log() {
            let count = log.left();
            let stored = poll_fn(|context| log.poll_stored(count, context));
            if tokio::time::timeout_at(deadline, stored).await.is_err() {
                tracing::error!("audit events were lost: a write to their log hangs");
            }
        }
    }
}

/// An event without its bodies.
fn truncated(event: &mut AuditEvent, stage: AuditStage, now: Time) -> Line {
    let bodies = (event.request_object.take(), event.response_object.take());
    let had_none = event.annotations.is_empty();
    event.annotations.add(TRUNCATED.into(), "true".into());
    let line = Line::json(event, stage, now);
    if had_none {
        event.annotations = Annotations::default();
    }
    (event.request_object, event.response_object) = bodies;
    line
}

fn sink(
    plugin: BackendName,
    delegate: Delegate,
    mode: &Mode,
    format: Format,
    max_event_bytes: Option<usize>,
    counters: &Arc<Counters>,
) -> Sink {
    let delegate = Arc::new(delegate);
    let delivery = match mode {
        Mode::Blocking | Mode::BlockingStrict => Delivery::AtOnce(delegate),
        Mode::Batch(batching) => {
            let batching = Batching { is_concurrent: plugin == BackendName::Webhook, ..batching.clone() };
            Delivery::Buffered(Buffer::start(batching, delegate, counters.clone()))
        }
    };
    Sink { plugin, format, max_event_bytes, is_strict: *mode == Mode::BlockingStrict, delivery }
}
