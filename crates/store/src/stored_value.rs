//! Values on their way over the seam of encryption at rest, with and without a transformer.

use crate::transformer::{self, KeyTag, TransformError, Transformed, Transformer, ValueContext};
use bytes::Bytes;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

/// The state of a value that is not stored as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoredAs {
    Encrypted(KeyTag),
    /// The value could not be brought back: it is in the cache as it was found.
    Unreadable(TransformError),
}

/// A value that was read from storage: plain, or as it was found when it is unreadable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadValue {
    pub value: Bytes,
    /// None for values that are stored as they are, which are most.
    pub stored_as: Option<Box<StoredAs>>,
}

impl ReadValue {
    fn new(stored: Bytes, result: Result<Transformed, TransformError>) -> ReadValue {
        match result {
            Ok(Transformed { value, tag: KeyTag::PLAIN }) => ReadValue { value, stored_as: None },
            Ok(Transformed { value, tag }) => {
                ReadValue { value, stored_as: Some(Box::new(StoredAs::Encrypted(tag))) }
            }
            Err(error) => ReadValue { value: stored, stored_as: Some(Box::new(StoredAs::Unreadable(error))) },
        }
    }

    pub fn error(&self) -> Option<&TransformError> {
        match self.stored_as.as_deref() {
            Some(StoredAs::Unreadable(error)) => Some(error),
            Some(StoredAs::Encrypted(_)) | None => None,
        }
    }

    pub fn is_readable(&self) -> bool {
        self.error().is_none()
    }
}

/// Brings values over the seam, in both directions.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoredValues {
    transformer: Option<Arc<dyn Transformer>>,
}

impl StoredValues {
    pub fn new(transformer: Option<Arc<dyn Transformer>>) -> StoredValues {
        StoredValues { transformer }
    }

    fn transformer(&self, key: &str) -> Option<&dyn Transformer> {
        self.transformer.as_deref().filter(|transformer| transformer.covers(key))
    }

    /// Reads a value that was found at a key.
    pub async fn read(&self, context: ValueContext<'_>, stored: Bytes) -> ReadValue {
        let result = match self.transformer(context.key) {
            None => transformer::identity(stored.clone()),
            Some(transformer) => transformer.transform_from_storage(context, stored.clone()).await,
        };
        ReadValue::new(stored, result)
    }

    /// The same on a thread that has nothing else to do, and that no runtime needs; for recovery alone.
    pub fn read_blocking(&self, key: &str, stored: Bytes) -> ReadValue {
        wait(self.read(ValueContext { key, authenticated: key.as_bytes() }, stored))
    }

    /// The value to be stored for a plain one.
    pub async fn write(
        &self,
        context: ValueContext<'_>,
        plain: Bytes,
    ) -> Result<Transformed, TransformError> {
        match self.transformer(context.key) {
            None => Ok(Transformed { value: plain, tag: KeyTag::PLAIN }),
            Some(transformer) => transformer.transform_to_storage(context, plain).await,
        }
    }

    /// Whether a write of the same value would store it otherwise than it is stored now.
    pub fn is_stale(&self, key: &str, tag: KeyTag) -> bool {
        match self.transformer(key) {
            None => tag != KeyTag::PLAIN,
            Some(transformer) => transformer.is_stale(key, tag),
        }
    }
}

/// Wakes a thread that waits for a future.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Unpark>) {
        self.0.unpark();
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_values_carry_nothing_and_encrypted_ones_are_kept_with_the_error() {
        let values = StoredValues::default();
        let plain = values.read_blocking("/registry/a/b", Bytes::from("{}"));
        assert_eq!(plain, ReadValue { value: Bytes::from("{}"), stored_as: None });
        let found = Bytes::from("k8s:enc:aescbc:v1:k:...");
        let unreadable = values.read_blocking("/registry/a/b", found.clone());
        assert!(!unreadable.is_readable() && unreadable.value == found);
    }

    #[test]
    fn a_value_may_have_to_be_waited_for() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let answer = std::thread::spawn(move || wait(receiver));
        std::thread::yield_now();
        sender.send(7).unwrap();
        assert_eq!(answer.join().unwrap(), Ok(7));
    }
}
