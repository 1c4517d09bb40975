//! The types of expressions.

use crate::library;
use crate::problem::Problem;
use crate::scope::Scope;
use crate::syntax::{Expr, Node};
use crate::types::Type;

const PATCH_FIELDS: [(&str, Type); 4] =
    [("op", Type::Text), ("path", Type::Text), ("from", Type::Text), ("value", Type::Dyn)];

struct Checker<'a> {
    scope: &'a Scope,
    locals: Vec<(String, Type)>,
    problems: Vec<Problem>,
}

/// The type of an expression, and what is wrong in it.
pub fn check(expression: &Expr, scope: &Scope) -> (Type, Vec<Problem>) {
    let mut checker = Checker { scope, locals: Vec::new(), problems: Vec::new() };
    let found = checker.of(expression);
    (found, checker.problems)
}

impl Checker<'_> {
    fn problem(&mut self, at: usize, message: String) -> Type {
        self.problems.push(Problem { at, message });
        Type::Error
    }

    fn undeclared(&mut self, at: usize, name: &str) -> Type {
        self.problem(at, format!("undeclared reference to '{name}' (in container '')"))
    }

    fn lookup(&self, name: &str) -> Option<Type> {
        let local = self.locals.iter().rev().find(|(known, _)| known == name);
        local.map(|(_, of)| of.clone()).or_else(|| self.scope.lookup(name))
    }

    fn of(&mut self, expression: &Expr) -> Type {
        let at = expression.at;
        match &expression.node {
            Node::Null => Type::Null,
            Node::Bool => Type::Bool,
            Node::Int => Type::Int,
            Node::Uint => Type::Uint,
            Node::Double => Type::Double,
            Node::Text => Type::Text,
            Node::Bytes => Type::Bytes,
            Node::Broken => Type::Error,
            Node::Ident(name) => match self.lookup(name) {
                Some(found) => found,
                None if is_type_name(name) => Type::Unknown,
                None => self.undeclared(at, name),
            },
            Node::Select { of, field, is_test, is_optional } => {
                let of = self.of(of);
                let found = self.field(at, &of, field);
                match (is_test, is_optional) {
                    (true, _) => Type::Bool,
                    (_, true) => Type::Unknown,
                    _ => found,
                }
            }
            Node::Call { function, target, arguments } => {
                self.call(at, function, target.as_deref(), arguments)
            }
            Node::List(items) => {
                let types: Vec<Type> = items.iter().map(|item| self.of(item)).collect();
                Type::list(types.into_iter().reduce(|a, b| a.joined(&b)).unwrap_or(Type::Free))
            }
            Node::Map(entries) => {
                let types: Vec<(Type, Type)> =
                    entries.iter().map(|(key, of)| (self.of(key), self.of(of))).collect();
                let joined = types.into_iter().reduce(|a, b| (a.0.joined(&b.0), a.1.joined(&b.1)));
                let (key, of) = joined.unwrap_or((Type::Free, Type::Free));
                Type::Map(Box::new(key), Box::new(of))
            }
            Node::Message { name, fields } => self.message(at, name, fields),
            Node::Loop { name, target, variables, arguments } => {
                self.looped(name, target, variables, arguments)
            }
        }
    }

    fn within(&mut self, locals: Vec<(String, Type)>, body: &Expr) -> Type {
        let count = self.locals.len();
        self.locals.extend(locals);
        let found = self.of(body);
        self.locals.truncate(count);
        found
    }

    fn field(&mut self, at: usize, of: &Type, field: &str) -> Type {
        match of {
            Type::Map(_, of) => (**of).clone(),
            Type::Struct(of) => match of.fields.iter().rev().find(|(name, _)| name == field) {
                Some((_, found)) => found.clone(),
                None if of.is_open => Type::Unknown,
                None => self.problem(at, format!("undefined field '{field}'")),
            },
            Type::Unknown => Type::Unknown,
            Type::Dyn | Type::Free | Type::Error => Type::Dyn,
            other => {
                self.problem(at, format!("type '{}' does not support field selection", other.name()));
                Type::Dyn
            }
        }
    }

    fn call(&mut self, at: usize, function: &str, target: Option<&Expr>, arguments: &[Expr]) -> Type {
        let qualified = target.and_then(dotted).map(|prefix| format!("{prefix}.{function}"));
        let has_patches = self.scope.has_objects;
        let qualified = qualified
            .filter(|name| library::is_known(name) && (has_patches || !name.starts_with("jsonpatch.")));
        let target = target.filter(|_| qualified.is_none());
        let name = qualified.as_deref().unwrap_or(function);
        let mut types: Vec<Type> = target.map(|target| self.of(target)).into_iter().collect();
        types.extend(arguments.iter().map(|argument| self.of(argument)));
        let is_operator =
            function.starts_with(['_', '@', '!', '-']) && target.is_none() && !is_word(function);
        let found = if is_operator {
            library::operator(function, &types)
        } else if library::is_known(name) {
            (!library::is_refused(name, &types)).then(|| library::result(name, &types))
        } else {
            return self.undeclared(at, function);
        };
        found.unwrap_or_else(|| {
            let names: Vec<String> = types.iter().map(Type::name).collect();
            let applied = match (target, names.split_first()) {
                (Some(_), Some((of, rest))) => format!("{of}.({})", rest.join(", ")),
                _ => format!("({})", names.join(", ")),
            };
            self.problem(at, format!("found no matching overload for '{function}' applied to '{applied}'"))
        })
    }

    fn message(&mut self, at: usize, name: &str, fields: &[(usize, String, Expr)]) -> Type {
        let is_patch = name == "JSONPatch";
        let is_object = name == "Object" || name.starts_with("Object.");
        let is_known = self.scope.has_objects && (is_patch || is_object);
        for (colon, field, value) in fields {
            let found = self.of(value);
            if !is_known || !is_patch {
                continue;
            }
            let wanted = PATCH_FIELDS.iter().find(|(name, _)| name == field).map(|(_, of)| of);
            if wanted.is_none_or(|wanted| !wanted.goes_with(&found)) {
                let (wanted, found) = (wanted.map(Type::name).unwrap_or_default(), found.name());
                let message =
                    format!("expected type of field '{field}' is '{wanted}' but provided type is '{found}'");
                self.problem(*colon, message);
            }
        }
        if !is_known {
            return self.undeclared(at, name);
        }
        Type::message(name)
    }

    fn looped(&mut self, name: &str, target: &Expr, variables: &[String], arguments: &[Expr]) -> Type {
        let range = self.of(target);
        if let ("bind", [variable], [body]) = (name, variables, arguments) {
            return self.within(vec![(variable.clone(), range)], body);
        }
        let first = match &range {
            Type::List(of) => (**of).clone(),
            Type::Map(key, _) => (**key).clone(),
            Type::Dyn | Type::Free | Type::Error => Type::Dyn,
            Type::Unknown => Type::Unknown,
            _ if name.starts_with("opt") => Type::Unknown,
            other => {
                let of = other.name();
                let message = format!(
                    "expression of type '{of}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                self.problem(target.at, message)
            }
        };
        let types: Vec<Type> = match (&range, variables.len()) {
            _ if name.starts_with("opt") => vec![Type::Unknown],
            (Type::List(of), 2) => vec![Type::Int, (**of).clone()],
            (Type::Map(key, of), 2) => vec![(**key).clone(), (**of).clone()],
            (_, 2) => vec![Type::Unknown, Type::Unknown],
            _ => vec![first.clone()],
        };
        let locals: Vec<(String, Type)> = variables.iter().cloned().zip(types).collect();
        let bodies: Vec<Type> = arguments.iter().map(|body| self.within(locals.clone(), body)).collect();
        match (name, bodies.last()) {
            ("all" | "exists" | "exists_one" | "existsOne", _) => Type::Bool,
            ("map", Some(of)) => Type::list(of.clone()),
            ("filter", _) => Type::list(first),
            _ => Type::Unknown,
        }
    }
}

fn is_word(function: &str) -> bool {
    function.chars().skip(1).any(|c| c.is_ascii_alphabetic()) && function != "@in"
}

fn is_type_name(name: &str) -> bool {
    ["bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type", "dyn"]
        .contains(&name)
}

/// The name that a chain of fields spells.
fn dotted(expression: &Expr) -> Option<String> {
    match &expression.node {
        Node::Ident(name) => Some(name.clone()),
        Node::Select { of, field, .. } => Some(format!("{}.{field}", dotted(of)?)),
        _ => None,
    }
}
