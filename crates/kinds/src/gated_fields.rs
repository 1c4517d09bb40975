//! Fields of features that are off: which they are is read from `gated_fields.txt`.

use pintle_object::{Map, Value};

const TEXT: &str = include_str!("gated_fields.txt");
/// The kinds with the spec of a pod, and its path.
const POD_SPECS: [(&str, &str); 9] = [
    ("Pod", "spec"),
    ("PodTemplate", "template.spec"),
    ("ReplicationController", "spec.template.spec"),
    ("ReplicaSet", "spec.template.spec"),
    ("Deployment", "spec.template.spec"),
    ("DaemonSet", "spec.template.spec"),
    ("StatefulSet", "spec.template.spec"),
    ("Job", "spec.template.spec"),
    ("CronJob", "spec.jobTemplate.spec.template.spec"),
];
const CONTAINERS: [&str; 3] = ["containers.*", "initContainers.*", "ephemeralContainers.*"];
const STATUSES: [&str; 3] =
    ["status.containerStatuses.*", "status.initContainerStatuses.*", "status.ephemeralContainerStatuses.*"];

/// The fields that a kind loses with the gates that are off.
#[derive(Clone, Debug, Default)]
pub struct GatedFields {
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    dropped: Vec<FieldPath>,
    used: Vec<FieldPath>,
}

/// A field by the steps that lead to it.
#[derive(Clone, Debug)]
struct FieldPath {
    steps: Vec<FieldStep>,
    only: Only,
}

#[derive(Clone, Debug)]
enum FieldStep {
    Field(&'static str),
    /// A field that goes with the last of its own.
    Emptied(&'static str),
    Each,
}

/// The condition under which the last field of a path is gated.
#[derive(Clone, Copy, Debug)]
enum Only {
    Always,
    Holds(&'static str),
    IsNot(&'static str),
}

impl GatedFields {
    /// The fields of a kind whose gates are off.
    pub fn of(kind: &str, is_on: &dyn Fn(&str) -> bool) -> GatedFields {
        let rows = table().filter(|(gate, ..)| !is_on(gate));
        let rows = rows.flat_map(|(_, row_kind, dropped, used)| {
            let prefix = if row_kind == "PodSpec" {
                POD_SPECS.iter().find(|(owner, _)| *owner == kind).map(|(_, prefix)| *prefix)
            } else {
                (row_kind == kind).then_some("")
            };
            prefix.map(|prefix| Row { dropped: paths(prefix, dropped), used: paths(prefix, used) })
        });
        GatedFields { rows: rows.collect() }
    }

    /// Drops the fields that the old object, if there is one, does not use.
    pub fn drop(&self, new: &mut Value, old: Option<&Value>) {
        for row in &self.rows {
            if old.is_some_and(|old| row.used.iter().any(|path| path.is_used(old))) {
                continue;
            }
            row.dropped.iter().for_each(|path| path.remove(new));
        }
    }
}

/// Gates, kinds, and the fields of each as text.
pub fn table() -> impl Iterator<Item = (&'static str, &'static str, &'static str, &'static str)> {
    TEXT.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut columns = line.split('|').map(str::trim);
        let (gate, kind, dropped) = (columns.next()?, columns.next()?, columns.next()?);
        Some((gate, kind, dropped, columns.next().unwrap_or(dropped)))
    })
}

fn paths(prefix: &'static str, text: &'static str) -> Vec<FieldPath> {
    let one = |text: &'static str| -> Vec<FieldPath> {
        let lists: &[&'static str] = match text.get(..1) {
            Some("@") => &CONTAINERS,
            Some("%") => &STATUSES,
            _ => &[""],
        };
        let rest = text.trim_start_matches(['@', '%']).trim_start_matches('.');
        let rest = if lists.len() > 1 { rest.trim_start_matches("*.") } else { rest };
        lists.iter().map(|list| FieldPath::parse([prefix, list, rest])).collect()
    };
    text.split_whitespace().flat_map(one).collect()
}

impl FieldPath {
    fn parse(parts: [&'static str; 3]) -> FieldPath {
        let mut only = Only::Always;
        let names = parts.into_iter().flat_map(|part| part.split('.')).filter(|name| !name.is_empty());
        let steps = names.map(|name| {
            if let Some((name, inner)) = name.split_once('?') {
                only = Only::Holds(inner);
                return FieldStep::Field(name);
            }
            if let Some((name, text)) = name.split_once('!') {
                only = Only::IsNot(text);
                return FieldStep::Field(name);
            }
            match name.strip_suffix('~') {
                Some(name) => FieldStep::Emptied(name),
                None if name == "*" => FieldStep::Each,
                None => FieldStep::Field(name),
            }
        });
        let steps = steps.collect();
        FieldPath { steps, only }
    }

    fn is_used(&self, object: &Value) -> bool {
        self.is_used_from(&self.steps, object)
    }

    fn is_used_from(&self, steps: &[FieldStep], value: &Value) -> bool {
        let Some((step, rest)) = steps.split_first() else { return self.counts(value) };
        match (step, value) {
            (FieldStep::Each, Value::List(items)) => items.iter().any(|item| self.is_used_from(rest, item)),
            (FieldStep::Each, Value::Map(map)) => map.values().any(|item| self.is_used_from(rest, item)),
            (FieldStep::Field(name) | FieldStep::Emptied(name), Value::Map(map)) => {
                map.get(name).is_some_and(|inner| self.is_used_from(rest, inner))
            }
            _ => false,
        }
    }

    /// Whether the row applies to a present value.
    fn counts(&self, value: &Value) -> bool {
        match self.only {
            Only::Always => !is_nothing(value),
            Only::Holds(inner) => value.get(inner).is_some_and(|inner| !is_nothing(inner)),
            Only::IsNot(text) => value.as_str().is_some_and(|found| found != text),
        }
    }

    fn remove(&self, object: &mut Value) {
        self.remove_from(&self.steps, object);
    }

    fn remove_from(&self, steps: &[FieldStep], value: &mut Value) {
        let Some((step, rest)) = steps.split_first() else { return };
        match (step, value) {
            (FieldStep::Each, Value::List(items)) => {
                items.iter_mut().for_each(|item| self.remove_from(rest, item));
            }
            (FieldStep::Each, Value::Map(map)) => {
                map.iter_mut().for_each(|(_, item)| self.remove_from(rest, item));
            }
            (FieldStep::Field(name) | FieldStep::Emptied(name), Value::Map(map)) => {
                self.remove_field(name, matches!(step, FieldStep::Emptied(_)), rest, map);
            }
            _ => {}
        }
    }

    fn remove_field(&self, name: &str, goes_when_empty: bool, rest: &[FieldStep], map: &mut Map) {
        let Some(inner) = map.get_mut(name) else { return };
        let goes = if rest.is_empty() {
            match self.only {
                Only::Always => true,
                Only::Holds(_) | Only::IsNot(_) => self.counts(inner),
            }
        } else {
            let before = inner.clone();
            self.remove_from(rest, inner);
            goes_when_empty && *inner != before && inner.as_map().is_some_and(Map::is_empty)
        };
        if goes {
            map.remove(name);
        }
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::List(items) => items.is_empty(),
        Value::Text(text) => text.is_empty(),
        Value::Map(_) | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Raw(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::json;

    /// An object in which a path leads to something.
    fn sample(path: &FieldPath) -> Value {
        let last = match path.only {
            Only::Always | Only::IsNot(_) => Value::from("x"),
            Only::Holds(inner) => Value::Map(Map::from_iter([(inner, "x")])),
        };
        path.steps.iter().rev().fold(last, |inner, step| match step {
            FieldStep::Field(name) | FieldStep::Emptied(name) => Value::Map(Map::from_iter([(*name, inner)])),
            FieldStep::Each => Value::List(vec![inner]),
        })
    }

    #[test]
    fn every_field_of_the_table_goes_with_its_gate_and_stays_where_it_is_used() {
        for (gate, kind, ..) in table() {
            let kind = if kind == "PodSpec" { "Deployment" } else { kind };
            let off = GatedFields::of(kind, &|name| name != gate);
            let on = GatedFields::of(kind, &|_| true);
            assert!(on.rows.is_empty());
            assert!(!off.rows.is_empty(), "{gate} {kind}");
            for path in off.rows.iter().flat_map(|row| &row.dropped) {
                let full = sample(path);
                let mut new = full.clone();
                off.drop(&mut new, None);
                assert!(!path.is_used(&new), "{gate} {kind} {path:?}");
                let mut new = full.clone();
                off.drop(&mut new, Some(&Value::map()));
                assert!(!path.is_used(&new), "{gate} {kind} {path:?}");
            }
            for row in &off.rows {
                for path in &row.used {
                    let mut new = sample(path);
                    let alone = GatedFields { rows: vec![row.clone()] };
                    alone.drop(&mut new, Some(&sample(path)));
                    assert!(path.is_used(&new), "{gate} {kind} {path:?}");
                }
            }
        }
    }

    #[test]
    fn conditions_decide_what_goes() {
        let check = |gate: &'static str, kind: &str, object: &str, expected: &str| {
            let mut object = json::parse(object.as_bytes()).expect("test data is JSON");
            GatedFields::of(kind, &|name| name != gate).drop(&mut object, None);
            assert_eq!(json::to_string(&object), expected);
        };
        check(
            "ContainerStopSignals",
            "Pod",
            r#"{"spec":{"containers":[{"lifecycle":{"stopSignal":"SIGUSR1"}},{"lifecycle":{"preStop":{},"stopSignal":"X"}},{"lifecycle":{}}]}}"#,
            r#"{"spec":{"containers":[{},{"lifecycle":{"preStop":{}}},{"lifecycle":{}}]}}"#,
        );
        check(
            "ContainerRestartRules",
            "Pod",
            r#"{"spec":{"initContainers":[{"restartPolicy":"Always"},{"restartPolicy":"Never"}]}}"#,
            r#"{"spec":{"initContainers":[{"restartPolicy":"Always"},{}]}}"#,
        );
        check(
            "CrossNamespaceVolumeDataSource",
            "PersistentVolumeClaim",
            r#"{"spec":{"dataSourceRef":{"name":"a"}}}"#,
            r#"{"spec":{"dataSourceRef":{"name":"a"}}}"#,
        );
    }
}
