//! Regular expressions: matching and finding.

use super::{Function, function};
use crate::pattern::compile;
use crate::value::{Error, Outcome, Value};
use regex::Regex;

pub const FUNCTIONS: &[Function] = &[
    function("matches", "string,string=bool;.string,string=bool!matches", matches),
    function("find", ".string,string=string!find", find),
    function("findAll", ".string,string=list(string)!find;.string,string,int=list(string)!find", find_all),
];

/// Runs with a pattern, which is compiled now if it was not known before.
fn with<'a>(of: &Value<'a>, run: &mut dyn FnMut(&Regex) -> Outcome<'a>) -> Outcome<'a> {
    match of {
        Value::Pattern(regex, _) => run(regex),
        Value::Text(source) => match compile(source) {
            Some(regex) => run(&regex),
            None => Err(Error::new(format!("error parsing regexp: `{}`", &**source))),
        },
        _ => Err(Error::no_overload()),
    }
}

fn matches<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    let [Value::Text(text), pattern] = given else { return Err(Error::no_overload()) };
    with(pattern, &mut |regex| Ok(Value::Bool(regex.is_match(text))))
}

fn find<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    let [Value::Text(text), pattern] = given else { return Err(Error::no_overload()) };
    with(pattern, &mut |regex| Ok(Value::text(regex.find(text).map_or("", |found| found.as_str()))))
}

fn find_all<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    let (text, pattern, limit) = match given {
        [Value::Text(text), pattern] => (text, pattern, -1),
        [Value::Text(text), pattern, Value::Int(limit)] => (text, pattern, *limit),
        _ => return Err(Error::no_overload()),
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    with(pattern, &mut |regex| {
        let found = regex.find_iter(text).take(limit).map(|found| Value::text(found.as_str()));
        Ok(Value::list(found.collect()))
    })
}
