//! Questions about what a user may do; who answers them is up to the caller.

use super::{Function, function};
use crate::value::{Error, Outcome, Value};
use pintle_object::content;
use std::rc::Rc;

/// Answers whether a user may do something.
pub trait Permissions {
    fn check(&self, question: &Question) -> Decision;
}

/// What is asked: of a path, or of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Namespace and name of a service account, if it is not the user of the request.
    pub service_account: Option<(String, String)>,
    pub path: Option<String>,
    pub group: String,
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
    pub field_selector: String,
    pub label_selector: String,
    pub verb: String,
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
    by: &'a dyn Permissions,
    stage: Stage,
    question: Rc<Question>,
    decision: Rc<Decision>,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
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

    fn next(&self, stage: Stage, change: impl FnOnce(&mut Question)) -> Self {
        let mut question = (*self.question).clone();
        change(&mut question);
        Self { by: self.by, stage, question: Rc::new(question), decision: self.decision.clone() }
    }
}

const RESOURCE: &str = ".ResourceCheck,string=ResourceCheck";
const SELECTOR: &str = ".ResourceCheck,string=ResourceCheck!selector";

pub const FUNCTIONS: &[Function] = &[
    function("path", ".Authorizer,string=PathCheck", |given| match given {
        [Value::Authorizer(_), Value::Text(path)] if path.is_empty() => {
            Err(Error::new("path must not be empty"))
        }
        _ => asked(given, Stage::Start, Stage::Path, |of, text| of.path = Some(text)),
    }),
    function("group", ".Authorizer,string=GroupCheck", |given| {
        asked(given, Stage::Start, Stage::Group, |of, text| of.group = text)
    }),
    function("resource", ".GroupCheck,string=ResourceCheck", |given| {
        asked(given, Stage::Group, Stage::Resource, |of, text| of.resource = text)
    }),
    function("subresource", RESOURCE, |given| {
        asked(given, Stage::Resource, Stage::Resource, |of, text| of.subresource = text)
    }),
    function("namespace", RESOURCE, |given| {
        asked(given, Stage::Resource, Stage::Resource, |of, text| of.namespace = text)
    }),
    function("name", RESOURCE, |given| {
        asked(given, Stage::Resource, Stage::Resource, |of, text| of.name = text)
    }),
    function("fieldSelector", SELECTOR, |given| {
        asked(given, Stage::Resource, Stage::Resource, |of, text| of.field_selector = text)
    }),
    function("labelSelector", SELECTOR, |given| {
        asked(given, Stage::Resource, Stage::Resource, |of, text| of.label_selector = text)
    }),
    function("serviceAccount", ".Authorizer,string,string=Authorizer", |given| match given {
        [Value::Authorizer(of), Value::Text(namespace), Value::Text(name)] if of.stage == Stage::Start => {
            if !content::dns1123_label(namespace).is_empty() {
                return Err(Error::new("Invalid service account namespace"));
            }
            if !content::dns1123_subdomain(name).is_empty() {
                return Err(Error::new("Invalid service account name"));
            }
            let account = Some((namespace.to_string(), name.to_string()));
            Ok(Value::Authorizer(of.next(Stage::Start, |question| question.service_account = account)))
        }
        _ => Err(Error::no_overload()),
    }),
    function("check", ".PathCheck,string=Decision!check;.ResourceCheck,string=Decision!check", |given| {
        match given {
            [Value::Authorizer(of), Value::Text(verb)]
                if matches!(of.stage, Stage::Path | Stage::Resource) =>
            {
                let mut next = of.next(Stage::Decided, |question| question.verb = verb.to_string());
                next.decision = Rc::new(next.by.check(&next.question));
                Ok(Value::Authorizer(next))
            }
            _ => Err(Error::no_overload()),
        }
    }),
    function("allowed", ".Decision=bool", |given| {
        decided(given, |decision| Value::Bool(decision.is_allowed))
    }),
    function("errored", ".Decision=bool", |given| {
        decided(given, |decision| Value::Bool(!decision.error.is_empty()))
    }),
    function("error", ".Decision=string", |given| {
        decided(given, |decision| Value::text(decision.error.as_str()))
    }),
    function("reason", ".Decision=string", |given| {
        decided(given, |decision| Value::text(decision.reason.as_str()))
    }),
];

fn asked<'a>(given: &[Value<'a>], from: Stage, to: Stage, change: fn(&mut Question, String)) -> Outcome<'a> {
    match given {
        [Value::Authorizer(of), Value::Text(text)] if of.stage == from => {
            Ok(Value::Authorizer(of.next(to, |question| change(question, text.to_string()))))
        }
        _ => Err(Error::no_overload()),
    }
}

fn decided<'a>(given: &[Value<'a>], of: for<'d> fn(&'d Decision) -> Value<'a>) -> Outcome<'a> {
    match given {
        [Value::Authorizer(one)] if one.stage == Stage::Decided => Ok(of(&one.decision)),
        _ => Err(Error::no_overload()),
    }
}
