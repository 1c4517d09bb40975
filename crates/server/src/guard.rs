//! Values that live until an answer is sent, and the future of a stage that may wait.

use std::any::Any;
use std::pin::Pin;

/// The future of a stage.
pub type Waiting<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A value that is dropped when the answer has ended.
pub type Guard = Box<dyn Any + Send>;
