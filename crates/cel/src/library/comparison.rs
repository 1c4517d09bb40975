//! Functions of equality and order.

use super::function::{Function, function};
use crate::value::{Error, Outcome, Value, compared, equal, number};
use std::cmp::Ordering;

const ORDERED: &str = "bool,bool=bool;int,int=bool;int,double=bool;int,uint=bool;uint,uint=bool;uint,double=bool;\
                       uint,int=bool;double,double=bool;double,int=bool;double,uint=bool;\
                       string,string=bool!ordered;bytes,bytes=bool!ordered;timestamp,timestamp=bool;\
                       duration,duration=bool";

pub const FUNCTIONS: &[Function] = &[
    function("_==_", "A,A=bool!equal", is_equal),
    function("_!=_", "A,A=bool!equal", is_unequal),
    function("_<_", ORDERED, |given| order(given, |order| order == Ordering::Less)),
    function("_<=_", ORDERED, |given| order(given, |order| order != Ordering::Greater)),
    function("_>_", ORDERED, |given| order(given, |order| order == Ordering::Greater)),
    function("_>=_", ORDERED, |given| order(given, |order| order != Ordering::Less)),
    function("@in", "A,list(A)=bool!in;A,map(A,B)=bool", is_in),
];

fn is_equal<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    match given {
        // The variables of a policy are compared with nothing else.
        [Value::Variables, other] if !matches!(other, Value::Variables) => Err(Error::no_overload()),
        // Authorizers cannot be compared.
        [Value::Authorizer(_), _] => Err(Error::no_overload()),
        [a, b] => Ok(Value::Bool(equal(a, b))),
        _ => Err(Error::no_overload()),
    }
}

fn is_unequal<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    match is_equal(given)? {
        Value::Bool(is_equal) => Ok(Value::Bool(!is_equal)),
        other => Ok(other),
    }
}

fn is_in<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    match given {
        [value, Value::List(list)] => list.contains(value).map(Value::Bool),
        [value, Value::Map(map)] => Ok(Value::Bool(map.find(value).is_some())),
        _ => Err(Error::no_overload()),
    }
}

fn order<'a>(given: &[Value<'a>], fits: fn(Ordering) -> bool) -> Outcome<'a> {
    match given {
        [Value::Double(a), b] if a.is_nan() && number(b).is_some() => Ok(Value::Bool(false)),
        [a, Value::Double(b)] if b.is_nan() && number(a).is_some() => Ok(Value::Bool(false)),
        [a, b] => compared(a, b).map(|order| Value::Bool(fits(order))),
        _ => Err(Error::no_overload()),
    }
}
