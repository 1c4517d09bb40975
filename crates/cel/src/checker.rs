//! The types of expressions, and which overloads of functions are meant.

use crate::cost::Cost;
use crate::library::{self, Function};
use crate::problem::Problem;
use crate::scope::Scope;
use crate::syntax::{Comprehension, Expr, Literal, SyntaxNode};
use crate::type_names::{dotted, type_named};
use crate::types::Type;
use crate::unify::Substitutions;

const PATCH_FIELDS: [(&str, Type); 4] =
    [("op", Type::Text), ("path", Type::Text), ("from", Type::Text), ("value", Type::Dyn)];
const TIME_FIELDS: [(&str, Type); 2] = [("seconds", Type::Int), ("nanos", Type::Int)];

/// Facts about expressions, by their numbers.
pub struct Checked {
    pub types: Vec<Type>,
    pub calls: Vec<Option<Resolved>>,
    pub root: Type,
    pub problems: Vec<Problem>,
    pub uses: Vec<String>,
}

/// A call: the function, whether its target is an argument, and the costs of the matching overloads.
#[derive(Clone)]
pub struct Resolved {
    pub function: &'static Function,
    pub has_target: bool,
    pub costs: Vec<Cost>,
}

struct Checker<'a> {
    scope: &'a Scope,
    locals: Vec<(String, Type)>,
    known: Substitutions,
    found: Checked,
}

/// The types of an expression of `count` parts, and its errors.
pub fn check(expression: &Expr, count: usize, scope: &Scope) -> Checked {
    let found = Checked {
        types: vec![Type::Dyn; count],
        calls: vec![None; count],
        root: Type::Error,
        problems: Vec::new(),
        uses: Vec::new(),
    };
    let mut checker = Checker { scope, locals: Vec::new(), known: Substitutions::default(), found };
    let root = checker.type_of(expression);
    let mut found = checker.found;
    found.root = checker.known.resolve(&root, true);
    for ty in &mut found.types {
        *ty = checker.known.resolve(ty, true);
    }
    found
}

impl Checker<'_> {
    fn problem(&mut self, at: usize, message: String) -> Type {
        self.found.problems.push(Problem { at, message });
        Type::Error
    }

    fn undeclared(&mut self, at: usize, name: &str) -> Type {
        self.problem(at, format!("undeclared reference to '{name}' (in container '')"))
    }

    fn mismatch(&mut self, at: usize, expected: &Type, found: &Type) -> Type {
        let (expected, found) = (self.known.resolve(expected, true), self.known.resolve(found, true));
        let message = format!("expected type '{}' but found '{}'", expected.name(), found.name());
        self.problem(at, message)
    }

    fn lookup(&mut self, name: &str) -> Option<Type> {
        if let Some((_, ty)) = self.locals.iter().rev().find(|(known, _)| known == name) {
            return Some(ty.clone());
        }
        let found = self.scope.lookup(name)?;
        if !self.found.uses.iter().any(|used| used == name) {
            self.found.uses.push(name.to_owned());
        }
        Some(found)
    }

    /// The type of a variable whose name has dots, unless a loop has a variable of its first part.
    fn qualified(&mut self, name: &str) -> Option<Type> {
        let first = name.split('.').next().unwrap_or(name);
        let is_local = self.locals.iter().any(|(known, _)| known == first);
        if is_local || name == first { None } else { self.lookup(name) }
    }

    fn type_of(&mut self, expression: &Expr) -> Type {
        let found = self.looked_at(expression);
        if let Some(slot) = self.found.types.get_mut(expression.id) {
            *slot = found.clone();
        }
        found
    }

    fn looked_at(&mut self, expression: &Expr) -> Type {
        let at = expression.at;
        match &expression.node {
            SyntaxNode::Literal(literal) => type_of(literal),
            SyntaxNode::Broken => Type::Error,
            SyntaxNode::Ident(name) => match self.lookup(name) {
                Some(found) => found,
                None => match type_named(name) {
                    Some(named) => Type::Type(Box::new(named)),
                    None => self.undeclared(at, name),
                },
            },
            SyntaxNode::Select { operand: ty, field, is_test } => {
                if let Some(named) =
                    dotted(expression).filter(|_| !is_test).and_then(|name| type_named(&name))
                {
                    return Type::Type(Box::new(named));
                }
                if let Some(found) = dotted(expression).and_then(|name| self.qualified(&name)) {
                    return found;
                }
                let found = self.field(at, ty, field, false);
                if *is_test { Type::Bool } else { found }
            }
            SyntaxNode::Call { function, target, arguments } => {
                match (function.as_str(), arguments.as_slice()) {
                    ("_?._", [operand, field]) => {
                        let name = match field.as_literal() {
                            Some(Literal::Text(name)) => name.as_str(),
                            _ => "",
                        };
                        self.type_of(field);
                        self.resolved(expression, library::find("_?._"), false, vec![Cost::One]);
                        self.field(at, operand, name, true)
                    }
                    _ => self.call(expression, function, target.as_deref(), arguments),
                }
            }
            SyntaxNode::List(items) => {
                let mut joined: Option<Type> = None;
                for (item, is_optional) in items {
                    let ty = self.type_of(item);
                    let ty = self.item(item.at, ty, *is_optional);
                    joined = Some(self.joined(joined, ty));
                }
                Type::list(joined.unwrap_or_else(|| self.known.fresh()))
            }
            SyntaxNode::Map(entries) => self.map(entries),
            SyntaxNode::Message { name, fields } => self.message(at, name, fields),
            SyntaxNode::Comprehension(comprehension) => self.comprehension(comprehension),
        }
    }

    /// The type of an item, which may be missing if it is optional.
    fn item(&mut self, at: usize, ty: Type, is_optional: bool) -> Type {
        if !is_optional {
            return ty;
        }
        match self.known.resolve(&ty, false) {
            Type::Optional(ty) => *ty,
            found if found.is_loose() => Type::Dyn,
            found => self.mismatch(at, &Type::optional(found.clone()), &found),
        }
    }

    /// The type of both; `dyn` if that is not one type.
    fn joined(&mut self, before: Option<Type>, ty: Type) -> Type {
        match before {
            None => ty,
            Some(before) if before.is_loose() => before,
            Some(before) if self.known.assign(&before, &ty) => {
                if ty.is_loose() || matches!(before, Type::Null) { ty } else { before }
            }
            Some(_) => Type::Dyn,
        }
    }

    fn map(&mut self, entries: &[(Expr, Expr, bool)]) -> Type {
        let (mut keys, mut values): (Option<Type>, Option<Type>) = (None, None);
        for (key, value, is_optional) in entries {
            let ty = self.type_of(key);
            keys = Some(self.joined(keys, ty));
            let ty = self.type_of(value);
            let ty = self.item(value.at, ty, *is_optional);
            values = Some(self.joined(values, ty));
        }
        let key = keys.unwrap_or_else(|| self.known.fresh());
        let value = values.unwrap_or_else(|| self.known.fresh());
        Type::Map(Box::new(key), Box::new(value))
    }

    fn field(&mut self, at: usize, operand: &Expr, field: &str, is_optional: bool) -> Type {
        let ty = self.type_of(operand);
        let ty = self.known.resolve(&ty, false);
        let (ty, was_optional) = match ty {
            Type::Optional(ty) => (*ty, true),
            ty => (ty, false),
        };
        let found = match &ty {
            Type::Map(_, ty) => (**ty).clone(),
            Type::Struct(ty) => match ty.fields.get(field) {
                Some(found) => found.clone(),
                None if ty.is_open => Type::Unknown,
                None => self.problem(at, format!("undefined field '{field}'")),
            },
            Type::Param(_) => {
                self.known.assign(&Type::Dyn, &ty);
                Type::Dyn
            }
            Type::Unknown => Type::Unknown,
            Type::Dyn | Type::Error => Type::Dyn,
            // Objects of Kubernetes that only functions look into.
            Type::Opaque(name) if name.starts_with("kubernetes.") => {
                self.problem(at, format!("unexpected failed resolution of '{name}'"));
                Type::Dyn
            }
            other => {
                self.problem(at, format!("type '{}' does not support field selection", other.name()));
                Type::Dyn
            }
        };
        if is_optional || was_optional { Type::optional(found) } else { found }
    }

    fn resolved(
        &mut self,
        call: &Expr,
        function: Option<&'static Function>,
        has_target: bool,
        costs: Vec<Cost>,
    ) {
        if let (Some(slot), Some(function)) = (self.found.calls.get_mut(call.id), function) {
            *slot = Some(Resolved { function, has_target, costs });
        }
    }

    fn function(&self, name: &str) -> Option<&'static Function> {
        let is_there = self.scope.has_objects || name != "jsonpatch.escapeKey";
        library::find(name).filter(|_| is_there)
    }

    fn call(&mut self, call: &Expr, name: &str, target: Option<&Expr>, arguments: &[Expr]) -> Type {
        let mut given: Vec<(usize, Type)> =
            arguments.iter().map(|argument| (argument.at, self.type_of(argument))).collect();
        let qualified = target.and_then(dotted).and_then(|prefix| self.function(&format!("{prefix}.{name}")));
        let target = target.filter(|_| qualified.is_none());
        if let Some(target) = target {
            given.insert(0, (target.at, self.type_of(target)));
        }
        let Some(function) = qualified.or_else(|| self.function(name)) else {
            return self.undeclared(call.at, name);
        };
        if matches!(name, "_&&_" | "_||_") {
            return self.logic(call, function, &given);
        }
        let found = self.overload(call, function, target.is_some(), &given);
        found.unwrap_or_else(|| self.no_overload(call.at, function.name, target.is_some(), &given))
    }

    fn logic(&mut self, call: &Expr, function: &'static Function, given: &[(usize, Type)]) -> Type {
        self.resolved(call, Some(function), false, vec![Cost::Logic]);
        let mut found = Type::Bool;
        for (at, ty) in given {
            if !self.known.assign(ty, &Type::Bool) {
                found = self.mismatch(*at, &Type::Bool, ty);
            }
        }
        found
    }

    fn overload(
        &mut self,
        call: &Expr,
        function: &'static Function,
        has_target: bool,
        given: &[(usize, Type)],
    ) -> Option<Type> {
        let mut found: Option<Type> = None;
        let mut costs = Vec::new();
        for overload in function.overloads() {
            if overload.is_member != has_target || overload.takes.len() != given.len() {
                continue;
            }
            let fresh: Vec<Type> = (0..overload.params).map(|_| self.known.fresh()).collect();
            let takes: Vec<Type> = overload.takes.iter().map(|ty| instance(ty, &fresh)).collect();
            let pairs: Vec<(&Type, &Type)> = given.iter().map(|(_, ty)| ty).zip(&takes).collect();
            if !self.known.all(&pairs) {
                continue;
            }
            costs.push(overload.cost);
            let gives = self.known.resolve(&instance(&overload.gives, &fresh), false);
            found = Some(match found {
                None => gives,
                Some(before) if before.is_loose() || before.is_same(&gives) => before,
                Some(_) if given.iter().any(|(_, ty)| ty.is_unknown()) => Type::Unknown,
                Some(_) => Type::Dyn,
            });
        }
        self.resolved(call, Some(function), has_target, costs);
        found
    }

    fn no_overload(&mut self, at: usize, name: &str, has_target: bool, given: &[(usize, Type)]) -> Type {
        let names: Vec<String> = given.iter().map(|(_, ty)| self.known.resolve(ty, true).name()).collect();
        let applied = match names.split_first() {
            Some((ty, rest)) if has_target => format!("{ty}.({})", rest.join(", ")),
            _ => format!("({})", names.join(", ")),
        };
        self.problem(at, format!("found no matching overload for '{name}' applied to '{applied}'"))
    }

    fn message(&mut self, at: usize, name: &str, fields: &[(usize, String, Expr)]) -> Type {
        let known: Option<(&[(&str, Type)], Type)> = match name {
            "google.protobuf.Timestamp" => Some((&TIME_FIELDS, Type::Timestamp)),
            "google.protobuf.Duration" => Some((&TIME_FIELDS, Type::Duration)),
            "JSONPatch" if self.scope.has_objects => Some((&PATCH_FIELDS, Type::message(name))),
            _ => None,
        };
        let is_object = self.scope.has_objects && (name == "Object" || name.starts_with("Object."));
        let is_undeclared = known.is_none() && !is_object;
        for (colon, field, value) in fields {
            if is_undeclared {
                break;
            }
            let found = self.type_of(value);
            let Some((listed, _)) = &known else { continue };
            let Some((_, wanted)) = listed.iter().find(|(name, _)| name == field) else {
                let found = self.known.resolve(&found, true).name();
                let why = format!("expected type of field '{field}' is '' but provided type is '{found}'");
                let why = if name == "JSONPatch" { why } else { format!("undefined field '{field}'") };
                self.problem(*colon, why);
                continue;
            };
            if !self.known.assign(&found, wanted) {
                let (wanted, found) = (wanted.name(), self.known.resolve(&found, true).name());
                let message =
                    format!("expected type of field '{field}' is '{wanted}' but provided type is '{found}'");
                self.problem(*colon, message);
            }
        }
        match known {
            Some((_, ty)) => ty,
            None if is_object => Type::message(name),
            None => self.undeclared(at, name),
        }
    }

    fn comprehension(&mut self, comprehension: &Comprehension) -> Type {
        let range = self.type_of(&comprehension.range);
        let accu = self.type_of(&comprehension.init);
        let range = self.known.resolve(&range, false);
        let (first, second) = match &range {
            Type::List(ty) if comprehension.second.is_some() => (Type::Int, (**ty).clone()),
            Type::List(ty) => ((**ty).clone(), Type::Dyn),
            Type::Map(key, ty) => ((**key).clone(), (**ty).clone()),
            Type::Unknown => (Type::Unknown, Type::Unknown),
            Type::Dyn | Type::Error | Type::Param(_) => {
                self.known.assign(&Type::Dyn, &range);
                (Type::Dyn, Type::Dyn)
            }
            other => {
                let ty = self.known.resolve(other, true).name();
                let message = format!(
                    "expression of type '{ty}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                self.problem(comprehension.range.at, message);
                (Type::Error, Type::Error)
            }
        };
        let count = self.locals.len();
        self.locals.push((comprehension.accu.clone(), accu.clone()));
        self.locals.push((comprehension.var.clone(), first));
        self.locals.extend(comprehension.second.clone().map(|name| (name, second)));
        self.type_of(&comprehension.condition);
        let step = self.type_of(&comprehension.step);
        if !self.known.assign(&step, &accu) {
            self.mismatch(comprehension.step.at, &accu, &step);
        }
        self.locals.truncate(count + 1);
        let result = self.type_of(&comprehension.result);
        self.locals.truncate(count);
        self.known.resolve(&result, false)
    }
}

const fn type_of(literal: &Literal) -> Type {
    match literal {
        Literal::Null => Type::Null,
        Literal::Bool(_) => Type::Bool,
        Literal::Int(_) => Type::Int,
        Literal::Uint(_) => Type::Uint,
        Literal::Double(_) => Type::Double,
        Literal::Text(_) => Type::Text,
        Literal::Bytes(_) => Type::Bytes,
    }
}

/// A type of a table with its own parameters.
fn instance(ty: &Type, fresh: &[Type]) -> Type {
    match ty {
        Type::Param(number) => fresh.get(*number).cloned().unwrap_or(Type::Dyn),
        _ => ty.with_parts(&mut |part| instance(part, fresh)),
    }
}
