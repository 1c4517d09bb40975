//! Named formats, and the errors of texts that do not match them.

use super::function::{Function, function};
use crate::value::{Error, Outcome, Value};
use pintle_object::time::Time;
use pintle_object::{bytes, content};
use std::rc::Rc;

/// A format: its name, the length of its pattern for costs, and the check of a text.
type Format = (&'static str, u64, fn(&str) -> Vec<String>);

const FORMATS: [Format; 13] = [
    ("dns1123Label", 30, |text| content::dns1123_label(text).to_vec()),
    ("dns1123Subdomain", 60, |text| content::dns1123_subdomain(text).to_vec()),
    ("dns1035Label", 30, |text| content::dns1035_label(text).to_vec()),
    ("qualifiedName", 60, |text| content::label_key(text).to_vec()),
    ("dns1123LabelPrefix", 30, |text| content::dns1123_label(&unfinished(text)).to_vec()),
    ("dns1123SubdomainPrefix", 60, |text| content::dns1123_subdomain(&unfinished(text)).to_vec()),
    ("dns1035LabelPrefix", 30, |text| content::dns1035_label(&unfinished(text)).to_vec()),
    ("labelValue", 40, |text| content::label_value(text).to_vec()),
    ("uri", 1536, |text| crate::url::parse(text).err().map(|error| error.to_string()).into_iter().collect()),
    ("uuid", 58, |text| complaint(is_uuid(text), "does not match the UUID format")),
    ("byte", 84, |text| complaint(!text.is_empty() && bytes::decode(text).is_ok(), "invalid base64")),
    ("date", 117, |text| complaint(is_date(text), "invalid date")),
    ("datetime", 117, |text| complaint(Time::parse(text).is_ok(), "invalid datetime")),
];

pub const FUNCTIONS: &[Function] = &[
    function("format.named", "string=optional(NamedFormat)", |given| match given {
        [Value::Text(name)] => {
            let found = FORMATS.iter().find(|(known, ..)| **name == **known);
            Ok(Value::Optional(found.map(|(name, ..)| Rc::new(Value::Format(name)))))
        }
        _ => Err(Error::no_overload()),
    }),
    function("validate", ".NamedFormat,string=optional(list(string))!validate", validate),
    function("format.dns1123Label", "=NamedFormat", |_| Ok(Value::Format("dns1123Label"))),
    function("format.dns1123Subdomain", "=NamedFormat", |_| Ok(Value::Format("dns1123Subdomain"))),
    function("format.dns1035Label", "=NamedFormat", |_| Ok(Value::Format("dns1035Label"))),
    function("format.qualifiedName", "=NamedFormat", |_| Ok(Value::Format("qualifiedName"))),
    function("format.dns1123LabelPrefix", "=NamedFormat", |_| Ok(Value::Format("dns1123LabelPrefix"))),
    function("format.dns1123SubdomainPrefix", "=NamedFormat", |_| {
        Ok(Value::Format("dns1123SubdomainPrefix"))
    }),
    function("format.dns1035LabelPrefix", "=NamedFormat", |_| Ok(Value::Format("dns1035LabelPrefix"))),
    function("format.labelValue", "=NamedFormat", |_| Ok(Value::Format("labelValue"))),
    function("format.uri", "=NamedFormat", |_| Ok(Value::Format("uri"))),
    function("format.uuid", "=NamedFormat", |_| Ok(Value::Format("uuid"))),
    function("format.byte", "=NamedFormat", |_| Ok(Value::Format("byte"))),
    function("format.date", "=NamedFormat", |_| Ok(Value::Format("date"))),
    function("format.datetime", "=NamedFormat", |_| Ok(Value::Format("datetime"))),
];

/// The length of a format's pattern, for cost estimates.
pub fn pattern_len(name: &str) -> u64 {
    FORMATS.iter().find(|(known, ..)| *known == name).map_or(0, |(_, len, _)| *len)
}

fn validate<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    let [Value::Format(name), Value::Text(text)] = given else { return Err(Error::no_overload()) };
    let found = FORMATS.iter().find(|(known, ..)| known == name).map(|(.., check)| check(text));
    let found = found.unwrap_or_default();
    if found.is_empty() {
        return Ok(Value::Optional(None));
    }
    Ok(Value::some(Value::list(found.into_iter().map(Value::text).collect())))
}

fn complaint(is_fine: bool, otherwise: &str) -> Vec<String> {
    if is_fine { Vec::new() } else { vec![otherwise.to_owned()] }
}

/// The prefix of a name may end with a dash: it is replaced by a letter for the check.
fn unfinished(text: &str) -> String {
    let mut text = text.to_owned();
    if text.len() > 1 && text.ends_with('-') {
        text.pop();
        text.pop();
        text.push('a');
    }
    text
}

fn is_uuid(text: &str) -> bool {
    let plain = text.replace('-', "");
    plain.len() == 32 && plain.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && Time::parse(&format!("{text}T00:00:00Z")).is_ok()
}
