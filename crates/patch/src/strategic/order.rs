//! The order of merged lists: that of the patch, with the server's own items in between as they were.

use super::error::{self, StrategicError, bad_type, no_merge_key};
use super::list::{self, partition};
use super::lookup::Lookup;
use super::{expect_list, extract_key, without_directives};
use crate::strategic::directive::{DIRECTIVE, ORDER_PREFIX};
use crate::strategic::kind::ValueKind;
use crate::strategic::list::item_kind;
use pintle_object::{ByValue, Map, Value};
use std::collections::BTreeMap;

/// Obeys each `$setElementOrder/x` of the patch: merges the list `x` and orders it, and takes both out of the patch.
pub(super) fn merge_ordered(
    target: &mut Map,
    patch: &mut Map,
    lookup: Lookup<'_>,
) -> Result<(), StrategicError> {
    let directives: Vec<String> =
        patch.keys().filter(|key| key.starts_with(ORDER_PREFIX)).map(String::from).collect();
    for directive in directives {
        let order = expect_list(patch.remove(&directive).unwrap_or_default())?;
        let key = extract_key(&directive, ORDER_PREFIX)
            .ok_or(StrategicError::bad_request(error::BAD_ELEMENT_ORDER))?;
        let held = target.get(key).cloned().map(expect_list).transpose()?;
        let given = patch.get(key).cloned().map(expect_list).transpose()?;
        let (below, rule) = lookup.of_list(key)?;
        let merge_key = rule.map_or("", |rule| rule.merge_key.as_ref());
        check_order(given.as_deref().unwrap_or(&[]), &order, merge_key)?;
        let is_merged = rule.is_some_and(|rule| rule.merge);
        let all = [held.as_deref().unwrap_or(&[]), given.as_deref().unwrap_or(&[])];
        let merged = match (held.clone(), given.clone()) {
            (None, None) => continue,
            (Some(held), None) => held,
            (None, Some(given)) => given.into_iter().filter_map(without_directives).collect(),
            (Some(held), Some(given)) if is_merged => list::merge(held, given, merge_key, below, false)?,
            (Some(_), Some(given)) => given,
        };
        let (listed, server_only) = partition(merged, &order, merge_key)?;
        item_kind(&all)?;
        let ordered = normalise(listed, server_only, &order, all[0], merge_key)?;
        target.insert(key, ordered);
        patch.remove(key);
    }
    Ok(())
}

/// Checks that the items of a patch are in the order that the patch declares.
fn check_order(patch: &[Value], order: &[Value], merge_key: &str) -> Result<(), StrategicError> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    let mut left = order.iter();
    for item in patch.iter().filter(|item| item.get(DIRECTIVE).is_none()) {
        let wanted = identity(item, merge_key)?;
        let mut is_found = false;
        for other in left.by_ref() {
            if identity(other, merge_key)? == wanted {
                is_found = true;
                break;
            }
        }
        if !is_found {
            let shown = |list: &[Value]| crate::go::text(&Value::List(list.to_vec()));
            return Err(StrategicError::other(format!(
                "The order in patch list:\n{}\n doesn't match {ORDER_PREFIX} list:\n{}\n",
                shown(patch),
                shown(order)
            )));
        }
    }
    Ok(())
}

fn identity<'v>(item: &'v Value, merge_key: &str) -> Result<&'v Value, StrategicError> {
    if merge_key.is_empty() {
        return Ok(item);
    }
    let map = item.as_map().ok_or_else(|| bad_type(ValueKind::Map, item))?;
    map.get(merge_key).ok_or_else(|| no_merge_key(map, merge_key))
}

/// The index of each item; of items with equal keys, the first.
fn places<'v>(order: &'v [Value], merge_key: &str) -> BTreeMap<ByValue<'v>, usize> {
    let mut places = BTreeMap::new();
    for (place, item) in order.iter().enumerate() {
        if let Ok(item) = identity(item, merge_key) {
            places.entry(ByValue(item)).or_insert(place);
        }
    }
    places
}

/// Orders the patch's items as the patch does and the server's own as the server does, and merges the two: an own item
/// comes before a patch's item that followed it on the server.
pub(super) fn normalise(
    mut patch: Vec<Value>,
    mut server_only: Vec<Value>,
    patch_order: &[Value],
    server_order: &[Value],
    merge_key: &str,
) -> Result<Vec<Value>, StrategicError> {
    if !merge_key.is_empty() {
        for item in patch.iter().chain(patch_order).chain(&server_only).chain(server_order) {
            identity(item, merge_key)?;
        }
    }
    let (in_patch, on_server) = (places(patch_order, merge_key), places(server_order, merge_key));
    let place = |order: &BTreeMap<ByValue<'_>, usize>, item: &Value| {
        identity(item, merge_key).ok().and_then(|wanted| order.get(&ByValue(wanted)).copied())
    };
    patch.sort_by_cached_key(|item| place(&in_patch, item));
    server_only.sort_by_cached_key(|item| place(&on_server, item));

    let mut out = Vec::with_capacity(patch.len() + server_only.len());
    let mut left = server_only.into_iter().peekable();
    let mut right = patch.into_iter().peekable();
    loop {
        let is_left = match (left.peek(), right.peek()) {
            (None, None) => return Ok(out),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(own), Some(other)) => {
                let (own, other) = (place(&on_server, own), place(&on_server, other));
                own.is_some() && other.is_some() && own < other
            }
        };
        out.extend(if is_left { left.next() } else { right.next() });
    }
}
