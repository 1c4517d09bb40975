//! Simple JSON paths, as columns and subresources of a CustomResourceDefinition use them.
//!
//! ```text
//! .spec.replicas   .status.conditions[?(@.type=="Ready")].status   .metadata.annotations.a\.b/c   .spec.list[0]
//! ```

use pintle_object::{Text, Value};

/// A path of steps from an object to values in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    steps: Vec<PathStep>,
}

#[derive(Clone, Debug, PartialEq)]
enum PathStep {
    Field(Text),
    Index(i64),
    All,
    /// Items whose field has (or has not) a value.
    Where {
        field: Vec<Text>,
        equals: bool,
        value: Value,
    },
}

impl Path {
    /// Reads a path; `None` for others than these simple ones.
    pub fn parse(text: &str) -> Option<Path> {
        let mut steps = Vec::new();
        let mut rest = text.strip_prefix('$').unwrap_or(text);
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('[') {
                let (inner, after) = bracket(after)?;
                steps.push(step(inner)?);
                rest = after;
            } else {
                let after = rest.strip_prefix('.').unwrap_or(rest);
                let (name, after) = name(after);
                if name.is_empty() {
                    return None;
                }
                steps.push(if name == "*" { PathStep::All } else { PathStep::Field(Text::from(name)) });
                rest = after;
            }
        }
        Some(Path { steps })
    }

    /// The fields of a path that has nothing else.
    pub fn fields(&self) -> Option<Vec<Text>> {
        let fields = self.steps.iter().map(|step| match step {
            PathStep::Field(name) => Some(name.clone()),
            PathStep::Index(_) | PathStep::All | PathStep::Where { .. } => None,
        });
        fields.collect::<Option<Vec<Text>>>().filter(|fields| !fields.is_empty())
    }

    /// The first value that the path leads to.
    pub fn first<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        let mut found = vec![object];
        for step in &self.steps {
            found = found.into_iter().flat_map(|value| step.apply(value)).collect();
        }
        found.first().copied()
    }
}

impl PathStep {
    fn apply<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        let items = || value.as_list().unwrap_or(&[]);
        match self {
            PathStep::Field(name) => value.get(name).into_iter().collect(),
            PathStep::Index(index) => {
                let len = items().len() as i64;
                let place = if *index < 0 { len + index } else { *index };
                usize::try_from(place).ok().and_then(|place| items().get(place)).into_iter().collect()
            }
            PathStep::All => match value {
                Value::Map(map) => map.values().collect(),
                _ => items().iter().collect(),
            },
            PathStep::Where { field, equals, value } => {
                let fits = |item: &&Value| match at(item, field) {
                    Some(own) => (own == value) == *equals,
                    None => false,
                };
                items().iter().filter(fits).collect()
            }
        }
    }
}

/// The value at a path of fields.
pub fn at<'a>(object: &'a Value, path: &[Text]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, step| value.get(step))
}

/// A field's name up to the next step; a backslash escapes the next character.
fn name(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((place, c)) = chars.next() {
        match c {
            '\\' => name.extend(chars.next().map(|(_, next)| next)),
            '.' | '[' => return (name, text.get(place..).unwrap_or("")),
            c => name.push(c),
        }
    }
    (name, "")
}

/// The inside of a bracket, and the rest after it; a bracket inside quotes does not count.
fn bracket(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (place, c) in text.char_indices() {
        match (quote, c) {
            (None, ']') => return Some((text.get(..place)?, text.get(place + 1..)?)),
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    None
}

fn step(inner: &str) -> Option<PathStep> {
    let inner = inner.trim();
    if inner == "*" {
        return Some(PathStep::All);
    }
    if let Some(condition) = inner.strip_prefix("?(").and_then(|rest| rest.strip_suffix(')')) {
        let (left, equals, right) = match condition.split_once("!=") {
            Some((left, right)) => (left, false, right),
            None => condition.split_once("==").map(|(left, right)| (left, true, right))?,
        };
        let field = Path::parse(left.trim().strip_prefix('@')?)?.fields()?;
        return Some(PathStep::Where { field, equals, value: literal(right.trim())? });
    }
    match literal(inner)? {
        Value::Text(name) => Some(PathStep::Field(name)),
        Value::Int(index) => Some(PathStep::Index(index)),
        _ => None,
    }
}

fn literal(text: &str) -> Option<Value> {
    for quote in ['\'', '"'] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return Some(Value::from(inner));
        }
    }
    match text {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        number => number.parse().ok().map(Value::Int),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::json;

    fn check(path: &str, expected: Option<&str>) {
        let object = json::parse(
            br#"{"spec":{"n":1,"l":["a","b"],"a.b/c":"x","c":[{"type":"A","v":1},{"type":"B","v":2}]}}"#,
        )
        .unwrap();
        let found = Path::parse(path).and_then(|path| path.first(&object).map(json::to_string));
        assert_eq!(found.as_deref(), expected, "{path}");
    }

    #[test]
    fn simple_paths_are_followed() {
        check(".spec.n", Some("1"));
        check(".spec.l[1]", Some("\"b\""));
        check(".spec.l[-1]", Some("\"b\""));
        check(".spec.l[*]", Some("\"a\""));
        check(r".spec.a\.b/c", Some("\"x\""));
        check(".spec['a.b/c']", Some("\"x\""));
        check(r#".spec.c[?(@.type=="B")].v"#, Some("2"));
        check(r#".spec.c[?(@.type != 'A')].v"#, Some("2"));
        check(".spec.none.more", None);
        check(".spec..n", None);
        check(".spec.l[", None);
    }
}
