//! What lives until an answer is sent, and stages that are waited for.

use std::any::Any;
use std::pin::Pin;

/// What takes its time.
pub type Waiting<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Something that is dropped when the answer has ended.
pub type Guard = Box<dyn Any + Send>;
