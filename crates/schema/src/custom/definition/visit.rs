//! Visits of all schemas inside a schema.

use pintle_object::Value;

/// Calls `visit` for a schema and all schemas inside it, until it says true.
pub fn any(props: &Value, visit: &mut dyn FnMut(&Value) -> bool) -> bool {
    if visit(props) {
        return true;
    }
    let one = ["not", "items", "additionalProperties", "additionalItems"];
    let lists = ["items", "allOf", "anyOf", "oneOf"];
    let maps = ["properties", "patternProperties", "definitions", "dependencies"];
    let single = one.iter().filter_map(|name| props.get(name)).filter(|below| below.as_map().is_some());
    let listed = lists.iter().flat_map(|name| props.list_at(&[name]));
    let mapped = maps.iter().filter_map(|name| props.map_at(&[name])).flat_map(|map| map.iter());
    let mapped = mapped.map(|(_, below)| below).filter(|below| below.as_list().is_none());
    single.chain(listed).chain(mapped).any(|below| any(below, visit))
}
