//! Functions that put questions about permissions together.

use super::function::{Function, function};
use crate::permissions::{Decision, Stage};
use crate::value::{Error, Outcome, Value};
use pintle_object::{RequestInfo, Text, Verb, content};
use std::rc::Rc;

const RESOURCE: &str = ".ResourceCheck,string=ResourceCheck";
const SELECTOR: &str = ".ResourceCheck,string=ResourceCheck!selector";

pub const FUNCTIONS: &[Function] = &[
    function("path", ".Authorizer,string=PathCheck", |given| match given {
        [Value::Authorizer(_), Value::Text(path)] if path.is_empty() => {
            Err(Error::new("path must not be empty"))
        }
        _ => asked(given, Stage::Start, Stage::Path, |info, path| info.path = path),
    }),
    function("group", ".Authorizer,string=GroupCheck", |given| {
        asked(given, Stage::Start, Stage::Group, |info, group| {
            (info.is_resource, info.version, info.group) = (true, "*".into(), group);
        })
    }),
    function("resource", ".GroupCheck,string=ResourceCheck", |given| {
        asked(given, Stage::Group, Stage::Resource, |info, resource| info.resource = resource)
    }),
    function("subresource", RESOURCE, |given| {
        asked(given, Stage::Resource, Stage::Resource, |info, subresource| info.subresource = subresource)
    }),
    function("namespace", RESOURCE, |given| {
        asked(given, Stage::Resource, Stage::Resource, |info, namespace| info.namespace = namespace)
    }),
    function("name", RESOURCE, |given| {
        asked(given, Stage::Resource, Stage::Resource, |info, name| info.name = name)
    }),
    function("fieldSelector", SELECTOR, |given| {
        asked(given, Stage::Resource, Stage::Resource, |info, selector| info.field_selector = selector)
    }),
    function("labelSelector", SELECTOR, |given| {
        asked(given, Stage::Resource, Stage::Resource, |info, selector| info.label_selector = selector)
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
                let mut next = of.next(Stage::Decided, |question| question.info.verb = Verb::named(verb));
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

fn asked<'a>(given: &[Value<'a>], from: Stage, to: Stage, change: fn(&mut RequestInfo, Text)) -> Outcome<'a> {
    match given {
        [Value::Authorizer(of), Value::Text(text)] if of.stage == from => {
            Ok(Value::Authorizer(of.next(to, |question| change(&mut question.info, Text::from(&**text)))))
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
