//! `Managed`: the entries of `metadata.managedFields`, read and written.

use crate::fields::FieldSet;
use pintle_object::field::quote;
use pintle_object::json;
use pintle_object::time::Time;
use pintle_object::value::RawJson;
use pintle_object::{Map, Text, Value};
use std::cmp::Ordering;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ManagedOperation {
    Apply,
    Update,
}

/// The fields that one manager owns, by one way of writing.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub manager: Text,
    pub operation: ManagedOperation,
    pub api_version: Text,
    pub subresource: Text,
    /// RFC 3339 in seconds; absent when the manager never changed anything.
    pub time: Option<Text>,
    pub fields: FieldSet,
}

/// The managers of an object; no two entries have the same identity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Managed {
    pub entries: Vec<Entry>,
}

impl ManagedOperation {
    fn as_str(self) -> &'static str {
        match self {
            ManagedOperation::Apply => "Apply",
            ManagedOperation::Update => "Update",
        }
    }
}

impl Entry {
    /// Whether two entries are of the same manager: an applier is one manager in all versions.
    pub fn is_same_manager(&self, other: &Entry) -> bool {
        self.manager == other.manager
            && self.operation == other.operation
            && self.subresource == other.subresource
            && (self.operation == ManagedOperation::Apply || self.api_version == other.api_version)
    }

    /// Upstream's identifier of the manager, which orders managers where nothing else does.
    pub fn identifier(&self) -> String {
        let mut map: Vec<(&str, &str)> = Vec::with_capacity(4);
        map.push(("manager", &self.manager));
        map.push(("operation", self.operation.as_str()));
        if self.operation == ManagedOperation::Update {
            map.push(("apiVersion", &self.api_version));
        }
        map.push(("subresource", &self.subresource));
        let pairs: Vec<String> = map
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(key, text)| format!("\"{key}\":{}", json::to_string(&Value::from(text))))
            .collect();
        format!("{{{}}}", pairs.join(","))
    }

    /// As messages about conflicts name the manager.
    pub fn describe(&self) -> String {
        let mut text = quote(&self.manager);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource {}", quote(&self.subresource)));
        }
        if self.operation == ManagedOperation::Update {
            text.push_str(&format!(" using {}", self.api_version));
        }
        text
    }

    pub(super) fn seconds(&self) -> i64 {
        let time = self.time.as_ref().and_then(|text| Time::parse(text).ok());
        time.map_or(0, |time| time.seconds)
    }

    fn read(entry: &Value, place: usize) -> Result<Entry, String> {
        let operation = match entry.str_at(&["operation"]) {
            "Apply" => ManagedOperation::Apply,
            "Update" => ManagedOperation::Update,
            _ => return Err("operation must be `Apply` or `Update`".into()),
        };
        let api_version = entry.str_at(&["apiVersion"]);
        if api_version.is_empty() {
            return Err("apiVersion must not be empty".into());
        }
        match entry.str_at(&["fieldsType"]) {
            "FieldsV1" => {}
            "" => return Err(format!("missing fieldsType in managed fields entry {place}")),
            other => {
                return Err(format!("invalid fieldsType {} in managed fields entry {place}", quote(other)));
            }
        }
        let fields = match entry.get("fieldsV1") {
            Some(Value::Raw(raw)) => FieldSet::parse(&raw.0),
            Some(tree) if !tree.is_null() => FieldSet::parse(&json::to_string(tree)),
            _ => Ok(FieldSet::new()),
        };
        let fields = fields.map_err(|error| format!("error decoding set: {error}"))?;
        Ok(Entry {
            manager: entry.str_at(&["manager"]).into(),
            operation,
            api_version: api_version.into(),
            subresource: entry.str_at(&["subresource"]).into(),
            time: entry.at(&["time"]).and_then(Value::as_str).map(Text::from),
            fields,
        })
    }

    fn write(&self) -> Value {
        let mut map = Map::with_capacity(7);
        map.insert("apiVersion", self.api_version.clone());
        map.insert("fieldsType", "FieldsV1");
        map.insert("fieldsV1", Value::Raw(Box::new(RawJson(self.fields.to_json()))));
        if !self.manager.is_empty() {
            map.insert("manager", self.manager.clone());
        }
        map.insert("operation", self.operation.as_str());
        if !self.subresource.is_empty() {
            map.insert("subresource", self.subresource.clone());
        }
        if let Some(time) = &self.time {
            map.insert("time", time.clone());
        }
        Value::Map(map)
    }
}

impl Managed {
    /// Reads `metadata.managedFields` of an object; absent is empty.
    pub fn of(object: &Value) -> Result<Managed, String> {
        let mut managed = Managed::default();
        for (place, entry) in object.list_at(&["metadata", "managedFields"]).iter().enumerate() {
            managed.put(Entry::read(entry, place)?);
        }
        Ok(managed)
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Sets the entry of a manager.
    pub fn put(&mut self, entry: Entry) {
        match self.entries.iter_mut().find(|known| known.is_same_manager(&entry)) {
            Some(known) => *known = entry,
            None => self.entries.push(entry),
        }
    }

    /// Takes out the entry of a manager.
    pub fn take(&mut self, like: &Entry) -> Option<Entry> {
        let place = self.entries.iter().position(|entry| entry.is_same_manager(like))?;
        Some(self.entries.remove(place))
    }

    /// Writes `metadata.managedFields` of an object: sorted, and absent if empty.
    pub fn write_to(mut self, object: &mut Value) {
        if self.entries.is_empty() {
            object.remove(&["metadata", "managedFields"]);
            return;
        }
        self.sort();
        let list: Vec<Value> = self.entries.iter().map(Entry::write).collect();
        object.set(&["metadata", "managedFields"], list);
    }

    /// Appliers first; then by time, manager, version and subresource.
    fn sort(&mut self) {
        self.entries.sort_by(|a, b| {
            let by_text = |a: &Text, b: &Text| a.as_str().cmp(b.as_str());
            let times: Ordering = a.seconds().cmp(&b.seconds());
            a.operation
                .cmp(&b.operation)
                .then(times)
                .then_with(|| by_text(&a.manager, &b.manager))
                .then_with(|| by_text(&a.api_version, &b.api_version))
                .then_with(|| by_text(&a.subresource, &b.subresource))
        });
    }
}
