//! The selectors of a question about access: what cannot be read of them is ignored, and said.

use pintle_object::Value;
use pintle_object::selector::{FieldSelector, LabelSelector, Operator, Requirement};

/// How much of a selector could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    All,
    Some,
    None,
}

/// The field selector as a query would have it, and what to say about the parts that were ignored.
pub fn read(resource: Option<&Value>) -> (String, String) {
    let (fields, of_fields) = fields(resource.and_then(|resource| resource.get("fieldSelector")));
    let of_labels = labels(resource.and_then(|resource| resource.get("labelSelector")));
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
    (fields, notes.join("; "))
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

/// `key=value` or `key!=value`; nothing else can be asked of fields.
fn term(requirement: &Value) -> Option<String> {
    let operator = match requirement.str_at(&["operator"]) {
        "In" => "=",
        "NotIn" => "!=",
        _ => return None,
    };
    let [value] = requirement.list_at(&["values"]) else { return None };
    Some(format!("{}{operator}{}", requirement.str_at(&["key"]), value.as_str()?))
}

fn labels(selector: Option<&Value>) -> Read {
    let Some(selector) = selector else { return Read::All };
    let raw = selector.str_at(&["rawSelector"]);
    if !raw.is_empty() {
        return if LabelSelector::parse(raw).is_ok() { Read::All } else { Read::None };
    }
    let requirements = selector.list_at(&["requirements"]);
    how_much(requirements.iter().filter(|requirement| is_label_term(requirement)).count(), requirements.len())
}

fn is_label_term(requirement: &Value) -> bool {
    let operator = match requirement.str_at(&["operator"]) {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        _ => return false,
    };
    let values = requirement.list_at(&["values"]).iter().filter_map(Value::as_str).map(Into::into);
    Requirement::new(requirement.str_at(&["key"]).into(), operator, values.collect()).is_ok()
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
        let check = |json: &str, fields: &str, note: &str| {
            let resource = pintle_object::json::parse(json.as_bytes()).unwrap();
            assert_eq!(read(Some(&resource)), (fields.to_string(), note.to_string()), "{json}");
        };
        check("{}", "", "");
        check(r#"{"fieldSelector":{"rawSelector":"a=b"}}"#, "a=b", "");
        check(
            r#"{"fieldSelector":{"rawSelector":"a in b!!"},"labelSelector":{"rawSelector":"a in (b)"}}"#,
            "",
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
