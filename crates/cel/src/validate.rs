//! Errors of expressions beyond their types: invalid literals.

use crate::checker::Checked;
use crate::format_check;
use crate::library;
use crate::problem::Problem;
use crate::syntax::{Expr, Literal, SyntaxNode};
use crate::types::Type;
use crate::value::{Text, Value};

/// All that is wrong, in the order of the checks.
pub fn check(expression: &Expr, checked: &Checked) -> Vec<Problem> {
    let mut found = Vec::new();
    expression.each(false, &mut |part, in_format| {
        literal(part, &mut found);
        if !in_format {
            aggregate(part, checked, &mut found);
        }
        found.extend(format_check::check(part, checked));
    });
    found
}

/// Durations, times and patterns that are written out are read already now.
fn literal(call: &Expr, found: &mut Vec<Problem>) {
    let SyntaxNode::Call { function, arguments, .. } = &call.node else { return };
    let Some((argument, literal)) = arguments.first().and_then(|one| Some((one, one.as_literal()?))) else {
        return;
    };
    let is_wrong = match (function.as_str(), literal) {
        ("duration" | "timestamp", Literal::Text(text)) => {
            let given = [Value::Text(Text::Borrowed(text))];
            library::find(function).is_some_and(|function| (function.run)(&given).is_err())
        }
        ("duration" | "timestamp", Literal::Null) => true,
        ("matches", Literal::Text(pattern)) => pintle_regexp::fault(pattern).is_some(),
        _ => false,
    };
    if is_wrong {
        found.push(Problem { at: argument.at, message: format!("invalid {function} argument") });
    }
}

/// Items of lists and maps that are written out have one type.
fn aggregate(of: &Expr, checked: &Checked, found: &mut Vec<Problem>) {
    let ty = |part: &Expr, is_optional: bool| {
        let ty = checked.types.get(part.id).cloned().unwrap_or(Type::Dyn);
        match ty {
            Type::Optional(inner) if is_optional => *inner,
            other => other,
        }
    };
    let mut same = |first: &mut Option<Type>, part: &Expr, is_optional: bool| {
        let ty = ty(part, is_optional);
        match first {
            None => *first = Some(ty),
            Some(first) if first.is_same(&ty) || first.is_unknown() || ty.is_unknown() => {}
            Some(first) => {
                let message = format!("expected type '{}' but found '{}'", first.name(), ty.name());
                found.push(Problem { at: part.at, message });
                return false;
            }
        }
        true
    };
    match &of.node {
        SyntaxNode::List(items) => {
            let mut first = None;
            let _ = items.iter().all(|(item, is_optional)| same(&mut first, item, *is_optional));
        }
        SyntaxNode::Map(entries) => {
            let (mut key_type, mut value_type) = (None, None);
            for (key, value, is_optional) in entries {
                same(&mut key_type, key, false);
                same(&mut value_type, value, *is_optional);
            }
        }
        _ => {}
    }
}
