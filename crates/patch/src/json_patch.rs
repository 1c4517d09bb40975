//! JSON patch with the semantics of upstream's library, which differ from RFC 6902: indices may be negative, `replace`
//! makes a missing key, `test` takes a missing value for null, and text before a path's first slash is ignored.

use pintle_object::field::quote;
use pintle_object::json::read::TREE_DEPTH_MAX;
use pintle_object::{Map, Value};

/// Upstream refuses patches with more operations: each costs a walk through the object.
pub const OPERATIONS_MAX: usize = 10_000;
/// Bytes of JSON that all `copy` operations of a patch together may add.
pub const COPIED_BYTES_MAX: usize = 3 * 1024 * 1024;
/// The most that a patch may cost, in values walked over or shifted: a good half second. Ten thousand removals from
/// the front of a list of as many items cost most of it.
const WORK_MAX: usize = 60_000_000;

/// The reason why a JSON patch does not apply; clients see none of it, only a 422.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatchError(pub String);

impl std::fmt::Display for PatchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl PatchError {
    /// Whether a test of the patch found another value, so that the patch is not meant for the object.
    pub fn is_failed_test(&self) -> bool {
        self.0.starts_with(FAILED_TEST)
    }
}

const FAILED_TEST: &str = "testing value ";

/// Applies the operations of a patch (a list of maps with `op`, `path`, `from`, `value`) to an untyped tree.
///
/// No operation makes the tree deeper than a document may be, which later walks rely on.
pub fn json_patch(target: &mut Value, operations: &[Value]) -> Result<(), PatchError> {
    let mut spent = Spent::default();
    for operation in operations {
        let operation = operation.as_map().ok_or_else(|| refused("Unexpected kind: unknown"))?;
        apply(target, operation, &mut spent)?;
    }
    Ok(())
}

fn apply(target: &mut Value, operation: &Map, spent: &mut Spent) -> Result<(), PatchError> {
    let value = operation.get("value").unwrap_or(&NULL);
    match operation.get("op").and_then(Value::as_str).unwrap_or("unknown") {
        "add" => {
            let path =
                path(operation).map_err(|_| refused("add operation failed to decode path: missing value"))?;
            let place =
                PointerPlace::find(target, path).ok_or_else(|| unfound("add", "path", &quote(path)))?;
            spent.nest(place.depth, value)?;
            place.add(value.clone(), spent).map_err(|why| failed("add", path, &why))
        }
        "remove" => {
            let path = path(operation)
                .map_err(|_| refused("remove operation failed to decode path: missing value"))?;
            let place =
                PointerPlace::find(target, path).ok_or_else(|| unfound("remove", "path", &quote(path)))?;
            place.remove(spent).map(drop).map_err(|why| failed("remove", path, &why))
        }
        "replace" => replace(target, operation, value, spent),
        "test" => test(target, operation, value),
        "move" => move_value(target, operation, spent),
        "copy" => copy(target, operation, spent),
        other => Err(refused(&format!("Unexpected kind: {other}"))),
    }
}

fn replace(target: &mut Value, operation: &Map, value: &Value, spent: &mut Spent) -> Result<(), PatchError> {
    let path = path(operation).map_err(|why| undecoded("replace", "path", &why))?;
    if path.is_empty() {
        // Only another map or list takes the place of the whole.
        if matches!(value, Value::Map(_) | Value::List(_)) {
            *target = value.clone();
        }
        return Ok(());
    }
    let place = PointerPlace::find(target, path).ok_or_else(|| unfound("replace", "path", path))?;
    place.get().map_err(|_| unfound("replace", "key", path))?;
    spent.nest(place.depth, value)?;
    place.replace(value.clone()).map_err(|why| failed("remove", path, &why))
}

/// Compares a value; the error has only the path, since values may be secrets.
fn test(target: &mut Value, operation: &Map, value: &Value) -> Result<(), PatchError> {
    let path = path(operation).map_err(|why| undecoded("test", "path", &why))?;
    let missing =
        || refused(&format!("test operation does not apply: is missing path: {path}: missing value"));
    let is_equal = if path.is_empty() {
        target == value
    } else {
        let place = PointerPlace::find(target, path).ok_or_else(missing)?;
        place.get().map_err(|why| failed("test", path, &why))? == value
    };
    match is_equal {
        true => Ok(()),
        false => Err(refused(&format!("{FAILED_TEST}{path} failed: test failed"))),
    }
}

fn move_value(target: &mut Value, operation: &Map, spent: &mut Spent) -> Result<(), PatchError> {
    let from = from(operation).map_err(|why| undecoded("move", "from", &why))?;
    let source = PointerPlace::find(target, from).ok_or_else(|| unfound("move", "from path", from))?;
    let key = source.step.clone();
    source.get().map_err(|why| failed("move", &key, &why))?;
    let moved = source.remove(spent).map_err(|why| failed("move", &key, &why))?;
    let path = path(operation).map_err(|why| undecoded("move", "path", &why))?;
    let place = PointerPlace::find(target, path).ok_or_else(|| unfound("move", "destination path", path))?;
    spent.nest(place.depth, &moved)?;
    place.add(moved, spent).map_err(|why| failed("move", path, &why))
}

fn copy(target: &mut Value, operation: &Map, spent: &mut Spent) -> Result<(), PatchError> {
    let from = from(operation).map_err(|why| undecoded("copy", "from", &why))?;
    let source = PointerPlace::find(target, from).ok_or_else(|| unfound("copy", "from path", from))?;
    let copied = source.get().map_err(|why| refused(&format!("error in copy for from: '{from}': {why}")))?;
    let copied = copied.clone();
    let path = path(operation).map_err(|_| refused("copy operation failed to decode path: missing value"))?;
    let place = PointerPlace::find(target, path).ok_or_else(|| unfound("copy", "destination path", path))?;
    spent.copy(&copied)?;
    spent.nest(place.depth, &copied)?;
    let added = place.add(copied, spent);
    added.map_err(|why| refused(&format!("error while adding value during copy: {why}")))
}

fn path(operation: &Map) -> Result<&str, String> {
    member(operation, "path")
        .unwrap_or_else(|| Err(String::from("operation missing path field: missing value")))
}

fn from(operation: &Map) -> Result<&str, String> {
    member(operation, "from")
        .unwrap_or_else(|| Err(String::from("operation, missing from field: missing value")))
}

fn member<'a>(operation: &'a Map, key: &str) -> Option<Result<&'a str, String>> {
    let found = match operation.get(key)? {
        Value::Text(text) => Ok(text.as_ref()),
        Value::Null => return None,
        Value::Bool(_) => Err("bool"),
        Value::Int(_) | Value::Float(_) => Err("number"),
        Value::List(_) => Err("array"),
        Value::Map(_) | Value::Raw(_) => Err("object"),
    };
    Some(found.map_err(|word| format!("json: cannot unmarshal {word} into Go value of type string")))
}

fn undecoded(operation: &str, member: &str, why: &str) -> PatchError {
    refused(&format!("{operation} operation failed to decode {member}: {why}"))
}

fn unfound(operation: &str, part: &str, path: &str) -> PatchError {
    refused(&format!("{operation} operation does not apply: doc is missing {part}: {path}: missing value"))
}

fn failed(operation: &str, path: &str, why: &PatchError) -> PatchError {
    refused(&format!("error in {operation} for path: '{path}': {why}"))
}

/// The cost of a patch's operations so far.
#[derive(Default)]
struct Spent {
    copied_bytes: usize,
    work: usize,
}

impl Spent {
    fn work(&mut self, count: usize) -> Result<(), PatchError> {
        self.work = self.work.saturating_add(count);
        if self.work > WORK_MAX {
            return Err(refused("the operations of the patch cost too much"));
        }
        Ok(())
    }

    fn copy(&mut self, value: &Value) -> Result<(), PatchError> {
        self.copied_bytes = self.copied_bytes.saturating_add(pintle_object::json::len(value));
        if self.copied_bytes > COPIED_BYTES_MAX {
            return Err(refused(&format!(
                "Unable to complete the copy, the accumulated size increase of copy is {}, exceeding the limit \
                 {COPIED_BYTES_MAX}",
                self.copied_bytes
            )));
        }
        Ok(())
    }

    /// Checks that a value fits below a container at `depth`.
    fn nest(&mut self, depth: usize, value: &Value) -> Result<(), PatchError> {
        let mut count = 0;
        let height = height(value, &mut count);
        self.work(count)?;
        if depth + height > TREE_DEPTH_MAX {
            return Err(refused("exceeded max depth"));
        }
        Ok(())
    }
}

/// The lists and maps that nest in a value; counts its values.
fn height(value: &Value, count: &mut usize) -> usize {
    *count += 1;
    match value {
        Value::List(items) => 1 + items.iter().map(|item| height(item, count)).max().unwrap_or(0),
        Value::Map(map) => 1 + map.values().map(|item| height(item, count)).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::Raw(_) => 0,
    }
}

/// The container that a path leads to, and the last step in it.
struct PointerPlace<'a> {
    container: Container<'a>,
    step: String,
    /// The lists and maps on the way, the container included.
    depth: usize,
}

enum Container<'a> {
    Map(&'a mut Map),
    List(&'a mut Vec<Value>),
}

static NULL: Value = Value::Null;

impl<'a> PointerPlace<'a> {
    /// The place of a path; none where it leads nowhere.
    fn find(target: &'a mut Value, path: &str) -> Option<PointerPlace<'a>> {
        let (_, steps) = path.split_once('/')?;
        let (parents, last) =
            steps.rsplit_once('/').map_or((None, steps), |(parents, last)| (Some(parents), last));
        let (mut container, mut depth) = (target, 1);
        for step in parents.into_iter().flat_map(|parents| parents.split('/')) {
            container = match container {
                Value::Map(map) => map.get_mut(&unescape(step)),
                Value::List(items) => {
                    let index = index(&unescape(step), items.len()).ok()?;
                    items.get_mut(index)
                }
                _ => None,
            }?;
            depth += 1;
        }
        let container = match container {
            Value::Map(map) => Container::Map(map),
            Value::List(items) => Container::List(items),
            _ => return None,
        };
        Some(PointerPlace { container, step: unescape(last), depth })
    }

    /// The value; a missing key reads as null.
    fn get(&self) -> Result<&Value, PatchError> {
        match &self.container {
            Container::Map(map) => Ok(map.get(&self.step).unwrap_or(&NULL)),
            Container::List(items) => Ok(items.get(index(&self.step, items.len())?).unwrap_or(&NULL)),
        }
    }

    fn add(self, value: Value, spent: &mut Spent) -> Result<(), PatchError> {
        match self.container {
            Container::Map(map) => drop(map.insert(self.step.as_str(), value)),
            Container::List(items) if self.step == "-" => items.push(value),
            Container::List(items) => {
                let step = &self.step;
                let place = number(step).map_err(|why| {
                    refused(&format!("value was not a proper array index: '{step}': {why}"))
                })?;
                let place = within(place, items.len() + 1)?;
                spent.work(items.len() - place)?;
                items.insert(place, value);
            }
        }
        Ok(())
    }

    fn replace(self, value: Value) -> Result<(), PatchError> {
        match self.container {
            Container::Map(map) => drop(map.insert(self.step.as_str(), value)),
            Container::List(items) => {
                let place = index(&self.step, items.len())?;
                if let Some(item) = items.get_mut(place) {
                    *item = value;
                }
            }
        }
        Ok(())
    }

    fn remove(self, spent: &mut Spent) -> Result<Value, PatchError> {
        match self.container {
            Container::Map(map) => {
                let missing =
                    || refused(&format!("Unable to remove nonexistent key: {}: missing value", self.step));
                map.remove(&self.step).ok_or_else(missing)
            }
            Container::List(items) => {
                let place = index(&self.step, items.len())?;
                spent.work(items.len() - place)?;
                Ok(items.remove(place))
            }
        }
    }
}

/// A place in a list of `len` places; negative ones count from the end.
fn index(step: &str, len: usize) -> Result<usize, PatchError> {
    within(number(step)?, len)
}

/// A step as Go's `strconv.Atoi` reads it.
fn number(step: &str) -> Result<i64, PatchError> {
    let digits = step.strip_prefix(['-', '+']).unwrap_or(step);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let why = if is_number { "value out of range" } else { "invalid syntax" };
    step.parse().map_err(|_| refused(&format!("strconv.Atoi: parsing {}: {why}", quote(step))))
}

fn within(index: i64, len: usize) -> Result<usize, PatchError> {
    let place = if index < 0 { index.saturating_add_unsigned(len as u64) } else { index };
    let place = usize::try_from(place).ok().filter(|place| *place < len);
    place
        .ok_or_else(|| refused(&format!("Unable to access invalid index: {index}: invalid index referenced")))
}

fn unescape(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

fn refused(why: &str) -> PatchError {
    PatchError(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::json;

    fn patched(target: &str, patch: &str) -> Option<String> {
        let mut tree = json::parse(target.as_bytes()).unwrap();
        let patch = json::parse(patch.as_bytes()).unwrap();
        json_patch(&mut tree, patch.as_list().unwrap()).ok()?;
        Some(json::to_string(&tree))
    }

    #[test]
    fn operations_apply() {
        let cases = [
            (r#"{}"#, r#"[{"op":"add","path":"/a","value":1}]"#, r#"{"a":1}"#),
            (r#"{"a":[1,2]}"#, r#"[{"op":"add","path":"/a/-","value":3}]"#, r#"{"a":[1,2,3]}"#),
            (r#"{"a":[1,2]}"#, r#"[{"op":"add","path":"/a/0","value":3}]"#, r#"{"a":[3,1,2]}"#),
            (r#"{"a":[1,2]}"#, r#"[{"op":"add","path":"/a/-1","value":3}]"#, r#"{"a":[1,2,3]}"#),
            (r#"{"a":[1,2]}"#, r#"[{"op":"remove","path":"/a/-1"}]"#, r#"{"a":[1]}"#),
            (r#"{"a":[1,2]}"#, r#"[{"op":"replace","path":"/a/-2","value":5}]"#, r#"{"a":[5,2]}"#),
            (r#"{}"#, r#"[{"op":"replace","path":"/a","value":1}]"#, r#"{"a":1}"#),
            (r#"{}"#, r#"[{"op":"test","path":"/a","value":null}]"#, r#"{}"#),
            (r#"{}"#, r#"[{"op":"add","path":"/a"}]"#, r#"{"a":null}"#),
            (r#"{"x/y":{"~":1}}"#, r#"[{"op":"replace","path":"/x~1y/~0","value":2}]"#, r#"{"x/y":{"~":2}}"#),
            (r#"{"a":1}"#, r#"[{"op":"move","from":"/a","path":"/b"}]"#, r#"{"b":1}"#),
            (
                r#"{"a":{"b":1}}"#,
                r#"[{"op":"copy","from":"/a","path":"/c"}]"#,
                r#"{"a":{"b":1},"c":{"b":1}}"#,
            ),
            (r#"{"a":1}"#, r#"[{"op":"replace","path":"ignored/a","value":2}]"#, r#"{"a":2}"#),
            (r#"{"a":1}"#, r#"[]"#, r#"{"a":1}"#),
            (r#"{"a":1}"#, r#"[{"op":"replace","path":"","value":{"b":2}}]"#, r#"{"b":2}"#),
            (r#"{"a":1}"#, r#"[{"op":"replace","path":"","value":1}]"#, r#"{"a":1}"#),
        ];
        for (target, patch, expected) in cases {
            assert_eq!(patched(target, patch).as_deref(), Some(expected), "{patch}");
        }
    }

    #[test]
    fn operations_that_do_not_apply_are_refused() {
        let cases = [
            (r#"{}"#, r#"[{"op":"remove","path":"/a"}]"#),
            (r#"{}"#, r#"[{"op":"add","path":"/a/b","value":1}]"#),
            (r#"{}"#, r#"[{"op":"add","path":"","value":1}]"#),
            (r#"{}"#, r#"[{"op":"add","value":1}]"#),
            (r#"{}"#, r#"[{"path":"/a","value":1}]"#),
            (r#"{}"#, r#"[{"op":"bogus","path":"/a"}]"#),
            (r#"{}"#, r#"[1]"#),
            (r#"{"a":1}"#, r#"[{"op":"test","path":"/a","value":2}]"#),
            (r#"{"a":1}"#, r#"[{"op":"test","path":"/a"}]"#),
            (r#"{"a":1}"#, r#"[{"op":"add","path":"/a/b","value":2}]"#),
            (r#"{"a":[1]}"#, r#"[{"op":"add","path":"/a/2","value":2}]"#),
            (r#"{"a":[1]}"#, r#"[{"op":"add","path":"/a/-3","value":2}]"#),
            (r#"{"a":[1]}"#, r#"[{"op":"replace","path":"/a/1","value":2}]"#),
            (r#"{"a":[1]}"#, r#"[{"op":"replace","path":"/a/x","value":2}]"#),
            (r#"{"a":1}"#, r#"[{"op":"move","from":"/b","path":"/c"}]"#),
        ];
        for (target, patch) in cases {
            assert_eq!(patched(target, patch), None, "{patch}");
        }
    }

    #[test]
    fn copies_are_bounded() {
        let mut patch = String::from("[");
        for place in 0..30 {
            patch.push_str(&format!(r#"{{"op":"copy","from":"/a","path":"/b{place}"}},{{"op":"copy","from":"/b{place}","path":"/a/b{place}"}},"#));
        }
        patch.push_str(r#"{"op":"test","path":"/none","value":null}]"#);
        assert_eq!(patched(r#"{"a":{"text":"0123456789"}}"#, &patch), None);
    }

    /// A value copied into its own deepest map doubles the depth.
    #[test]
    fn trees_stay_within_the_depth_of_documents() {
        let nested =
            |depth: usize| format!("{}{}", r#"{"a":"#.repeat(depth - 1) + "{}", "}".repeat(depth - 1));
        let below = |depth: usize| "/a".repeat(depth);
        let add = format!(r#"{{"op":"add","path":"/d","value":{}}}"#, nested(300));
        let doubled = |op: &str| {
            format!(
                r#"[{add},{{"op":"copy","from":"/d","path":"/e"}},{{"op":"{op}","from":"/e","path":"/d{}"}}]"#,
                below(300)
            )
        };
        assert_eq!(patched("{}", &doubled("copy")), None);
        assert_eq!(patched("{}", &doubled("move")), None);
        let added = format!(r#"[{add},{{"op":"add","path":"/d{}","value":{}}}]"#, below(300), nested(300));
        assert_eq!(patched("{}", &added), None);
        let replaced =
            format!(r#"[{add},{{"op":"replace","path":"/d{}","value":{}}}]"#, below(300), nested(300));
        assert_eq!(patched("{}", &replaced), None);
        let fits = format!(r#"[{add},{{"op":"add","path":"/d{}","value":{}}}]"#, below(300), nested(199));
        assert!(patched("{}", &fits).is_some());
    }

    #[test]
    fn shifting_long_lists_is_bounded() {
        let list = format!(r#"{{"a":[{}0]}}"#, "0,".repeat(300_000));
        let move_back = r#"{"op":"move","from":"/a/-1","path":"/a/0"}"#;
        let patch = |count: usize| format!("[{}]", vec![move_back; count].join(","));
        assert!(patched(&list, &patch(10)).is_some());
        assert_eq!(patched(&list, &patch(1000)), None);
    }

    #[test]
    fn refusals_tell_no_values() {
        let mut tree = json::parse(br#"{"data":{"password":"old"}}"#).unwrap();
        let patch = json::parse(br#"[{"op":"test","path":"/data/password","value":"hunter2"}]"#).unwrap();
        let refused = json_patch(&mut tree, patch.as_list().unwrap()).unwrap_err();
        assert_eq!(refused.0, "testing value /data/password failed: test failed");
    }
}
