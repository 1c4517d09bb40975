//! Values as Go's `%#v` prints them, for the messages that show them.

use super::nodes::{NodeForm, Nodes};
use super::scalar::Scalar;
use crate::field::quote;
use crate::yaml::keys;
use crate::yaml::keys::YamlKey;

/// The bytes of a value in a message: a short value may expand to a whole document.
const SHOWN_BYTES_MAX: usize = 4 * 1024;

pub(super) fn key(key: &YamlKey<'_>) -> String {
    match key {
        YamlKey::Null => String::from("interface {}(nil)"),
        YamlKey::Bool(flag) => flag.to_string(),
        YamlKey::Int(int) => int.to_string(),
        YamlKey::UInt(int) => format!("0x{int:x}"),
        YamlKey::Float(bits) => float(f64::from_bits(*bits)),
        YamlKey::Text(text) => quote(text),
    }
}

/// The value of a node that was decoded.
pub(super) fn node(nodes: &Nodes, place: usize) -> String {
    let mut out = String::new();
    write(nodes, place, true, &mut out);
    out
}

fn write(nodes: &Nodes, place: usize, is_outermost: bool, out: &mut String) {
    if out.len() > SHOWN_BYTES_MAX {
        return;
    }
    let place = nodes.target(place);
    let separate = |out: &mut String, index: usize| {
        if index > 0 {
            out.push_str(", ");
        }
    };
    match nodes.form(place) {
        NodeForm::List => {
            out.push_str("[]interface {}{");
            for (index, child) in nodes.children(place).enumerate() {
                separate(out, index);
                write(nodes, child, false, out);
            }
            out.push('}');
        }
        NodeForm::Map => {
            out.push_str("map[interface {}]interface {}{");
            let mut pairs = keys::distinct_pairs(nodes, place).unwrap_or_default();
            pairs.sort();
            for (index, (key, value)) in pairs.iter().enumerate() {
                separate(out, index);
                out.push_str(&self::key(key));
                out.push(':');
                write(nodes, *value, false, out);
            }
            out.push('}');
        }
        NodeForm::Scalar | NodeForm::Alias => out.push_str(&scalar_text(nodes, place, is_outermost)),
    }
}

fn scalar_text(nodes: &Nodes, place: usize, is_outermost: bool) -> String {
    match keys::value(nodes, place).unwrap_or((Scalar::Null, None)) {
        (_, Some(binary)) => quote(&binary),
        (Scalar::Null, None) if is_outermost => String::from("<nil>"),
        (Scalar::Null, None) => key(&YamlKey::Null),
        (Scalar::Bool(flag), None) => flag.to_string(),
        (Scalar::Int(int), None) => int.to_string(),
        (Scalar::UInt(int), None) => format!("0x{int:x}"),
        (Scalar::Float(number), None) => float(number),
        (Scalar::Text(text), None) => quote(text),
    }
}

/// Go's `%g`: shortest, with an exponent below 1e-4 and from 1e6 on.
pub(super) fn float(number: f64) -> String {
    spelled(number, &format!("{number:e}"))
}

/// The name of a member whose key is a float: as one of 32 bits.
pub(super) fn float_name(number: f64) -> String {
    match spelled(number, &format!("{:e}", number as f32)) {
        text if text == "+Inf" => String::from(".inf"),
        text if text == "-Inf" => String::from("-.inf"),
        text if text == "NaN" => String::from(".nan"),
        text => text,
    }
}

/// `scientific` is the number with the shortest digits: `1.5e-7`.
fn spelled(number: f64, scientific: &str) -> String {
    const EXPONENT_MAX: i32 = 6;
    if number.is_nan() {
        return String::from("NaN");
    }
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return String::from(if number > 0.0 { "+Inf" } else { "-Inf" });
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..EXPONENT_MAX).contains(&exponent) {
        return scientific.parse::<f64>().map(|number| number.to_string()).unwrap_or_default();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}
