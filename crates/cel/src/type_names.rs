//! Names of types in expressions, and chains of fields that may spell one.

use crate::library;
use crate::syntax::{Expr, SyntaxNode};
use crate::types::Type;

/// The name that a chain of fields spells.
pub fn dotted(expression: &Expr) -> Option<String> {
    match &expression.node {
        SyntaxNode::Ident(name) => Some(name.clone()),
        SyntaxNode::Select { operand, field, is_test: false } => {
            Some(format!("{}.{field}", dotted(operand)?))
        }
        _ => None,
    }
}

/// The type of a name.
pub fn type_named(name: &str) -> Option<Type> {
    const NAMES: [&str; 12] = [
        "bool",
        "int",
        "uint",
        "double",
        "string",
        "bytes",
        "list",
        "map",
        "null_type",
        "type",
        "google.protobuf.Timestamp",
        "google.protobuf.Duration",
    ];
    let is_known = NAMES.contains(&name) || library::OPAQUE.contains(&name);
    is_known.then(|| library::named(name))
}
