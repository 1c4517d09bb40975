//! Values as Go's `fmt` prints them: messages of patches show trees this way.

use pintle_object::field::quote;
use pintle_object::{Value, json};

/// No message shows more of a value.
const SHOWN_BYTES_MAX: usize = 512 * 1024;

/// Go's `%v`.
pub fn text(value: &Value) -> String {
    let mut out = String::new();
    write_text(value, &mut out);
    out
}

fn write_text(value: &Value, out: &mut String) {
    if out.len() > SHOWN_BYTES_MAX {
        return;
    }
    match value {
        Value::Null => out.push_str("<nil>"),
        Value::Text(text) => out.push_str(text),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(index, " ", out);
                write_text(item, out);
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push_str("map[");
            for (index, (key, item)) in map.iter().enumerate() {
                separate(index, " ", out);
                out.push_str(key);
                out.push(':');
                write_text(item, out);
            }
            out.push(']');
        }
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => out.push_str(&json::to_string(value)),
        Value::Raw(_) => write_text(&crate::tree::tree(value), out),
    }
}

/// Go's `%#v`.
pub fn syntax(value: &Value) -> String {
    let mut out = String::new();
    write_syntax(value, &mut out);
    out
}

fn write_syntax(value: &Value, out: &mut String) {
    if out.len() > SHOWN_BYTES_MAX {
        return;
    }
    match value {
        Value::Null => out.push_str("interface {}(nil)"),
        Value::Text(text) => out.push_str(&quote(text)),
        Value::List(items) => {
            out.push_str("[]interface {}{");
            for (index, item) in items.iter().enumerate() {
                separate(index, ", ", out);
                write_syntax(item, out);
            }
            out.push('}');
        }
        Value::Map(map) => {
            out.push_str("map[string]interface {}{");
            for (index, (key, item)) in map.iter().enumerate() {
                separate(index, ", ", out);
                out.push_str(&quote(key));
                out.push(':');
                write_syntax(item, out);
            }
            out.push('}');
        }
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => out.push_str(&json::to_string(value)),
        Value::Raw(_) => write_syntax(&crate::tree::tree(value), out),
    }
}

fn separate(index: usize, separator: &str, out: &mut String) {
    if index > 0 {
        out.push_str(separator);
    }
}
