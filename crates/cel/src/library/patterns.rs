//! Regular expressions: matching and finding.

use super::function::{Function, function};
use crate::value::{Error, Outcome, Value};
use pintle_regexp::{Budget, Regexp};

pub const FUNCTIONS: &[Function] = &[
    function("matches", "string,string=bool;.string,string=bool!matches", matches),
    function("find", ".string,string=string!find", find),
    function("findAll", ".string,string=list(string)!find;.string,string,int=list(string)!find", find_all),
];

/// Runs with a pattern, which is compiled now if it was not known before.
fn with<'a>(of: &Value<'a>, run: &mut dyn FnMut(&Regexp) -> Outcome<'a>) -> Outcome<'a> {
    match of {
        Value::Pattern(regexp) => run(regexp),
        Value::Text(source) => match Regexp::new(source, &Budget::none()) {
            Ok(regexp) => run(&regexp),
            Err(fault) => Err(Error::new(fault.to_string())),
        },
        _ => Err(Error::no_overload()),
    }
}

fn matches<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    let [Value::Text(text), pattern] = given else { return Err(Error::no_overload()) };
    with(pattern, &mut |regexp| Ok(Value::Bool(regexp.is_match(text))))
}

fn find<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    let [Value::Text(text), pattern] = given else { return Err(Error::no_overload()) };
    with(pattern, &mut |regexp| Ok(Value::text(regexp.find(text).unwrap_or(""))))
}

fn find_all<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    let (text, pattern, limit) = match given {
        [Value::Text(text), pattern] => (text, pattern, -1),
        [Value::Text(text), pattern, Value::Int(limit)] => (text, pattern, *limit),
        _ => return Err(Error::no_overload()),
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    with(pattern, &mut |regexp| {
        Ok(Value::list(regexp.find_all(text, limit).into_iter().map(Value::text).collect()))
    })
}
