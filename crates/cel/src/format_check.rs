//! Checks of `format` whose text and list are written out.

use crate::checker::Checked;
use crate::library::{FormatError, FormatPart, parts};
use crate::problem::Problem;
use crate::syntax::{Expr, Literal, SyntaxNode};
use crate::types::Type;

/// The problem of a call whose format and list are written out.
pub fn check(call: &Expr, checked: &Checked) -> Option<Problem> {
    let SyntaxNode::Call { function, target: Some(target), arguments } = &call.node else { return None };
    let (Some(Literal::Text(format)), [list]) = (target.as_literal(), arguments.as_slice()) else {
        return None;
    };
    let SyntaxNode::List(items) = &list.node else { return None };
    if function != "format" {
        return None;
    }
    let problem = |at: usize, message: String| Some(Problem { at, message });
    let mut index = 0;
    for part in parts(format) {
        match (part, items.get(index)) {
            (Ok(FormatPart::Text(_)), _) => {}
            (_, None) => return problem(call.at, format!("index {index} out of range")),
            (Err(error), _) => return problem(call.at, error.to_string()),
            (Ok(FormatPart::Clause(sign, _)), Some((item, _))) => {
                if let Some((bad, name)) = unfit_part(item, sign, checked) {
                    let error = FormatError::Unfit(sign, name);
                    return problem(bad, format!("error during formatting: {error}"));
                }
                index += 1;
            }
        }
    }
    let count = items.len();
    (count > index).then(|| Problem {
        at: call.at,
        message: format!("too many arguments supplied to string.format (expected {index}, got {count})"),
    })
}

/// The part of a value that a verb cannot format, with the name of its type.
fn unfit_part(item: &Expr, sign: char, checked: &Checked) -> Option<(usize, String)> {
    let ty = checked.types.get(item.id).unwrap_or(&Type::Dyn);
    let fits = match sign {
        'd' | 'o' => matches!(ty, Type::Int | Type::Uint),
        'f' | 'e' => matches!(ty, Type::Double | Type::Text),
        'b' => matches!(ty, Type::Int | Type::Uint | Type::Bool),
        'x' | 'X' => matches!(ty, Type::Int | Type::Uint | Type::Text | Type::Bytes),
        _ => !matches!(ty, Type::Opaque(_) | Type::Struct(_) | Type::Optional(_)),
    };
    if !fits && !ty.is_loose() {
        let name = match ty {
            Type::List(_) => "list".to_owned(),
            Type::Map(..) => "map".to_owned(),
            Type::Optional(_) => "optional_type".to_owned(),
            other => other.runtime_name(),
        };
        return Some((item.at, name));
    }
    match &item.node {
        SyntaxNode::List(items) if sign == 's' => {
            items.iter().find_map(|(item, _)| unfit_part(item, sign, checked))
        }
        SyntaxNode::Map(entries) if sign == 's' => entries.iter().find_map(|(key, value, _)| {
            unfit_part(key, sign, checked).or_else(|| unfit_part(value, sign, checked))
        }),
        _ => None,
    }
}
