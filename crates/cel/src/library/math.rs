//! Arithmetic, with the overflows that end it.

use super::function::{Function, function};
use crate::decl::ListKind;
use crate::value::{Error, List, Outcome, Value};
use crate::value::{equal, has_same_keys};
use pintle_object::time::Time;
use std::rc::Rc;

const SUM: &str = "int,int=int;uint,uint=uint;double,double=double;string,string=string!concat;\
                   bytes,bytes=bytes!concat;list(A),list(A)=list(A)!concatlists;\
                   duration,duration=duration;duration,timestamp=timestamp;timestamp,duration=timestamp";
const DIFFERENCE: &str = "int,int=int;uint,uint=uint;double,double=double;duration,duration=duration;\
                          timestamp,duration=timestamp;timestamp,timestamp=duration";
const PRODUCT: &str = "int,int=int;uint,uint=uint;double,double=double";

/// The longest text that an expression may make.
pub const TEXT_BYTES_MAX: usize = 16 << 20;

pub const FUNCTIONS: &[Function] = &[
    function("_+_", SUM, sum),
    function("_-_", DIFFERENCE, difference),
    function("_*_", PRODUCT, product),
    function("_/_", PRODUCT, quotient),
    function("_%_", "int,int=int;uint,uint=uint", remainder),
    function("-_", "int=int;double=double", negated),
];

fn whole<'a>(found: Option<i64>) -> Outcome<'a> {
    found.map(Value::Int).ok_or_else(|| Error::new("integer overflow"))
}

fn unsigned<'a>(found: Option<u64>) -> Outcome<'a> {
    found.map(Value::Uint).ok_or_else(|| Error::new("unsigned integer overflow"))
}

fn duration<'a>(found: Option<i64>) -> Outcome<'a> {
    found.map(Value::Duration).ok_or_else(|| Error::new("duration overflow"))
}

/// A time by so many nanoseconds later, within the years 1 to 9999.
pub fn moved<'a>(time: Time, nanos: i64) -> Outcome<'a> {
    const BILLION: i128 = 1_000_000_000;
    let all = i128::from(time.seconds) * BILLION + i128::from(time.nanos) + i128::from(nanos);
    let seconds = all.div_euclid(BILLION) as i64;
    if !(-62_135_596_800..=253_402_300_799).contains(&seconds) {
        return Err(Error::new("timestamp overflow"));
    }
    Ok(Value::Timestamp(Time { seconds, nanos: all.rem_euclid(BILLION) as u32 }))
}

pub fn sum<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    match given {
        [Value::Int(a), Value::Int(b)] => whole(a.checked_add(*b)),
        [Value::Uint(a), Value::Uint(b)] => unsigned(a.checked_add(*b)),
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a + b)),
        [Value::Text(a), Value::Text(b)] => text([&**a, &**b].concat()),
        [Value::Bytes(a), Value::Bytes(b)] => Ok(Value::Bytes([&**a, &**b].concat().into())),
        [Value::Duration(a), Value::Duration(b)] => duration(a.checked_add(*b)),
        [Value::Duration(by), Value::Timestamp(time)] | [Value::Timestamp(time), Value::Duration(by)] => {
            moved(*time, *by)
        }
        [Value::List(a), Value::List(b)] => lists(a, b),
        _ => Err(Error::no_overload()),
    }
}

/// A text that was made, unless it is too long.
pub fn text<'a>(text: String) -> Outcome<'a> {
    match text.len() <= TEXT_BYTES_MAX {
        true => Ok(Value::text(text)),
        false => Err(Error::new("text is too long")),
    }
}

/// The concatenation of two lists. In sets, existing items are not added again; in maps, an item replaces the existing
/// one.
fn lists<'a>(a: &List<'a>, b: &List<'a>) -> Outcome<'a> {
    let (mut items, more) = (a.items()?, b.items()?);
    let own = Rc::make_mut(&mut items);
    match a.kind() {
        Some(ListKind::Set) => {
            for item in more.iter() {
                if !own.iter().any(|known| equal(known, item)) {
                    own.push(item.clone());
                }
            }
        }
        Some(ListKind::Map(keys)) => {
            for item in more.iter() {
                match own.iter_mut().find(|known| has_same_keys(known, item, keys)) {
                    Some(known) => *known = item.clone(),
                    None => own.push(item.clone()),
                }
            }
        }
        _ => own.extend(more.iter().cloned()),
    }
    Ok(Value::List(List::Own(items)))
}

fn difference<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    match given {
        [Value::Int(a), Value::Int(b)] => whole(a.checked_sub(*b)),
        [Value::Uint(a), Value::Uint(b)] => unsigned(a.checked_sub(*b)),
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a - b)),
        [Value::Duration(a), Value::Duration(b)] => duration(a.checked_sub(*b)),
        [Value::Timestamp(time), Value::Duration(by)] => match by.checked_neg() {
            Some(by) => moved(*time, by),
            None => Err(Error::new("duration overflow")),
        },
        [Value::Timestamp(a), Value::Timestamp(b)] => {
            let seconds = a.seconds.checked_sub(b.seconds).and_then(|all| all.checked_mul(1_000_000_000));
            let nanos = i64::from(a.nanos) - i64::from(b.nanos);
            duration(seconds.and_then(|all| all.checked_add(nanos)))
        }
        _ => Err(Error::no_overload()),
    }
}

fn product<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    match given {
        [Value::Int(a), Value::Int(b)] => whole(a.checked_mul(*b)),
        [Value::Uint(a), Value::Uint(b)] => unsigned(a.checked_mul(*b)),
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a * b)),
        _ => Err(Error::no_overload()),
    }
}

fn quotient<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    match given {
        [_, Value::Int(0) | Value::Uint(0)] => Err(Error::new("division by zero")),
        [Value::Int(a), Value::Int(b)] => whole(a.checked_div(*b)),
        [Value::Uint(a), Value::Uint(b)] => unsigned(a.checked_div(*b)),
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a / b)),
        _ => Err(Error::no_overload()),
    }
}

fn remainder<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    match given {
        [_, Value::Int(0) | Value::Uint(0)] => Err(Error::new("modulus by zero")),
        [Value::Int(a), Value::Int(b)] => whole(a.checked_rem(*b)),
        [Value::Uint(a), Value::Uint(b)] => unsigned(a.checked_rem(*b)),
        _ => Err(Error::no_overload()),
    }
}

fn negated<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    match given {
        [Value::Int(it)] => whole(it.checked_neg()),
        [Value::Double(it)] => Ok(Value::Double(-it)),
        _ => Err(Error::no_overload()),
    }
}
