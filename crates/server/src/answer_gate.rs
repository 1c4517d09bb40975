//! `AnswerGate`: a connection writes no answer before the audit of its request is stored.
//!
//! So requests need not wait for the audit one by one: their events are left, and those of all answers that a connection
//! writes together, and of other connections, are stored together.

use crate::stages::Audit;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

/// The gate before the stream of a connection; one that is always open without an audit.
#[derive(Default)]
pub struct AnswerGate {
    audit: Option<Arc<dyn Audit>>,
    /// There as long as the connection is: the number of events for the answers that are made.
    made: Option<Arc<AtomicU64>>,
    /// That number when something was last to be written.
    left: u64,
}

/// The answers of a connection, which may be gone.
#[derive(Clone, Default)]
pub struct MadeAnswers(Option<(Arc<dyn Audit>, Weak<AtomicU64>)>);

impl AnswerGate {
    /// A gate, and where its connection's requests are to say that their answers are made.
    pub fn new(audit: Option<&Arc<dyn Audit>>) -> (AnswerGate, MadeAnswers) {
        let made = Arc::default();
        let answers = MadeAnswers(audit.map(|audit| (audit.clone(), Arc::downgrade(&made))));
        (AnswerGate { audit: audit.cloned(), made: Some(made), left: 0 }, answers)
    }

    /// Something is about to be written, maybe of all answers that are made.
    pub fn close(&mut self) {
        if let Some(made) = &self.made {
            self.left = made.load(Ordering::Acquire);
        }
    }

    /// Ready when it may be written.
    pub fn poll_open(&self, context: &mut Context<'_>) -> Poll<()> {
        match &self.audit {
            Some(audit) if self.left > 0 => audit.poll_stored(self.left, context),
            _ => Poll::Ready(()),
        }
    }
}

impl Drop for AnswerGate {
    fn drop(&mut self) {
        // Requests that leave an event from now on see that nobody waits for it.
        self.made = None;
        self.audit.iter().for_each(|audit| audit.flush());
    }
}

impl MadeAnswers {
    /// An answer is made, for which events are to be stored up to this number; 0 for none. They are stored now if the
    /// connection is gone.
    pub fn made(&self, left: u64) {
        let Some((audit, made)) = self.0.as_ref().filter(|_| left > 0) else { return };
        match made.upgrade() {
            Some(made) => drop(made.fetch_max(left, Ordering::AcqRel)),
            None => audit.flush(),
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
        fn leave(&self) -> u64 {
            self.left.fetch_add(1, Ordering::SeqCst) + 1
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
        let (gate, answers) = AnswerGate::new(Some(&audit));
        let held = Coalesced::new(near, gate);
        let mut own = held.clone();
        let of_requests = slow.clone();
        let big = vec![b'b'; 100_000];
        let expected = big.clone();
        let mut connection = std::pin::pin!(async move {
            for answer in [&b"one"[..], &b"two"[..], &big] {
                answers.made(of_requests.leave());
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
            while slow.left.load(Ordering::SeqCst) < 3 {
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

    #[tokio::test]
    async fn connections_without_such_answers_wait_for_nothing() {
        let slow = Arc::new(Slow::default());
        let audit: Arc<dyn Audit> = slow.clone();
        let (mut other, of_other) = AnswerGate::new(Some(&audit));
        of_other.made(slow.leave());
        other.close();
        let (mut gate, answers) = AnswerGate::new(Some(&audit));
        answers.made(0);
        gate.close();
        let open = poll_fn(|context| Poll::Ready((gate.poll_open(context), other.poll_open(context)))).await;
        assert_eq!(open, (Poll::Ready(()), Poll::Pending));
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
        let (gate, answers) = AnswerGate::new(Some(&audit));
        let flushed = || slow.flushed.load(Ordering::SeqCst);
        answers.made(1);
        assert_eq!(flushed(), 0);
        drop(gate);
        assert_eq!(flushed(), 1);
        answers.made(0);
        assert_eq!(flushed(), 1, "nothing was left for it");
        answers.made(2);
        assert_eq!(flushed(), 2);
    }
}
