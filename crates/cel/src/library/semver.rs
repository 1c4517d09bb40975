//! Versions and their parts.

use super::function::{Function, function};
use crate::semver::{Version, VersionError, parse, parse_loose};
use crate::value::{Error, Outcome, Value};
use std::rc::Rc;

pub const FUNCTIONS: &[Function] = &[
    function("semver", "string=Semver!parse;string,bool=Semver!parse", |given| {
        let found = read(given)?;
        found.map(|version| Value::Semver(Rc::new(version))).map_err(|error| Error::new(error.to_string()))
    }),
    function("isSemver", "string=bool!parse;string,bool=bool!parse", |given| {
        Ok(Value::Bool(read(given)?.is_ok()))
    }),
    function("major", ".Semver=int", |given| number(given, 0)),
    function("minor", ".Semver=int", |given| number(given, 1)),
    function("patch", ".Semver=int", |given| number(given, 2)),
];

fn read(given: &[Value<'_>]) -> Result<Result<Version, VersionError>, Error> {
    match given {
        [Value::Text(text)] | [Value::Text(text), Value::Bool(false)] => Ok(parse(text)),
        [Value::Text(text), Value::Bool(true)] => Ok(parse_loose(text)),
        _ => Err(Error::no_overload()),
    }
}

fn number<'a>(given: &[Value<'a>], index: usize) -> Outcome<'a> {
    match given {
        [Value::Semver(version)] => {
            let number = version.numbers.get(index).copied().unwrap_or(0);
            Ok(Value::Int(i64::try_from(number).unwrap_or(i64::MAX)))
        }
        _ => Err(Error::no_overload()),
    }
}
