//! A panic ends the request in which it happened, and nothing beside it.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

/// The result of a future, or the words of its panic. The future stays where it is: those of requests are large.
pub async fn caught<T>(mut future: Pin<&mut impl Future<Output = T>>) -> Result<T, String> {
    // Locks that a panic leaves are taken all the same wherever they are taken, and trees belong to the request.
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(payload) => Poll::Ready(Err(words(payload.as_ref()))),
    })
    .await
}

/// The words of a panic.
pub fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;

    #[tokio::test]
    async fn a_panic_is_an_error_of_its_future() {
        assert_eq!(caught(pin!(async { 1 })).await, Ok(1));
        let late = async {
            tokio::task::yield_now().await;
            std::panic::panic_any("it is there")
        };
        assert_eq!(
            caught(pin!(async {
                late.await;
                1
            }))
            .await,
            Err(String::from("it is there"))
        );
    }
}
