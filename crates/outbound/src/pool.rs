//! Connections that are kept for the next request, and the places of requests that are under way.

use crate::address::Address;
use crate::body::RequestBody;
use crate::connect::{Connected, Sender};
use crate::failure::Failure;
use crate::words::Ends;
use hyper::client::conn::{http1, http2};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The number of unused connections to one server that are kept, and the time for which they are: upstream's.
const IDLE_MAX: usize = 25;
const IDLE_AGE_MAX: Duration = Duration::from_secs(90);
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// Requests on one connection of HTTP/2; further ones get a connection of their own.
const STREAMS_MAX: usize = 100;
/// Servers that are remembered without a connection to them before they are forgotten.
const TARGETS_MAX: usize = 1024;

/// The number of requests to one server that are under way, and of those that wait for one of them to end.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub at_once_max: usize,
    pub waiting_max: usize,
}

/// The connections of one transport, by server.
pub(crate) struct Pool {
    limits: Limits,
    targets: Mutex<HashMap<Address, Arc<PooledServer>>>,
    is_swept: AtomicBool,
}

/// One server.
pub(crate) struct PooledServer {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    kept: Mutex<Kept>,
    /// Held while a first connection shows which version the server speaks.
    pub first: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Kept {
    idle: Vec<(Exclusive, Instant)>,
    shared: Vec<Shared>,
    is_exclusive: bool,
}

struct Exclusive {
    sender: http1::SendRequest<RequestBody>,
    origin: ConnectionOrigin,
}

#[derive(Clone)]
struct Shared {
    sender: http2::SendRequest<RequestBody>,
    origin: ConnectionOrigin,
    in_use: Arc<AtomicUsize>,
    last_used: Arc<Mutex<Instant>>,
}

/// The other end of a connection, for errors and for the form of requests.
#[derive(Clone)]
pub(crate) struct ConnectionOrigin {
    pub ends: Ends,
    pub is_through_proxy: bool,
    pub proxy_authorization: Option<String>,
}

/// A place among the requests under way, and the connection of one request.
pub(crate) struct Lease {
    pub connection: Connection,
    pub origin: ConnectionOrigin,
    target: Weak<PooledServer>,
    pool: Weak<Pool>,
    _place: Option<OwnedSemaphorePermit>,
}

pub(crate) enum Connection {
    Http1(http1::SendRequest<RequestBody>),
    Http2 { sender: http2::SendRequest<RequestBody>, _in_use: InUse },
}

/// Counts a stream of a connection for as long as it lasts.
pub(crate) struct InUse {
    count: Arc<AtomicUsize>,
    last_used: Arc<Mutex<Instant>>,
}

impl Drop for InUse {
    fn drop(&mut self) {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// A stream of the connection, unless it has as many as it may have.
    fn stream(&self) -> Option<InUse> {
        let below = |count: usize| (count < STREAMS_MAX).then_some(count + 1);
        self.in_use.fetch_update(Ordering::Relaxed, Ordering::Relaxed, below).ok()?;
        Some(InUse { count: self.in_use.clone(), last_used: self.last_used.clone() })
    }

    fn is_of_use(&self) -> bool {
        let last_used = *self.last_used.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = last_used.elapsed() < IDLE_AGE_MAX || self.in_use.load(Ordering::Relaxed) > 0;
        is_recent && !self.sender.is_closed()
    }
}

impl Pool {
    pub fn new(limits: Limits) -> Arc<Pool> {
        Arc::new(Pool { limits, targets: Mutex::default(), is_swept: AtomicBool::new(false) })
    }

    pub fn target(&self, address: &Address) -> Arc<PooledServer> {
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(target) = targets.get(address) {
            return target.clone();
        }
        if targets.len() >= TARGETS_MAX {
            targets.retain(|_, target| Arc::strong_count(target) > 1 || !target.sweep());
        }
        let target = Arc::new(PooledServer {
            places: Arc::new(Semaphore::new(self.limits.at_once_max)),
            waiting: AtomicUsize::new(0),
            kept: Mutex::default(),
            first: tokio::sync::Mutex::default(),
        });
        targets.insert(address.clone(), target.clone());
        target
    }

    /// Waits for a place among the requests that are under way to a server.
    pub async fn place(&self, target: &PooledServer) -> Result<OwnedSemaphorePermit, Failure> {
        if let Ok(place) = target.places.clone().try_acquire_owned() {
            return Ok(place);
        }
        let _waiting = WaitingCall::enter(&target.waiting, self.limits.waiting_max)?;
        let place = target.places.clone().acquire_owned().await;
        place.map_err(|error| Failure::Unreachable(error.to_string()))
    }

    /// A kept connection on which a request can go out at once.
    pub fn take(
        self: &Arc<Pool>,
        target: &Arc<PooledServer>,
        place: &mut Option<OwnedSemaphorePermit>,
    ) -> Option<Lease> {
        let (connection, origin) = target.take()?;
        let (target, pool) = (Arc::downgrade(target), Arc::downgrade(self));
        Some(Lease { connection, origin, target, pool, _place: place.take() })
    }

    /// A new connection, shared from now on if it can be.
    pub fn admit(
        self: &Arc<Pool>,
        target: &Arc<PooledServer>,
        connected: Connected,
        place: Option<OwnedSemaphorePermit>,
    ) -> Lease {
        let Connected { sender, ends, is_through_proxy, proxy_authorization, had_choice } = connected;
        let origin = ConnectionOrigin { ends, is_through_proxy, proxy_authorization };
        let connection = target.admit(sender, &origin, had_choice);
        if matches!(connection, Connection::Http2 { .. }) {
            self.sweep_later();
        }
        let (target, pool) = (Arc::downgrade(target), Arc::downgrade(self));
        Lease { connection, origin, target, pool, _place: place }
    }

    /// Closes connections after a long time without use, as long as there are any.
    fn sweep_later(self: &Arc<Pool>) {
        if self.is_swept.swap(true, Ordering::Relaxed) {
            return;
        }
        let pool = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(SWEEP_EVERY).await;
                let Some(pool) = pool.upgrade() else { return };
                let mut targets = pool.targets.lock().unwrap_or_else(PoisonError::into_inner);
                targets.retain(|_, target| !target.sweep() || Arc::strong_count(target) > 1);
                if targets.is_empty() {
                    pool.is_swept.store(false, Ordering::Relaxed);
                    return;
                }
            }
        });
    }
}

impl PooledServer {
    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the server is known to speak HTTP/1.1 only.
    pub fn is_exclusive(&self) -> bool {
        self.kept().is_exclusive
    }

    fn take(&self) -> Option<(Connection, ConnectionOrigin)> {
        let mut kept = self.kept();
        kept.shared.retain(Shared::is_of_use);
        for shared in &kept.shared {
            if let Some(in_use) = shared.stream() {
                return Some((
                    Connection::Http2 { sender: shared.sender.clone(), _in_use: in_use },
                    shared.origin.clone(),
                ));
            }
        }
        kept.idle.retain(|(idle, since)| !idle.sender.is_closed() && since.elapsed() < IDLE_AGE_MAX);
        kept.idle.pop().map(|(idle, _)| (Connection::Http1(idle.sender), idle.origin))
    }

    fn admit(&self, sender: Sender, origin: &ConnectionOrigin, had_choice: bool) -> Connection {
        let mut kept = self.kept();
        if had_choice {
            kept.is_exclusive = matches!(sender, Sender::Http1(_));
        }
        match sender {
            Sender::Http1(sender) => Connection::Http1(sender),
            Sender::Http2(sender) => {
                let in_use = Arc::new(AtomicUsize::new(1));
                let last_used = Arc::new(Mutex::new(Instant::now()));
                let counted = InUse { count: in_use.clone(), last_used: last_used.clone() };
                kept.shared.push(Shared {
                    sender: sender.clone(),
                    origin: origin.clone(),
                    in_use,
                    last_used,
                });
                Connection::Http2 { sender, _in_use: counted }
            }
        }
    }

    fn keep(&self, sender: http1::SendRequest<RequestBody>, origin: ConnectionOrigin) {
        let mut kept = self.kept();
        if !sender.is_closed() && kept.idle.len() < IDLE_MAX {
            kept.idle.push((Exclusive { sender, origin }, Instant::now()));
        }
    }

    /// Forgets connections of no use; whether none is left.
    fn sweep(&self) -> bool {
        let mut kept = self.kept();
        kept.shared.retain(Shared::is_of_use);
        kept.idle.retain(|(idle, since)| !idle.sender.is_closed() && since.elapsed() < IDLE_AGE_MAX);
        kept.shared.is_empty() && kept.idle.is_empty()
    }
}

impl Lease {
    /// Ends the request; its connection can be used for another one.
    pub fn give_back(self) {
        if let (Connection::Http1(sender), Some(target)) = (self.connection, self.target.upgrade()) {
            target.keep(sender, self.origin);
            if let Some(pool) = self.pool.upgrade() {
                pool.sweep_later();
            }
        }
    }

    /// The place of a request whose connection turned out to be gone.
    pub fn into_place(self) -> Option<OwnedSemaphorePermit> {
        self._place
    }
}

struct WaitingCall<'a>(&'a AtomicUsize);

impl WaitingCall<'_> {
    fn enter(count: &AtomicUsize, max: usize) -> Result<WaitingCall<'_>, Failure> {
        let below = |waiting: usize| (waiting < max).then_some(waiting + 1);
        match count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, below) {
            Ok(_) => Ok(WaitingCall(count)),
            Err(_) => Err(Failure::Overloaded),
        }
    }
}

impl Drop for WaitingCall<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
