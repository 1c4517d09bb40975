//! Functions and their overloads; types are written as text.

use crate::cost::Cost;
use crate::types::Type;
use crate::value::{Outcome, Value};

/// The body of a function. A call that fits no types is an error: `no such overload`.
pub type Run = for<'a> fn(&[Value<'a>]) -> Outcome<'a>;

/// A function: its name, its overloads, and its code.
///
/// ```text
/// .string,string=bool!contains;string=int
/// ```
/// `.` comes before the types of a function with a target (the first), `!` before its cost.
pub struct Function {
    pub name: &'static str,
    overloads: &'static str,
    pub run: Run,
}

pub const fn function(name: &'static str, overloads: &'static str, run: Run) -> Function {
    Function { name, overloads, run }
}

/// One of the ways to call a function. Parameters of types are numbered from 0.
pub struct Overload {
    pub is_member: bool,
    pub takes: Vec<Type>,
    pub gives: Type,
    pub params: usize,
    pub cost: Cost,
}

impl Function {
    pub fn overloads(&self) -> Vec<Overload> {
        self.overloads.split(';').filter(|text| !text.is_empty()).map(overload).collect()
    }
}

fn overload(text: &str) -> Overload {
    let (text, cost) = text.split_once('!').unwrap_or((text, ""));
    let (takes, gives) = text.split_once('=').unwrap_or((text, "dyn"));
    let is_member = takes.starts_with('.');
    let mut rest = takes.trim_start_matches('.');
    let mut found = Vec::new();
    while !rest.is_empty() {
        found.push(read(&mut rest));
        rest = rest.trim_start_matches(',');
    }
    let mut gives = gives;
    let gives = read(&mut gives);
    let params = found.iter().chain([&gives]).map(params).max().unwrap_or(0);
    Overload { is_member, takes: found, gives, params, cost: Cost::named(cost) }
}

/// The number of type parameters, which are numbered from zero.
fn params(of: &Type) -> usize {
    match of {
        Type::Param(number) => number + 1,
        _ => of.parts().into_iter().flatten().map(params).max().unwrap_or(0),
    }
}

/// Types that are opaque, or objects of Kubernetes.
pub const OPAQUE: [&str; 11] = [
    "kubernetes.Quantity",
    "kubernetes.Semver",
    "kubernetes.URL",
    "net.IP",
    "net.CIDR",
    "kubernetes.NamedFormat",
    "kubernetes.authorization.Authorizer",
    "kubernetes.authorization.PathCheck",
    "kubernetes.authorization.GroupCheck",
    "kubernetes.authorization.ResourceCheck",
    "kubernetes.authorization.Decision",
];

/// Reads a type and leaves the rest.
fn read(rest: &mut &str) -> Type {
    let end = rest.find([',', '(', ')']).unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    let Some(inner) = after.strip_prefix('(') else {
        *rest = after;
        return named(name);
    };
    *rest = inner;
    let first = Box::new(read(rest));
    let second = rest.strip_prefix(',').map(|after| {
        *rest = after;
        Box::new(read(rest))
    });
    *rest = rest.strip_prefix(')').unwrap_or(rest);
    match (name, second) {
        ("list", _) => Type::List(first),
        ("optional", _) => Type::Optional(first),
        ("type", _) => Type::Type(first),
        (_, Some(second)) => Type::Map(first, second),
        (_, None) => *first,
    }
}

/// A type of one name.
pub fn named(name: &str) -> Type {
    match name {
        "A" => Type::Param(0),
        "B" => Type::Param(1),
        "null_type" => Type::Null,
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" => Type::Text,
        "bytes" => Type::Bytes,
        "timestamp" | "google.protobuf.Timestamp" => Type::Timestamp,
        "duration" | "google.protobuf.Duration" => Type::Duration,
        "list" => Type::list(Type::Dyn),
        "map" => Type::Map(Box::new(Type::Dyn), Box::new(Type::Dyn)),
        "type" => Type::Type(Box::new(Type::Dyn)),
        other => {
            let found = OPAQUE.iter().find(|known| known.ends_with(other) && !other.is_empty());
            found.map_or(Type::Dyn, |name| Type::Opaque(name))
        }
    }
}
