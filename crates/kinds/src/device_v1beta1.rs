//! `resource.k8s.io/v1beta1`: a request is for a device of a class unless it lists alternatives, and the facts about a
//! device are in `basic`. In `v1` the former is in `exactly`, and the latter in the device itself.

use pintle_object::{Map, Value};

/// Fields of a request for a device of a class.
const EXACTLY: [&str; 7] =
    ["deviceClassName", "selectors", "allocationMode", "count", "adminAccess", "tolerations", "capacity"];

pub fn to_v1(kind: &str, mut tree: Value) -> Value {
    each(kind, &mut tree, &|request| gather(request, "exactly", &EXACTLY), &|device| spread(device, "basic"));
    tree
}

pub fn from_v1(kind: &str, mut tree: Value) -> Value {
    each(kind, &mut tree, &|request| spread(request, "exactly"), &|device| {
        let fields: Vec<String> =
            device.iter().map(|(key, _)| key.to_string()).filter(|key| key != "name").collect();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        gather(device, "basic", &fields);
    });
    tree
}

/// Changes every request of a claim or template, or every device of a slice.
fn each(kind: &str, tree: &mut Value, request: &dyn Fn(&mut Map), device: &dyn Fn(&mut Map)) {
    let (path, change): (&[&str], _) = match kind {
        "ResourceClaim" => (&["spec", "devices", "requests"], request),
        "ResourceClaimTemplate" => (&["spec", "spec", "devices", "requests"], request),
        "ResourceSlice" => (&["spec", "devices"], device),
        _ => return,
    };
    let items = tree.at_mut(path).and_then(Value::as_list_mut);
    items.into_iter().flatten().filter_map(Value::as_map_mut).for_each(change);
}

/// Moves fields into a struct of their own, if there are any.
fn gather(map: &mut Map, into: &str, fields: &[&str]) {
    let taken: Map = fields.iter().filter_map(|field| Some((*field, map.remove(field)?))).collect();
    if !taken.is_empty() {
        map.insert(into, taken);
    }
}

/// Moves the fields of a struct out of it.
fn spread(map: &mut Map, from: &str) {
    if let Some(Value::Map(inner)) = map.remove(from) {
        for (key, value) in inner.iter() {
            map.insert(key, value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::json;

    #[test]
    fn requests_and_devices_move_and_come_back() {
        let check = |kind: &str, old: &str, new: &str| {
            let [old, new] = [old, new].map(|text| json::parse(text.as_bytes()).unwrap());
            assert_eq!(to_v1(kind, old.clone()), new, "{kind}");
            assert_eq!(from_v1(kind, new), old, "{kind}");
        };
        check(
            "ResourceClaim",
            r#"{"spec":{"devices":{"requests":[{"name":"a","deviceClassName":"c","count":1},
                {"name":"b","firstAvailable":[{"name":"x"}]}]}}}"#,
            r#"{"spec":{"devices":{"requests":[{"name":"a","exactly":{"deviceClassName":"c","count":1}},
                {"name":"b","firstAvailable":[{"name":"x"}]}]}}}"#,
        );
        check(
            "ResourceSlice",
            r#"{"spec":{"devices":[{"name":"d","basic":{"attributes":{"a":{"int":1}}}}]}}"#,
            r#"{"spec":{"devices":[{"name":"d","attributes":{"a":{"int":1}}}]}}"#,
        );
        check("DeviceClass", r#"{"spec":{}}"#, r#"{"spec":{}}"#);
    }
}
