//! Places of requests that last.

use crate::permits::Permit;
use crate::response::Response;

/// A request that lasts may be open; others need no place.
#[derive(Debug)]
pub struct LongRunningPlace(pub(crate) Option<Permit>);

impl LongRunningPlace {
    /// The answer, which keeps the place for as long as it lasts.
    pub fn kept_by(self, mut response: Response) -> Response {
        if self.0.is_some() && !response.is_whole() {
            response.carried.held.push(Box::new(self));
        }
        response
    }
}
