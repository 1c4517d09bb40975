//! Lists: order, sums, parts.

use super::function::{Function, function};
use super::math::sum as added;
use crate::value::{Error, List, Outcome, Value};
use crate::value::{compared, equal};
use std::cmp::Ordering;
use std::rc::Rc;

const ORDERED: &str = ".list(int)=int!traverse;.list(uint)=uint!traverse;.list(double)=double!traverse;\
                       .list(bool)=bool!traverse;.list(duration)=duration!traverse;\
                       .list(timestamp)=timestamp!traverse;.list(string)=string!traverse;\
                       .list(bytes)=bytes!traverse";
const IS_SORTED: &str = ".list(int)=bool!traverse;.list(uint)=bool!traverse;.list(double)=bool!traverse;\
                         .list(bool)=bool!traverse;.list(duration)=bool!traverse;\
                         .list(timestamp)=bool!traverse;.list(string)=bool!traverse;.list(bytes)=bool!traverse";
const SORT: &str = ".list(int)=list(int)!sort;.list(uint)=list(uint)!sort;.list(double)=list(double)!sort;\
                    .list(bool)=list(bool)!sort;.list(duration)=list(duration)!sort;\
                    .list(timestamp)=list(timestamp)!sort;.list(string)=list(string)!sorttexts;\
                    .list(bytes)=list(bytes)!sorttexts";
const SORT_BY: &str = ".list(A),list(int)=list(A)!sortby;.list(A),list(uint)=list(A)!sortby;\
                       .list(A),list(double)=list(A)!sortby;.list(A),list(bool)=list(A)!sortby;\
                       .list(A),list(duration)=list(A)!sortby;.list(A),list(timestamp)=list(A)!sortby;\
                       .list(A),list(string)=list(A)!sortbytexts;.list(A),list(bytes)=list(A)!sortbytexts";
const SUM: &str = ".list(int)=int!traverse;.list(uint)=uint!traverse;.list(double)=double!traverse;\
                   .list(duration)=duration!traverse";
/// The most items that a list may be given at once.
const ITEMS_MAX: i64 = 10_000_000;

pub const FUNCTIONS: &[Function] = &[
    function("isSorted", IS_SORTED, is_sorted),
    function("sum", SUM, sum),
    function("min", ORDERED, |given| extreme(given, "min", Ordering::Less)),
    function("max", ORDERED, |given| extreme(given, "max", Ordering::Greater)),
    function("slice", ".list(A),int,int=list(A)!slice", slice),
    function("flatten", ".list(list(A))=list(A)!flatten;.list(dyn),int=list(dyn)!flatten", flatten),
    function("sort", SORT, |given| match given {
        [keys] => sort(keys, keys),
        _ => Err(Error::no_overload()),
    }),
    function("@sortByAssociatedKeys", SORT_BY, |given| match given {
        [items, keys] => sort(items, keys),
        _ => Err(Error::no_overload()),
    }),
    function("lists.range", "int=list(int)!range", range),
    function("reverse", ".list(A)=list(A)!reverse", reverse),
    function("distinct", ".list(A)=list(A)!distinct", distinct),
    function("first", ".list(A)=optional(A)", |given| end(given, false)),
    function("last", ".list(A)=optional(A)", |given| end(given, true)),
];

fn items<'a>(of: &Value<'a>) -> Result<Rc<Vec<Value<'a>>>, Error> {
    match of {
        Value::List(list) => list.items(),
        _ => Err(Error::no_overload()),
    }
}

fn only<'a>(given: &[Value<'a>]) -> Result<Rc<Vec<Value<'a>>>, Error> {
    given.first().map_or_else(|| Err(Error::no_overload()), items)
}

fn is_sorted<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    for pair in only(given)?.windows(2) {
        if let [a, b] = pair
            && compared(a, b)? == Ordering::Greater
        {
            return Ok(Value::Bool(false));
        }
    }
    Ok(Value::Bool(true))
}

fn sum<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    let items = only(given)?;
    let mut items = items.iter();
    let Some(first) = items.next() else { return Ok(Value::Int(0)) };
    items.try_fold(first.clone(), |all, item| added(&[all, item.clone()]))
}

fn extreme<'a>(given: &[Value<'a>], name: &str, wanted: Ordering) -> Outcome<'a> {
    let items = only(given)?;
    let mut items = items.iter();
    let Some(mut found) = items.next() else {
        return Err(Error::new(format!("{name} called on empty list")));
    };
    for item in items {
        if compared(item, found)? == wanted {
            found = item;
        }
    }
    Ok(found.clone())
}

/// The place of an item in a list.
pub fn index<'a>(list: &List<'a>, item: &Value<'a>, from_end: bool) -> Outcome<'a> {
    let items = list.items()?;
    let is_it = |other: &Value<'a>| equal(other, item);
    let found = if from_end { items.iter().rposition(is_it) } else { items.iter().position(is_it) };
    Ok(Value::Int(found.map_or(-1, |index| index as i64)))
}

fn slice<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    let [list, Value::Int(start), Value::Int(end)] = given else { return Err(Error::no_overload()) };
    let items = items(list)?;
    let why = if *start < 0 || *end < 0 {
        "negative indexes not supported".to_owned()
    } else if start > end {
        "start index must be less than or equal to end index".to_owned()
    } else if (items.len() as i64) < *end {
        format!("list is length {}", items.len())
    } else {
        let part = items.get(*start as usize..*end as usize).unwrap_or_default();
        return Ok(Value::list(part.to_vec()));
    };
    Err(Error::new(format!("cannot slice({start}, {end}), {why}")))
}

fn flatten<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    let (list, depth) = match given {
        [list] => (list, 1),
        [list, Value::Int(depth)] => (list, *depth),
        _ => return Err(Error::no_overload()),
    };
    if depth < 0 {
        return Err(Error::new("level must be non-negative"));
    }
    let mut found = Vec::new();
    flatten_into(&items(list)?, depth.min(64), &mut found)?;
    Ok(Value::list(found))
}

fn flatten_into<'a>(items: &[Value<'a>], depth: i64, found: &mut Vec<Value<'a>>) -> Result<(), Error> {
    for item in items {
        match item {
            Value::List(list) if depth > 0 => flatten_into(&list.items()?, depth - 1, found)?,
            other => found.push(other.clone()),
        }
    }
    Ok(())
}

fn sort<'a>(list: &Value<'a>, keys: &Value<'a>) -> Outcome<'a> {
    let (items, keys) = (items(list)?, items(keys)?);
    if let Some(first) = keys.first() {
        compared(first, first).map_err(|_| Error::new("list elements must be comparable"))?;
        if keys.iter().any(|key| *key.type_name() != *first.type_name()) {
            return Err(Error::new("list elements must have the same type"));
        }
    }
    let mut indices: Vec<usize> = (0..items.len()).collect();
    let key = |index: &usize| keys.get(*index).unwrap_or(&Value::Null);
    indices.sort_by(|a, b| compared(key(a), key(b)).unwrap_or(Ordering::Equal));
    Ok(Value::list(indices.into_iter().filter_map(|index| items.get(index).cloned()).collect()))
}

fn range<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    match given {
        [Value::Int(count)] if *count > ITEMS_MAX => Err(Error::OverLimit),
        [Value::Int(count)] => Ok(Value::list((0..*count).map(Value::Int).collect())),
        _ => Err(Error::no_overload()),
    }
}

fn reverse<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::list(only(given)?.iter().rev().cloned().collect()))
}

fn distinct<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    let mut found: Vec<Value<'a>> = Vec::new();
    for item in only(given)?.iter() {
        if !found.iter().any(|known| equal(known, item)) {
            found.push(item.clone());
        }
    }
    Ok(Value::list(found))
}

fn end<'a>(given: &[Value<'a>], is_last: bool) -> Outcome<'a> {
    let items = only(given)?;
    let found = if is_last { items.last() } else { items.first() };
    Ok(Value::Optional(found.cloned().map(Rc::new)))
}
