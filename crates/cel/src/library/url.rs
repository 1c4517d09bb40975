//! URLs and their parts.

use super::function::{Function, function};
use crate::url::{CelUrl, parse};
use crate::value::{CelMap, Error, Key, Outcome, Value};
use std::collections::BTreeMap;
use std::rc::Rc;

pub const FUNCTIONS: &[Function] = &[
    function("url", "string=URL!scan", |given| match given {
        [Value::Text(text)] => parse(text)
            .map(|url| Value::Url(Rc::new(url)))
            .map_err(|why| Error::new(format!("URL parse error during conversion from string: {why}"))),
        _ => Err(Error::no_overload()),
    }),
    function("isURL", "string=bool", |given| match given {
        [Value::Text(text)] => Ok(Value::Bool(parse(text).is_ok())),
        _ => Err(Error::no_overload()),
    }),
    function("getScheme", ".URL=string", |given| part(given, |url| url.scheme.clone())),
    function("getHost", ".URL=string", |given| part(given, |url| url.host.clone())),
    function("getHostname", ".URL=string", |given| part(given, |url| url.hostname().to_owned())),
    function("getPort", ".URL=string", |given| part(given, |url| url.port().to_owned())),
    function("getEscapedPath", ".URL=string", |given| part(given, CelUrl::escaped_path)),
    function("getQuery", ".URL=map(string,list(string))", query),
];

fn part<'a>(given: &[Value<'a>], of: fn(&CelUrl) -> String) -> Outcome<'a> {
    match given {
        [Value::Url(url)] => Ok(Value::text(of(url))),
        _ => Err(Error::no_overload()),
    }
}

fn query<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    let [Value::Url(url)] = given else { return Err(Error::no_overload()) };
    let mut found: BTreeMap<String, Vec<Value<'a>>> = BTreeMap::new();
    for (name, value) in url.pairs() {
        found.entry(name).or_default().push(Value::text(value));
    }
    let entries = found.into_iter().map(|(name, values)| {
        let name: Rc<str> = Rc::from(name);
        (Key::Text(name.clone()), (Value::text(name), Value::list(values)))
    });
    Ok(Value::Map(CelMap::Own(Rc::new(entries.collect()))))
}
