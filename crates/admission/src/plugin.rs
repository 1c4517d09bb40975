//! `Plugin`: the seam that every admission plugin implements, and `Outcome`, which may take its time.

use crate::policy::Reinvocation;
use crate::request::Request;
use pintle_object::{Status, Value};
use std::future::Future;
use std::pin::Pin;

/// One admission plugin. Plugins that decide at once implement `mutate` and `validate`, those that wait for another
/// server `admit` and `judge`.
pub trait Plugin: Send + Sync {
    /// Whether it also handles connections (exec, port-forward, proxies), which most plugins ignore.
    fn handles_connect(&self) -> bool {
        false
    }

    /// Completes or refuses an object before it is validated.
    fn mutate(&self, request: &Request<'_>, object: &mut Value) -> Result<(), Status> {
        let _ = (request, object);
        Ok(())
    }

    /// Judges an object as it would be stored; it is null on delete.
    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        let _ = (request, object);
        Ok(())
    }

    /// `mutate` of a plugin that waits, or has all others asked again.
    fn admit<'a>(
        &'a self,
        request: &'a Request<'a>,
        object: &'a mut Value,
        reinvocation: &'a mut Reinvocation,
    ) -> Outcome<'a> {
        let _ = reinvocation;
        if !request.waits {
            return Outcome::Now(self.mutate(request, object));
        }
        Outcome::later(async move {
            let (draft, result) = request
                .settled(|| {
                    let mut draft = object.clone();
                    let result = self.mutate(request, &mut draft);
                    (draft, result)
                })
                .await;
            *object = draft;
            result
        })
    }

    /// `validate` of a plugin that waits.
    fn judge<'a>(&'a self, request: &'a Request<'a>, object: &'a Value) -> Outcome<'a> {
        if !request.waits {
            return Outcome::Now(self.validate(request, object));
        }
        Outcome::later(request.settled(|| self.validate(request, object)))
    }
}

/// The decision of a plugin. Most decide at once, and cost no allocation.
pub enum Outcome<'a> {
    Now(Result<(), Status>),
    Later(Pin<Box<dyn Future<Output = Result<(), Status>> + Send + 'a>>),
}

impl<'a> Outcome<'a> {
    /// The answer that a future ends with.
    pub fn later(of: impl Future<Output = Result<(), Status>> + Send + 'a) -> Outcome<'a> {
        Outcome::Later(Box::pin(of))
    }
}
