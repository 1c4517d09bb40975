//! The costs of calls when they are evaluated.

use crate::cost::{CHARACTER, CHECK, Cost, LIST, PATTERN};
use crate::library::pattern_len;
use crate::value::Value;

impl Cost {
    /// The cost of a call that is evaluated; a result that failed counts as one without size.
    pub fn actual(self, given: &[Value<'_>], result: Option<&Value<'_>>) -> u64 {
        let size = |index: usize| given.get(index).map_or(1, Value::size);
        let scan = |size: u64, times: f64| (size as f64 * times * CHARACTER).ceil() as u64;
        let pattern = |text: u64, pattern: u64| {
            let text = ((1.0 + text as f64) * CHARACTER).ceil() as u64;
            text.saturating_mul((pattern as f64 * PATTERN).ceil() as u64)
        };
        let list = |factor: f64, size: u64| ((size as f64 * factor) as u64).saturating_add(1 + LIST);
        match self {
            Cost::One | Cost::Conditional | Cost::ConcatLists => 1,
            Cost::Logic | Cost::Index | Cost::Free => 0,
            Cost::Equal | Cost::Ordered => match given.first() {
                Some(Value::Quantity(_) | Value::Url(_) | Value::Semver(_) | Value::Format(_)) => 1,
                Some(Value::Ip(_) | Value::Cidr(..) | Value::Authorizer(_)) => 1,
                _ => scan(size(0).min(size(1)), 1.0),
            },
            Cost::Concat => scan(size(0) + size(1), 1.0),
            Cost::In => size(1),
            Cost::Prefix => scan(size(1), 1.0),
            Cost::ToBytes | Cost::ToText | Cost::Quote | Cost::Format => scan(size(0), 1.0),
            Cost::Contains => scan(size(0), 1.0).saturating_mul(scan(size(1), 1.0)),
            Cost::Matches | Cost::Find => pattern(size(0), size(1)),
            Cost::Scan | Cost::Parse => scan(size(0), 1.0),
            Cost::ParseTwice | Cost::Replace | Cost::Split => scan(size(0), 2.0),
            Cost::Join => scan(result.map_or(1, Value::size), 2.0),
            Cost::Traverse => given.first().map_or(1, traversal),
            Cost::ContainsIp => scan(size(0), 2.0),
            Cost::ContainsIpText => scan(size(0), 2.0) + scan(size(1), 1.0),
            Cost::ContainsCidr => scan(size(0), 2.0) + scan(size(0), 1.0) + 1,
            Cost::ContainsCidrText => scan(size(0), 2.0) + scan(size(0), 1.0) + 1 + scan(size(1), 1.0),
            Cost::Validate => match given.first() {
                Some(Value::Format(name)) => pattern(size(1), pattern_len(name)),
                _ => 1,
            },
            Cost::Check => CHECK,
            Cost::Selector => LIST + scan(size(1), 1.0) + (size(1) as f64 * 0.5 * 50.0).ceil() as u64,
            Cost::Slice | Cost::Range | Cost::Reverse => list(1.0, result.map_or(0, Value::size)),
            Cost::Flatten => match given.get(1) {
                Some(Value::Int(depth)) => list(*depth as f64, size(0)),
                _ => list(1.0, size(0)),
            },
            Cost::Distinct | Cost::Sort | Cost::SortTexts => {
                list(comparison(given.first()), size(0).saturating_mul(size(0)))
            }
            Cost::SortBy | Cost::SortByTexts => {
                list(comparison(given.get(1)), size(1).saturating_mul(size(1)))
            }
            Cost::Sets => size(0).saturating_mul(size(1)).saturating_add(1),
            Cost::SetsTwice => size(0).saturating_mul(size(1)).saturating_mul(2).saturating_add(1),
        }
    }
}

/// The cost of comparing two items of a list, by the type of the first.
fn comparison(list: Option<&Value<'_>>) -> f64 {
    let first = match list {
        Some(Value::List(list)) => list.at(0),
        _ => None,
    };
    match first {
        Some(Ok(Value::Text(_) | Value::Bytes(_))) => 2.0 + CHARACTER,
        _ => 2.0,
    }
}

/// The cost of looking at all of a value.
fn traversal(of: &Value<'_>) -> u64 {
    match of {
        Value::Text(text) => (text.len() as f64 * CHARACTER) as u64,
        Value::Bytes(bytes) => (bytes.len() as f64 * CHARACTER) as u64,
        Value::List(list) => {
            let items = (0..list.len()).filter_map(|index| list.at(index)?.ok());
            items.map(|item| traversal(&item)).sum()
        }
        Value::Map(map) => {
            let entries = map.entries().into_iter();
            entries.map(|(key, value)| traversal(&key) + value.map_or(0, |value| traversal(&value))).sum()
        }
        _ => 1,
    }
}
