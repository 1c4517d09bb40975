//! Lists as sets.

use super::function::{Function, function};
use crate::value::{Error, List, Outcome, Value};

pub const FUNCTIONS: &[Function] = &[
    function("sets.contains", "list(A),list(A)=bool!sets", |given| both(given, contains)),
    function("sets.equivalent", "list(A),list(A)=bool!setstwice", |given| {
        both(given, |a, b| Ok(contains(a, b)? && contains(b, a)?))
    }),
    function("sets.intersects", "list(A),list(A)=bool!sets", |given| both(given, intersects)),
];

type Test = fn(&List<'_>, &List<'_>) -> Result<bool, Error>;

fn both<'a>(given: &[Value<'a>], test: Test) -> Outcome<'a> {
    match given {
        [Value::List(a), Value::List(b)] => test(a, b).map(Value::Bool),
        _ => Err(Error::no_overload()),
    }
}

fn contains(all: &List<'_>, some: &List<'_>) -> Result<bool, Error> {
    for item in some.items()?.iter() {
        if !all.contains(item)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn intersects(a: &List<'_>, b: &List<'_>) -> Result<bool, Error> {
    for item in a.items()?.iter() {
        if b.contains(item)? {
            return Ok(true);
        }
    }
    Ok(false)
}
