//! Objects as upstream's errors show them: with the names of Go's fields, and with every field.
//!
//! ```text
//! {"name":"a"} by [("Name", "name", Text), ("Count", "count", Nullable)] shows as {"Name":"a","Count":null}
//! ```

use pintle_object::Value;
use pintle_object::field::Shown;
use pintle_object::json::{write_string, write_value};

/// Fields in the order of Go's type: the name there, the name in JSON, and the text for an absent one.
pub type Shape = &'static [(&'static str, &'static str, Form)];

/// The Go syntax of a field's value.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    Text,
    Int,
    Bool,
    /// A pointer, list or map: `null` when absent, otherwise its JSON.
    Nullable,
    Struct(Shape),
    Pointer(Shape),
    List(Shape),
}

/// An object by its shape.
pub fn shown(object: &Value, shape: Shape) -> Shown {
    let mut out = Vec::new();
    write_object(object, shape, &mut out);
    Shown(String::from_utf8_lossy(&out).into_owned())
}

/// A list of objects by their shape.
pub fn shown_list(list: Option<&Value>, shape: Shape) -> Shown {
    let mut out = Vec::new();
    write_list(list, shape, &mut out);
    Shown(String::from_utf8_lossy(&out).into_owned())
}

fn write_object(object: &Value, shape: Shape, out: &mut Vec<u8>) {
    out.push(b'{');
    for (place, (go_name, name, form)) in shape.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_string(out, go_name);
        out.push(b':');
        write_field(object.get(name).filter(|value| !value.is_null()), *form, out);
    }
    out.push(b'}');
}

fn write_field(value: Option<&Value>, form: Form, out: &mut Vec<u8>) {
    match (form, value) {
        (Form::Struct(shape), value) => write_object(value.unwrap_or(&Value::Null), shape, out),
        (Form::Pointer(shape), Some(value)) => write_object(value, shape, out),
        (Form::List(shape), Some(value)) => write_list(Some(value), shape, out),
        (Form::Text | Form::Int | Form::Bool | Form::Nullable, Some(value)) => write_value(out, value),
        (Form::Text, None) => out.extend_from_slice(b"\"\""),
        (Form::Int, None) => out.push(b'0'),
        (Form::Bool, None) => out.extend_from_slice(b"false"),
        (Form::Nullable | Form::Pointer(_) | Form::List(_), None) => out.extend_from_slice(b"null"),
    }
}

fn write_list(list: Option<&Value>, shape: Shape, out: &mut Vec<u8>) {
    let Some(list) = list.and_then(Value::as_list) else {
        out.extend_from_slice(b"null");
        return;
    };
    out.push(b'[');
    for (place, item) in list.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_object(item, shape, out);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_shown() {
        const INNER: Shape = &[("Deep", "deep", Form::Bool)];
        const SHAPE: Shape = &[
            ("Name", "name", Form::Text),
            ("Count", "count", Form::Int),
            ("Inner", "inner", Form::Struct(INNER)),
            ("Pointer", "pointer", Form::Pointer(INNER)),
            ("List", "list", Form::List(INNER)),
            ("Keys", "keys", Form::Nullable),
        ];
        let object = pintle_object::json::parse(br#"{"name":"a","list":[{"deep":true}]}"#).expect("JSON");
        assert_eq!(
            shown(&object, SHAPE).0,
            r#"{"Name":"a","Count":0,"Inner":{"Deep":false},"Pointer":null,"List":[{"Deep":true}],"Keys":null}"#
        );
    }
}
