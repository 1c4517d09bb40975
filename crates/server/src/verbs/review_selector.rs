//! The selectors of a question about access: unreadable parts are ignored, with a warning.

use pintle_object::Value;
use pintle_object::selector::{FieldSelector, LabelSelector, Operator, Requirement};

/// The extent to which a selector could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    All,
    Some,
    None,
}

/// The field selector and the label selector in the syntax of a query, and a warning about ignored parts.
pub fn read(resource: Option<&Value>) -> (String, String, String) {
    let (fields, of_fields) = fields(resource.and_then(|resource| resource.get("fieldSelector")));
    let (labels, of_labels) = labels(resource.and_then(|resource| resource.get("labelSelector")));
    let notes: Vec<String> = [("fieldSelector", of_fields), ("labelSelector", of_labels)]
        .into_iter()
        .filter_map(|(field, read)| {
            let ignored = match read {
                Read::All => return None,
                Read::Some => "partially ignored",
                Read::None => "ignored",
            };
            Some(format!("spec.resourceAttributes.{field} {ignored} due to parse error"))
        })
        .collect();
    (fields, labels, notes.join("; "))
}

fn fields(selector: Option<&Value>) -> (String, Read) {
    let Some(selector) = selector else { return (String::new(), Read::All) };
    let raw = selector.str_at(&["rawSelector"]);
    if !raw.is_empty() {
        return match FieldSelector::parse(raw) {
            Ok(_) => (raw.into(), Read::All),
            Err(_) => (String::new(), Read::None),
        };
    }
    let requirements = selector.list_at(&["requirements"]);
    let terms: Vec<String> = requirements.iter().filter_map(term).collect();
    let read = how_much(terms.len(), requirements.len());
    (terms.join(","), read)
}

/// `key=value` or `key!=value`, the only requirements on fields.
fn term(requirement: &Value) -> Option<String> {
    let operator = match requirement.str_at(&["operator"]) {
        "In" => "=",
        "NotIn" => "!=",
        _ => return None,
    };
    let [value] = requirement.list_at(&["values"]) else { return None };
    Some(format!("{}{operator}{}", requirement.str_at(&["key"]), value.as_str()?))
}

fn labels(selector: Option<&Value>) -> (String, Read) {
    let Some(selector) = selector else { return (String::new(), Read::All) };
    let raw = selector.str_at(&["rawSelector"]);
    if !raw.is_empty() {
        return match LabelSelector::parse(raw) {
            Ok(_) => (raw.into(), Read::All),
            Err(_) => (String::new(), Read::None),
        };
    }
    let requirements = selector.list_at(&["requirements"]);
    let terms: Vec<String> = requirements.iter().filter_map(label_term).collect();
    let read = how_much(terms.len(), requirements.len());
    (terms.join(","), read)
}

/// `key in (a,b)`, `key notin (a,b)`, `key` or `!key`.
fn label_term(requirement: &Value) -> Option<String> {
    let key = requirement.str_at(&["key"]);
    let texts: Vec<&str> = requirement.list_at(&["values"]).iter().filter_map(Value::as_str).collect();
    let (operator, term) = match requirement.str_at(&["operator"]) {
        "In" => (Operator::In, format!("{key} in ({})", texts.join(","))),
        "NotIn" => (Operator::NotIn, format!("{key} notin ({})", texts.join(","))),
        "Exists" => (Operator::Exists, key.into()),
        "DoesNotExist" => (Operator::DoesNotExist, format!("!{key}")),
        _ => return None,
    };
    let values = texts.into_iter().map(Into::into).collect();
    Requirement::new(key.into(), operator, values).ok().map(|_| term)
}

fn how_much(read: usize, all: usize) -> Read {
    match read {
        _ if read == all => Read::All,
        0 => Read::None,
        _ => Read::Some,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_ignored_and_said() {
        let check = |json: &str, selectors: &str, note: &str| {
            let resource = pintle_object::json::parse(json.as_bytes()).unwrap();
            let (fields, labels) = selectors.split_once(" ; ").unwrap_or((selectors, ""));
            assert_eq!(read(Some(&resource)), (fields.into(), labels.into(), note.into()), "{json}");
        };
        check("{}", "", "");
        check(r#"{"fieldSelector":{"rawSelector":"a=b"}}"#, "a=b", "");
        check(
            r#"{"labelSelector":{"requirements":[{"key":"a","operator":"In","values":["b","c"]},
                {"key":"d","operator":"DoesNotExist"}]}}"#,
            " ; a in (b,c),!d",
            "",
        );
        check(
            r#"{"fieldSelector":{"rawSelector":"a in b!!"},"labelSelector":{"rawSelector":"a in (b)"}}"#,
            " ; a in (b)",
            "spec.resourceAttributes.fieldSelector ignored due to parse error",
        );
        check(
            r#"{"fieldSelector":{"requirements":[{"key":"a","operator":"In","values":["b"]},
                {"key":"a","operator":"Exists"}]},"labelSelector":{"requirements":[{"key":"a","operator":"x"}]}}"#,
            "a=b",
            "spec.resourceAttributes.fieldSelector partially ignored due to parse error; \
             spec.resourceAttributes.labelSelector ignored due to parse error",
        );
    }
}
