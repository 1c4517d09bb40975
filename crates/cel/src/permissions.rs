//! Authorization checks in expressions; the caller answers them.

use pintle_object::RequestInfo;
use std::rc::Rc;

/// Answers whether a user may do something.
pub trait Permissions {
    fn check(&self, question: &Question) -> Decision;
}

/// A question about a path or a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Namespace and name of a service account, if it is not the user of the request.
    pub service_account: Option<(String, String)>,
    /// The request to authorize; the version of its resource does not matter.
    pub info: RequestInfo,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    pub is_allowed: bool,
    pub reason: String,
    pub error: String,
}

/// A question while it is put together, and its answer.
#[derive(Clone)]
pub struct Authorizer<'a> {
    pub by: &'a dyn Permissions,
    pub stage: Stage,
    pub question: Rc<Question>,
    pub decision: Rc<Decision>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Stage {
    Start,
    Path,
    Group,
    Resource,
    Decided,
}

impl<'a> Authorizer<'a> {
    pub fn new(by: &'a dyn Permissions) -> Self {
        let (question, decision) = (Rc::default(), Rc::default());
        Self { by, stage: Stage::Start, question, decision }
    }

    /// A question about a resource that only lacks its verb.
    pub fn of_resource(by: &'a dyn Permissions, question: Question) -> Self {
        Self { by, stage: Stage::Resource, question: Rc::new(question), decision: Rc::default() }
    }

    pub const fn type_name(&self) -> &'static str {
        match self.stage {
            Stage::Start => "kubernetes.authorization.Authorizer",
            Stage::Path => "kubernetes.authorization.PathCheck",
            Stage::Group => "kubernetes.authorization.GroupCheck",
            Stage::Resource => "kubernetes.authorization.ResourceCheck",
            Stage::Decided => "kubernetes.authorization.Decision",
        }
    }

    /// The question at its next stage, changed.
    pub fn next(&self, stage: Stage, change: impl FnOnce(&mut Question)) -> Self {
        let mut question = (*self.question).clone();
        change(&mut question);
        Self { by: self.by, stage, question: Rc::new(question), decision: self.decision.clone() }
    }
}
