//! `AnswerGate`: a connection writes no answer before the audit of its request is stored.
//!
//! So requests need not wait for the audit one by one: their events are left, and those of all answers that a connection
//! writes together, and of other connections, are stored together.

use crate::stages::Audit;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

/// The gate before the stream of a connection; one that is always open without an audit.
#[derive(Default)]
pub struct AnswerGate {
    audit: Option<Arc<dyn Audit>>,
    /// The number of events that had been left when something was last to be written.
    left: u64,
    /// There as long as the connection is.
    connection: Option<Arc<()>>,
}

/// Stores what was left for answers that no connection is going to write.
#[derive(Clone, Default)]
pub struct Unanswered(Option<(Arc<dyn Audit>, Weak<()>)>);

impl AnswerGate {
    /// A gate, and what its connection's requests are to ask after their answers are made.
    pub fn new(audit: Option<&Arc<dyn Audit>>) -> (AnswerGate, Unanswered) {
        let connection = Arc::new(());
        let unanswered = Unanswered(audit.map(|audit| (audit.clone(), Arc::downgrade(&connection))));
        (AnswerGate { audit: audit.cloned(), left: 0, connection: Some(connection) }, unanswered)
    }

    /// Something is about to be written, which is to wait for the events of now.
    pub fn close(&mut self) {
        if let Some(audit) = &self.audit {
            self.left = audit.left();
        }
    }

    /// Ready when it may be written.
    pub fn poll_open(&self, context: &mut Context<'_>) -> Poll<()> {
        self.audit.as_ref().map_or(Poll::Ready(()), |audit| audit.poll_stored(self.left, context))
    }
}

impl Drop for AnswerGate {
    fn drop(&mut self) {
        // Requests that leave an event from now on see that nobody waits for it.
        self.connection = None;
        self.audit.iter().for_each(|audit| audit.flush());
    }
}

impl Unanswered {
    /// An answer is made: stores what was left for it if its connection is gone.
    pub fn store(&self) {
        if let Some((audit, connection)) = &self.0
            && connection.strong_count() == 0
        {
            audit.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Waiting;
    use crate::request::Request;
    use crate::response::Response;
    use crate::stages::AuditRecord;
    use crate::write_coalescing::Coalesced;
    use std::future::poll_fn;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::task::Waker;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// An audit that stores when it is told to.
    #[derive(Default)]
    struct Slow {
        left: AtomicU64,
        stored: AtomicU64,
        flushed: AtomicU64,
        waiting: Mutex<Vec<Waker>>,
    }

    impl Slow {
        fn leave(&self) {
            self.left.fetch_add(1, Ordering::SeqCst);
        }

        fn store(&self, count: u64) {
            self.stored.store(count, Ordering::SeqCst);
            self.waiting.lock().unwrap().drain(..).for_each(Waker::wake);
        }
    }

    impl Audit for Slow {
        fn begin(&self, _: &Request) -> Option<Arc<dyn AuditRecord>> {
            None
        }

        fn failed<'a>(&'a self, _: &'a Request, _: &'a mut Response) -> Waiting<'a, ()> {
            Box::pin(async {})
        }

        fn flush(&self) {
            self.flushed.fetch_add(1, Ordering::SeqCst);
        }

        fn left(&self) -> u64 {
            self.left.load(Ordering::SeqCst)
        }

        fn poll_stored(&self, count: u64, context: &mut Context<'_>) -> Poll<()> {
            if self.stored.load(Ordering::SeqCst) >= count {
                return Poll::Ready(());
            }
            self.waiting.lock().unwrap().push(context.waker().clone());
            Poll::Pending
        }

        fn shut_down(&self) -> Waiting<'_, ()> {
            Box::pin(async {})
        }
    }

    #[tokio::test]
    async fn answers_wait_for_the_events_that_were_left_before_them() {
        let slow = Arc::new(Slow::default());
        let audit: Arc<dyn Audit> = slow.clone();
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let held = Coalesced::new(near, AnswerGate::new(Some(&audit)).0);
        let mut own = held.clone();
        let of_requests = slow.clone();
        let big = vec![b'b'; 100_000];
        let expected = big.clone();
        let mut connection = std::pin::pin!(async move {
            for answer in [&b"one"[..], &b"two"[..], &big] {
                of_requests.leave();
                own.write_all(answer).await.unwrap();
                own.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
            std::future::pending::<()>().await;
        });
        let drive = poll_fn(|context| held.poll_driven(context, connection.as_mut()));
        let client = async {
            let mut heard = [0; 1];
            for _ in 0..100 {
                let read = std::pin::pin!(far.read(&mut heard));
                assert!(futures_poll(read).await.is_none(), "nothing is stored");
                tokio::task::yield_now().await;
            }
            slow.store(2);
            let mut heard = [0; 6];
            far.read_exact(&mut heard).await.unwrap();
            assert_eq!(&heard, b"onetwo");
            while slow.left() < 3 {
                tokio::task::yield_now().await;
            }
            let mut heard = vec![0; 100_000];
            for _ in 0..100 {
                let read = std::pin::pin!(far.read(&mut heard));
                assert!(futures_poll(read).await.is_none(), "not even what is too long to be held");
                tokio::task::yield_now().await;
            }
            slow.store(3);
            far.read_exact(&mut heard).await.unwrap();
            assert_eq!(heard, expected);
        };
        tokio::select! {
            () = drive => panic!("it never ends"),
            () = client => {}
        }
    }

    /// The result of a future, if it has one now.
    async fn futures_poll<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        poll_fn(|context| {
            Poll::Ready(match future.as_mut().poll(context) {
                Poll::Ready(result) => Some(result),
                Poll::Pending => None,
            })
        })
        .await
    }

    #[test]
    fn events_of_answers_without_a_connection_are_stored_all_the_same() {
        let slow = Arc::new(Slow::default());
        let audit: Arc<dyn Audit> = slow.clone();
        let (gate, unanswered) = AnswerGate::new(Some(&audit));
        let flushed = || slow.flushed.load(Ordering::SeqCst);
        unanswered.store();
        assert_eq!(flushed(), 0);
        drop(gate);
        assert_eq!(flushed(), 1);
        unanswered.store();
        assert_eq!(flushed(), 2);
    }
}
