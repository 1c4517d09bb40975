//! Parts that cells of tables share: names, ages, lists that are cut short.

use pintle_object::time::Time;
use pintle_object::{LabelSelector, Value};

pub const NONE: &str = "<none>";
pub const UNSET: &str = "<unset>";
pub const UNKNOWN: &str = "<unknown>";

/// Lists in cells show this many items, then how many more there are.
const ITEMS_SHOWN_MAX: usize = 3;

pub fn name(object: &Value) -> Value {
    text(object, &["metadata", "name"])
}

pub fn age(object: &Value, now_seconds: i64) -> Value {
    Value::from(since(object.str_at(&["metadata", "creationTimestamp"]), now_seconds))
}

pub fn text(object: &Value, path: &[&str]) -> Value {
    Value::from(object.str_at(path))
}

/// The text at a path, or a placeholder.
pub fn text_or(object: &Value, path: &[&str], none: &str) -> Value {
    match object.str_at(path) {
        "" => Value::from(none),
        text => Value::from(text),
    }
}

/// The number at a path; 0 when absent.
pub fn int(object: &Value, path: &[&str]) -> Value {
    Value::Int(object.int_at(path).unwrap_or(0))
}

pub fn len(object: &Value, path: &[&str]) -> Value {
    let len = match object.at(path) {
        Some(Value::List(list)) => list.len(),
        Some(Value::Map(map)) => map.len(),
        _ => 0,
    };
    Value::Int(i64::try_from(len).unwrap_or(i64::MAX))
}

/// `True`, `False`, or `<unset>` when absent.
pub fn flag(object: &Value, path: &[&str]) -> Value {
    Value::from(match object.at(path).and_then(Value::as_bool) {
        Some(true) => "True",
        Some(false) => "False",
        None => UNSET,
    })
}

/// `a=1,b=2`, or `<none>`.
pub fn labels(object: &Value, path: &[&str]) -> Value {
    let shown: Vec<String> = object.map_at(path).map_or_else(Vec::new, |map| {
        map.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or(""))).collect()
    });
    if shown.is_empty() { Value::from(NONE) } else { Value::from(shown.join(",")) }
}

pub fn selector(object: &Value, path: &[&str]) -> Value {
    Value::from(LabelSelector::format(object.at(path)))
}

/// Names and images of the containers in the pod spec at a path: two cells.
pub fn containers(object: &Value, pod_spec: &[&str]) -> [Value; 2] {
    let path = [pod_spec, &["containers"]].concat();
    let list = object.list_at(&path);
    let join = |field: &str| {
        let texts: Vec<&str> = list.iter().map(|container| container.str_at(&[field])).collect();
        Value::from(texts.join(","))
    };
    [join("name"), join("image")]
}

/// `a,b,c + 2 more...`
pub fn shortened(items: &[String], none: &str) -> String {
    if items.is_empty() {
        return none.to_string();
    }
    let shown: Vec<&str> = items.iter().take(ITEMS_SHOWN_MAX).map(String::as_str).collect();
    let shown = shown.join(",");
    match items.len().saturating_sub(ITEMS_SHOWN_MAX) {
        0 => shown,
        more => format!("{shown} + {more} more..."),
    }
}

/// The age of a time; `<unknown>` for a time that was never set.
pub fn since(time: &str, now_seconds: i64) -> String {
    match seconds(time) {
        Some(then) => human_duration(now_seconds - then),
        None => UNKNOWN.to_string(),
    }
}

/// Seconds since 1970 of a time in the tree.
pub fn seconds(time: &str) -> Option<i64> {
    Time::parse_micro(time).or_else(|_| Time::parse(time)).ok().map(|time| time.seconds)
}

/// A duration as people read it, with two units at most: `59s`, `4m10s`, `3h`, `2d3h`, `1y5d`.
pub fn human_duration(seconds: i64) -> String {
    match seconds {
        ..-1 => return String::from("<invalid>"),
        -1..0 => return String::from("0s"),
        0..120 => return format!("{seconds}s"),
        _ => {}
    }
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let (days, years) = (hours / 24, hours / 24 / 365);
    if minutes < 10 {
        two_units(minutes, "m", seconds % 60, "s")
    } else if minutes < 180 {
        format!("{minutes}m")
    } else if hours < 8 {
        two_units(hours, "h", minutes % 60, "m")
    } else if hours < 48 {
        format!("{hours}h")
    } else if hours < 24 * 8 {
        two_units(days, "d", hours % 24, "h")
    } else if hours < 24 * 365 * 2 {
        format!("{days}d")
    } else if hours < 24 * 365 * 8 {
        two_units(years, "y", days % 365, "d")
    } else {
        format!("{years}y")
    }
}

fn two_units(first: i64, first_unit: &str, second: i64, second_unit: &str) -> String {
    if second == 0 {
        format!("{first}{first_unit}")
    } else {
        format!("{first}{first_unit}{second}{second_unit}")
    }
}

/// The row of a kind that keeps a number of replicas.
pub fn replicas(object: &Value, selector: Value, now_seconds: i64) -> Vec<Value> {
    let [names, images] = containers(object, &["spec", "template", "spec"]);
    vec![
        name(object),
        int(object, &["spec", "replicas"]),
        int(object, &["status", "replicas"]),
        int(object, &["status", "readyReplicas"]),
        age(object, now_seconds),
        names,
        images,
        selector,
    ]
}

/// The row of an admission policy, with the number of its rules in the given field.
pub fn admission_policy(object: &Value, rules: &str, now_seconds: i64) -> Vec<Value> {
    let parameters = match object.at(&["spec", "paramKind"]) {
        Some(kind) if !kind.is_null() => {
            format!("{}/{}", kind.str_at(&["apiVersion"]), kind.str_at(&["kind"]))
        }
        _ => UNSET.to_string(),
    };
    vec![name(object), len(object, &["spec", rules]), Value::from(parameters), age(object, now_seconds)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_upstream() {
        let cases = [
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (599, "9m59s"),
            (600, "10m"),
            (3 * 3600 - 1, "179m"),
            (3 * 3600 + 60, "3h1m"),
            (8 * 3600, "8h"),
            (48 * 3600, "2d"),
            (49 * 3600, "2d1h"),
            (9 * 86400, "9d"),
            (2 * 365 * 86400, "2y"),
            (9 * 365 * 86400, "9y"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(human_duration(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn long_lists_are_cut() {
        let items: Vec<String> = ["a", "b", "c", "d"].map(String::from).to_vec();
        assert_eq!(shortened(&items, NONE), "a,b,c + 1 more...");
        assert_eq!(shortened(&[], NONE), "<none>");
    }
}
