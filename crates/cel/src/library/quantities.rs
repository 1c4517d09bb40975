//! Quantities, and the functions that they share with versions: order and parts.

use super::function::{Function, function};
use crate::value::{Error, Outcome, Value};
use pintle_object::quantity::Quantity;
use std::cmp::Ordering;

pub const FUNCTIONS: &[Function] = &[
    function("quantity", "string=Quantity!parse", |given| match given {
        [Value::Text(text)] => {
            Quantity::parse(text).map(Value::Quantity).map_err(|why| Error::new(why.to_string()))
        }
        _ => Err(Error::no_overload()),
    }),
    function("isQuantity", "string=bool!parse", |given| match given {
        [Value::Text(text)] => Ok(Value::Bool(Quantity::parse(text).is_ok())),
        _ => Err(Error::no_overload()),
    }),
    function("sign", "Quantity=int", |given| of(given, |one| Ok(Value::Int(i64::from(one.sign()))))),
    function("isInteger", ".Quantity=bool", |given| of(given, |one| Ok(Value::Bool(integer(one).is_some())))),
    function("asInteger", ".Quantity=int", |given| {
        of(given, |one| {
            let found = integer(one).map(Value::Int);
            found.ok_or_else(|| Error::new("cannot convert value to integer"))
        })
    }),
    function("asApproximateFloat", ".Quantity=double", |given| {
        of(given, |one| Ok(Value::Double(one.approximate())))
    }),
    function("add", ".Quantity,Quantity=Quantity;.Quantity,int=Quantity", |given| combined(given, false)),
    function("sub", ".Quantity,Quantity=Quantity;.Quantity,int=Quantity", |given| combined(given, true)),
    function("isGreaterThan", ".Quantity,Quantity=bool;.Semver,Semver=bool", |given| {
        Ok(Value::Bool(order(given)? == Ordering::Greater))
    }),
    function("isLessThan", ".Quantity,Quantity=bool;.Semver,Semver=bool", |given| {
        Ok(Value::Bool(order(given)? == Ordering::Less))
    }),
    function("compareTo", ".Quantity,Quantity=int;.Semver,Semver=int", |given| {
        Ok(Value::Int(order(given)? as i64))
    }),
];

fn of<'a>(given: &[Value<'a>], run: fn(&Quantity) -> Outcome<'a>) -> Outcome<'a> {
    match given {
        [Value::Quantity(one)] => run(one),
        _ => Err(Error::no_overload()),
    }
}

/// A whole amount that fits.
fn integer(of: &Quantity) -> Option<i64> {
    let value = of.value();
    (of.is_whole() && Quantity::from_int(value) == *of).then_some(value)
}

fn combined<'a>(given: &[Value<'a>], is_less: bool) -> Outcome<'a> {
    let (one, other) = match given {
        [Value::Quantity(one), Value::Quantity(other)] => (one, *other),
        [Value::Quantity(one), Value::Int(other)] => (one, Quantity::from_int(*other)),
        _ => return Err(Error::no_overload()),
    };
    Ok(Value::Quantity(one.add(&if is_less { other.neg() } else { other })))
}

fn order(given: &[Value<'_>]) -> Result<Ordering, Error> {
    match given {
        [Value::Quantity(a), Value::Quantity(b)] => Ok(a.cmp(b)),
        [Value::Semver(a), Value::Semver(b)] => Ok(a.compared(b)),
        _ => Err(Error::no_overload()),
    }
}
