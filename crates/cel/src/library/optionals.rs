//! Values that may be missing.

use super::function::{Function, function};
use crate::value::{Error, Outcome, Value};

pub const FUNCTIONS: &[Function] = &[
    function("optional.of", "A=optional(A)", |given| match given {
        [one] => Ok(Value::some(one.clone())),
        _ => Err(Error::no_overload()),
    }),
    function("optional.ofNonZeroValue", "A=optional(A)", |given| match given {
        [one] if one.is_zero() => Ok(Value::Optional(None)),
        [one] => Ok(Value::some(one.clone())),
        _ => Err(Error::no_overload()),
    }),
    function("optional.none", "=optional(A)", |_| Ok(Value::Optional(None))),
    function("hasValue", ".optional(A)=bool", |given| match given {
        [Value::Optional(it)] => Ok(Value::Bool(it.is_some())),
        _ => Err(Error::no_overload()),
    }),
    function("value", ".optional(A)=A", |given| match given {
        [Value::Optional(Some(it))] => Ok((**it).clone()),
        [Value::Optional(None)] => Err(Error::new("optional.none() dereference")),
        _ => Err(Error::no_overload()),
    }),
    function("or", ".optional(A),optional(A)=optional(A)", |given| match given {
        [Value::Optional(None), other @ Value::Optional(_)] => Ok(other.clone()),
        [it @ Value::Optional(Some(_)), _] => Ok(it.clone()),
        _ => Err(Error::no_overload()),
    }),
    function("orValue", ".optional(A),A=A", |given| match given {
        [Value::Optional(None), other] => Ok(other.clone()),
        [Value::Optional(Some(it)), _] => Ok((**it).clone()),
        _ => Err(Error::no_overload()),
    }),
    function("optional.unwrap", "list(optional(A))=list(A)", unwrap),
    function("unwrapOpt", ".list(optional(A))=list(A)", unwrap),
];

fn unwrap<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    let [Value::List(list)] = given else { return Err(Error::no_overload()) };
    let mut found = Vec::new();
    for item in list.items()?.iter() {
        match item {
            Value::Optional(it) => found.extend(it.as_deref().cloned()),
            _ => return Err(Error::no_overload()),
        }
    }
    Ok(Value::list(found))
}
