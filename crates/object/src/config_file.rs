//! Configuration files: one document of a known kind, in which nothing is that its kind does not have.

use crate::time::parse_duration;
use crate::{Value, json, yaml};

pub type Fields = &'static [(&'static str, Form)];

/// The values that a field may hold.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    Text,
    Bool,
    Integer,
    Duration,
    Texts,
    TextMap,
    Struct(Fields),
    List(Fields),
    /// Read by others.
    Any,
}

/// A kind of configuration files.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub group: &'static str,
    pub versions: &'static [&'static str],
    pub name: &'static str,
    /// Its fields besides `apiVersion` and `kind`.
    pub fields: Fields,
}

impl Kind {
    /// Reads a file, in YAML or JSON. Errors have upstream's words, where the words are not Go's.
    pub fn read(&self, text: &str) -> Result<Value, String> {
        let document = yaml::parse(text.as_bytes()).map_err(|error| error.0)?;
        self.check_name(&document.value, text)?;
        let mut strict = duplicates(&document.duplicates);
        let known = self.fields.iter().chain(TYPE_META);
        check_fields(&document.value, &known.copied().collect::<Vec<_>>(), "", &mut strict)?;
        joined(strict).map(|()| document.value)
    }

    /// Checks a document that is a part of another file.
    pub fn check(&self, document: &Value) -> Result<(), String> {
        self.check_name(document, &json::to_string(document))?;
        let mut strict = Vec::new();
        let known = self.fields.iter().chain(TYPE_META);
        check_fields(document, &known.copied().collect::<Vec<_>>(), "", &mut strict)?;
        joined(strict)
    }

    fn check_name(&self, document: &Value, text: &str) -> Result<(), String> {
        let (api_version, kind) = (document.str_at(&["apiVersion"]), document.str_at(&["kind"]));
        if kind.is_empty() {
            return Err(format!("Object 'Kind' is missing in '{text}'"));
        }
        if api_version.is_empty() {
            return Err(format!("Object 'apiVersion' is missing in '{text}'"));
        }
        let version = api_version.strip_prefix(self.group).and_then(|rest| rest.strip_prefix('/'));
        if kind == self.name && version.is_some_and(|version| self.versions.contains(&version)) {
            return Ok(());
        }
        Err(format!("no kind {kind:?} is registered for version {api_version:?}"))
    }
}

const TYPE_META: Fields = &[("apiVersion", Form::Text), ("kind", Form::Text)];

/// Reads a file of no version, of these fields only.
pub fn read_unversioned(text: &str, fields: &[(&'static str, Form)]) -> Result<Value, String> {
    let document = yaml::parse(text.as_bytes()).map_err(|error| error.0)?;
    let mut strict = duplicates(&document.duplicates);
    check_fields(&document.value, fields, "", &mut strict)?;
    joined(strict).map(|()| document.value)
}

/// Checks a document that is a part of another file, and has no version.
pub fn check_unversioned(document: &Value, fields: &[(&'static str, Form)]) -> Result<(), String> {
    let mut strict = Vec::new();
    check_fields(document, fields, "", &mut strict)?;
    joined(strict)
}

/// The fields of a document that are not among the known ones, for files that may have more; known ones fit.
pub fn unknown_fields(document: &Value, fields: Fields) -> Result<Vec<String>, String> {
    let mut unknown = Vec::new();
    check_fields(document, fields, "", &mut unknown)?;
    Ok(unknown)
}

fn duplicates(found: &[String]) -> Vec<String> {
    if found.is_empty() {
        Vec::new()
    } else {
        vec![format!("yaml: unmarshal errors:\n  {}", found.join("\n  "))]
    }
}

fn joined(strict: Vec<String>) -> Result<(), String> {
    if strict.is_empty() { Ok(()) } else { Err(format!("strict decoding error: {}", strict.join(", "))) }
}

/// Notes unknown fields, and fails at values that do not fit.
fn check_fields(
    value: &Value,
    known: &[(&'static str, Form)],
    at: &str,
    strict: &mut Vec<String>,
) -> Result<(), String> {
    let Some(map) = value.as_map() else {
        return Err(if at.is_empty() {
            "must be an object".into()
        } else {
            format!("{at}: must be an object")
        });
    };
    for (key, value) in map.iter() {
        let path = if at.is_empty() { key.to_string() } else { format!("{at}.{key}") };
        match known.iter().find(|(name, _)| *name == key) {
            None => strict.push(format!("unknown field {path:?}")),
            Some(_) if value.is_null() => {}
            Some((_, form)) => check_form(value, *form, &path, strict)?,
        }
    }
    Ok(())
}

fn check_form(value: &Value, form: Form, path: &str, strict: &mut Vec<String>) -> Result<(), String> {
    let fits = match form {
        Form::Any => true,
        Form::Text => value.as_str().is_some(),
        Form::Bool => value.as_bool().is_some(),
        Form::Integer => value.as_i64().is_some(),
        Form::Duration => value.as_str().is_some_and(|text| parse_duration(text).is_ok()),
        Form::Texts => value.as_list().is_some_and(|list| list.iter().all(|text| text.as_str().is_some())),
        Form::TextMap => {
            value.as_map().is_some_and(|map| map.iter().all(|(_, text)| text.as_str().is_some()))
        }
        Form::Struct(fields) => return check_fields(value, fields, path, strict),
        Form::List(fields) => {
            let Some(items) = value.as_list() else { return Err(format!("{path}: must be a list")) };
            let mut items = items.iter().enumerate();
            return items.try_for_each(|(index, item)| {
                check_fields(item, fields, &format!("{path}[{index}]"), strict)
            });
        }
    };
    if fits { Ok(()) } else { Err(format!("{path}: {} is not of the field's type", json::to_string(value))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind {
        group: "example.com",
        versions: &["v1"],
        name: "Example",
        fields: &[
            ("name", Form::Text),
            ("enabled", Form::Bool),
            ("list", Form::List(&[("count", Form::Integer)])),
            ("labels", Form::TextMap),
        ],
    };

    #[test]
    fn a_file_has_known_fields_once_and_of_their_types() {
        let check = |fields: &str, why: &str| {
            let text = format!("apiVersion: example.com/v1\nkind: Example\n{fields}");
            assert_eq!(KIND.read(&text).err().unwrap_or_default(), why, "{fields}");
        };
        check("name: x\nenabled: true\nlist: [{count: 1}]\nlabels: {a: b}\n", "");
        check("name: null", "");
        check(
            "nmae: x\nlist: [{cuont: 1}]",
            "strict decoding error: unknown field \"list[0].cuont\", unknown field \"nmae\"",
        );
        check("Name: x", "strict decoding error: unknown field \"Name\"");
        check("name: 1", "name: 1 is not of the field's type");
        check("enabled: x", "enabled: \"x\" is not of the field's type");
        check("list: {}", "list: must be a list");
        check("list: [1]", "list[0]: must be an object");
        check("labels: {a: 1}", "labels: {\"a\":1} is not of the field's type");
        let why = "strict decoding error: yaml: unmarshal errors:\n  line 4: key \"name\" already set in map";
        check("name: x\nname: z", why);
    }

    #[test]
    fn a_file_is_of_its_kind() {
        let check = |text: &str, why: &str| assert_eq!(KIND.read(text).unwrap_err(), why);
        check("name: x", "Object 'Kind' is missing in 'name: x'");
        check("kind: Example", "Object 'apiVersion' is missing in 'kind: Example'");
        for (version, kind) in [("example.com/v2", "Example"), ("v1", "Example"), ("example.com/v1", "Other")]
        {
            let why = format!("no kind {kind:?} is registered for version {version:?}");
            check(&format!("apiVersion: {version}\nkind: {kind}"), &why);
        }
    }
}
