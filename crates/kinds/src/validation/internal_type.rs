//! Objects as the JSON of upstream's internal Go types, whose fields `api/internal.txt` lists.
//!
//! ```text
//! {"name":"v","hostPath":{"path":"/x"}} as Volume: {"Name":"v","HostPath":{"Path":"/x","Type":null},"EmptyDir":null,…}
//! ```

use super::unified_diff;
use pintle_object::Value;
use pintle_object::field::Shown;
use pintle_object::json::{write_string, write_value};
use std::collections::HashMap;

const TABLE: &str = include_str!("../../../../api/internal.txt");

/// An object, or `null`, as a type of the table.
pub fn shown(object: &Value, ty: &str) -> Shown {
    let mut out = Vec::new();
    Types::read().pointer(present(Some(object)), ty, &mut out);
    Shown(String::from_utf8_lossy(&out).into_owned())
}

/// A list of objects as a type of the table; no list at all is `null`.
pub fn shown_list(list: &[Value], ty: &str) -> Shown {
    let mut out = Vec::new();
    let list = (!list.is_empty()).then(|| Value::List(list.to_vec()));
    Types::read().list(list.as_ref(), ty, &mut out);
    Shown(String::from_utf8_lossy(&out).into_owned())
}

/// Changes from one object to another, line by line of their indented JSON.
pub fn difference(old: &Value, new: &Value, ty: &str) -> String {
    unified_diff::unified(&indented(&shown(old, ty).0), &indented(&shown(new, ty).0))
}

/// The table, parsed for every error that needs it.
struct Types(HashMap<&'static str, Vec<InternalField>>);

struct InternalField {
    go_name: &'static str,
    json_name: String,
    form: &'static str,
}

impl Types {
    fn read() -> Types {
        let mut types: HashMap<&str, Vec<InternalField>> = HashMap::new();
        let mut current = "";
        for line in TABLE.lines() {
            if let Some(name) = line.strip_suffix(':') {
                current = name;
                continue;
            }
            let fields = types.entry(current).or_default();
            fields.extend(line.trim().split(", ").map(InternalField::read));
        }
        Types(types)
    }

    fn object(&self, object: Option<&Value>, ty: &str, out: &mut Vec<u8>) {
        out.push(b'{');
        let mut is_first = true;
        self.fields(object, ty, &mut is_first, out);
        out.push(b'}');
    }

    fn fields(&self, object: Option<&Value>, ty: &str, is_first: &mut bool, out: &mut Vec<u8>) {
        for field in self.0.get(ty).into_iter().flatten() {
            let name = field.json_name.as_str();
            if field.form == "+" {
                let inner = if name.is_empty() { object } else { object.and_then(|object| object.get(name)) };
                self.fields(inner, field.go_name, is_first, out);
                continue;
            }
            let value = present(object.and_then(|object| object.get(name)));
            if field.form.starts_with('?') && value.is_none() {
                continue;
            }
            if !std::mem::take(is_first) {
                out.push(b',');
            }
            write_string(out, field.go_name);
            out.push(b':');
            self.field(value, field.form, out);
        }
    }

    fn field(&self, value: Option<&Value>, form: &str, out: &mut Vec<u8>) {
        match (form.trim_start_matches('?'), value) {
            ("s" | "n" | "b" | "*" | "", Some(value)) => write_value(out, value),
            ("s", None) => out.extend_from_slice(b"\"\""),
            ("n", None) => out.push(b'0'),
            ("b", None) => out.extend_from_slice(b"false"),
            ("*" | "", None) => out.extend_from_slice(b"null"),
            (form, value) => {
                if let Some(ty) = form.strip_prefix("[]") {
                    self.list(value, ty, out);
                } else if let Some(ty) = form.strip_prefix('*') {
                    self.pointer(value, ty, out);
                } else {
                    self.object(value, form, out);
                }
            }
        }
    }

    fn pointer(&self, value: Option<&Value>, ty: &str, out: &mut Vec<u8>) {
        match value {
            Some(value) => self.object(Some(value), ty, out),
            None => out.extend_from_slice(b"null"),
        }
    }

    fn list(&self, value: Option<&Value>, ty: &str, out: &mut Vec<u8>) {
        let Some(list) = value.and_then(Value::as_list) else {
            return out.extend_from_slice(b"null");
        };
        out.push(b'[');
        for (place, item) in list.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            self.object(Some(item), ty, out);
        }
        out.push(b']');
    }
}

impl InternalField {
    /// `Name s`, `DNSPolicy=dnsPolicy s`, `+VolumeSource`, `+ObjectMeta=metadata`
    fn read(text: &'static str) -> InternalField {
        if let Some(embedded) = text.strip_prefix('+') {
            let (go_name, json_name) = embedded.split_once('=').unwrap_or((embedded, ""));
            return InternalField { go_name, json_name: json_name.to_string(), form: "+" };
        }
        let (names, form) = text.split_once(' ').unwrap_or((text, "*"));
        let (go_name, json_name) = match names.split_once('=') {
            Some((go_name, json_name)) => (go_name, json_name.to_string()),
            None => (names, lower_camel(names)),
        };
        InternalField { go_name, json_name, form }
    }
}

fn present(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| !value.is_null())
}

fn lower_camel(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect()
}

/// Compact JSON over many lines, one space a level.
fn indented(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    let mut chars = json.chars().peekable();
    while let Some(c) = chars.next() {
        if in_text {
            out.push(c);
            in_text = is_escaped || c != '"';
            is_escaped = !is_escaped && c == '\\';
            continue;
        }
        match c {
            '{' | '[' if chars.peek().is_some_and(|next| matches!(next, '}' | ']')) => out.push(c),
            '{' | '[' => {
                out.push(c);
                depth += 1;
                new_line(depth, &mut out);
            }
            '}' | ']' => {
                if !out.ends_with(['{', '[']) {
                    depth = depth.saturating_sub(1);
                    new_line(depth, &mut out);
                }
                out.push(c);
            }
            ',' => {
                out.push(c);
                new_line(depth, &mut out);
            }
            ':' => out.push_str(": "),
            c => {
                in_text = c == '"';
                out.push(c);
            }
        }
    }
    out
}

fn new_line(depth: usize, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Value {
        pintle_object::json::parse(json.as_bytes()).expect("test data is JSON")
    }

    #[test]
    fn every_field_is_shown_under_its_go_name() {
        let cases = [
            ("NodeAddress", r#"{"type":"Hostname"}"#, r#"{"Type":"Hostname","Address":""}"#),
            ("TypedLocalObjectReference", r#"{"kind":"A"}"#, r#"{"APIGroup":null,"Kind":"A","Name":""}"#),
            ("ConfigMapEnvSource", r#"{"name":"a"}"#, r#"{"Name":"a","Optional":null}"#),
            ("LabelSelector", r#"{"matchLabels":{"a":"b"}}"#, r#"{"matchLabels":{"a":"b"}}"#),
            ("VolumeNodeAffinity", "null", "null"),
            (
                "NodeSelectorTerm",
                r#"{"matchFields":[{"key":"k","operator":"In","values":["v"]}]}"#,
                r#"{"MatchExpressions":null,"MatchFields":[{"Key":"k","Operator":"In","Values":["v"]}]}"#,
            ),
        ];
        for (ty, json, expected) in cases {
            assert_eq!(shown(&parse(json), ty).0, expected, "{ty}");
        }
    }

    #[test]
    fn every_type_that_a_field_names_is_in_the_table() {
        let types = Types::read();
        for (owner, fields) in &types.0 {
            for field in fields {
                let name = if field.form == "+" { field.go_name } else { field.form };
                let name = name.trim_start_matches(['?', '*', '[', ']']);
                let is_leaf = matches!(name, "" | "s" | "n" | "b");
                assert!(is_leaf || types.0.contains_key(name), "{owner}.{}: {name}", field.go_name);
            }
        }
    }

    #[test]
    fn a_difference_shows_the_lines_around_it() {
        let old = parse(r#"{"accessModes":["a"],"volumeName":"x","storageClassName":"s"}"#);
        let new = parse(r#"{"accessModes":["a"],"volumeName":"y","storageClassName":"s"}"#);
        let expected = "@@ -7,7 +7,7 @@\n   \"Limits\": null,\n   \"Requests\": null\n  },\n\
                        - \"VolumeName\": \"x\",\n+ \"VolumeName\": \"y\",\n  \"StorageClassName\": \"s\",\n\
                        \x20 \"VolumeMode\": null,\n  \"DataSource\": null,\n";
        assert_eq!(difference(&old, &new, "PersistentVolumeClaimSpec"), expected);
    }
}
