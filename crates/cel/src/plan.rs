//! Checked expressions made ready to run: names resolved to slots, patterns compiled.

use crate::checker::Checked;
use crate::cost::Cost;
use crate::eval;
use crate::fault::Fault;
use crate::program::{ComprehensionStep, Program, ProgramStep};
use crate::syntax::{Comprehension, Expr, Literal, SyntaxNode};
use crate::type_names::{dotted, type_named};
use pintle_regexp::{Budget, Regexp};

/// Functions that make other values of literals before anything runs.
const CONVERSIONS: [&str; 9] =
    ["bool", "bytes", "double", "duration", "int", "string", "timestamp", "type", "uint"];

/// The program of a checked expression, or the error of a constant part.
pub fn plan(expression: &Expr, checked: &Checked, patterns: &Budget) -> Result<Program, Fault> {
    let mut planner = Planner { checked, patterns, locals: Vec::new(), depth: 0, depth_max: 0, fault: None };
    let root = planner.step(expression);
    match planner.fault {
        Some(fault) => Err(fault),
        None => Ok(Program { root, depth: planner.depth_max }),
    }
}

struct Planner<'a> {
    checked: &'a Checked,
    patterns: &'a Budget,
    locals: Vec<&'a str>,
    depth: usize,
    depth_max: usize,
    fault: Option<Fault>,
}

impl<'a> Planner<'a> {
    fn boxed(&mut self, expression: &'a Expr) -> Box<ProgramStep> {
        Box::new(self.step(expression))
    }

    fn pair(&mut self, a: &'a Expr, b: &'a Expr) -> Box<(ProgramStep, ProgramStep)> {
        Box::new((self.step(a), self.step(b)))
    }

    fn step(&mut self, expression: &'a Expr) -> ProgramStep {
        self.depth += 1;
        self.depth_max = self.depth_max.max(self.depth);
        let found = self.planned(expression);
        self.depth -= 1;
        found
    }

    fn planned(&mut self, expression: &'a Expr) -> ProgramStep {
        match &expression.node {
            SyntaxNode::Literal(literal) => ProgramStep::Literal(literal.clone()),
            SyntaxNode::Ident(name) => self.named(name),
            SyntaxNode::Select { operand, field, is_test } => {
                self.select(expression, operand, field, *is_test)
            }
            SyntaxNode::Call { target, arguments, .. } => self.call(expression, target.as_deref(), arguments),
            SyntaxNode::List(items) => {
                let items: Vec<_> = items.iter().map(|(item, opt)| (self.step(item), *opt)).collect();
                let is_constant = items.iter().all(|(item, opt)| item.is_constant() && !opt);
                constant_if(is_constant, ProgramStep::List(items))
            }
            SyntaxNode::Map(entries) => {
                let entries = entries.iter();
                let entries: Vec<_> =
                    entries.map(|(key, operand, opt)| (self.step(key), self.step(operand), *opt)).collect();
                let is_constant = entries
                    .iter()
                    .all(|(key, operand, opt)| key.is_constant() && operand.is_constant() && !opt);
                constant_if(is_constant, ProgramStep::Map(entries))
            }
            SyntaxNode::Message { name, fields } => {
                let fields = fields.iter();
                let fields = fields.map(|(_, field, operand)| (field.clone(), self.step(operand))).collect();
                ProgramStep::Message(name.clone(), fields)
            }
            SyntaxNode::Comprehension(comprehension) => self.comprehension(comprehension),
            SyntaxNode::Broken => ProgramStep::Broken,
        }
    }

    fn local(&self, name: &str) -> Option<usize> {
        self.locals.iter().rposition(|known| *known == name)
    }

    fn named(&self, name: &str) -> ProgramStep {
        let is_variable = self.checked.uses.iter().any(|used| used == name);
        match self.local(name) {
            Some(index) => ProgramStep::Local(index),
            None if !is_variable && type_named(name).is_some() => ProgramStep::Type(name.to_owned()),
            None => ProgramStep::Variable(name.to_owned()),
        }
    }

    fn select(&mut self, whole: &'a Expr, operand: &'a Expr, field: &str, is_test: bool) -> ProgramStep {
        if let Some(name) = dotted(whole).filter(|name| type_named(name).is_some()) {
            return ProgramStep::Type(name);
        }
        if let SyntaxNode::Ident(first) = &operand.node
            && self.local(first).is_none()
            && !is_test
        {
            let name = format!("{first}.{field}");
            if self.checked.uses.contains(&name) {
                return ProgramStep::Variable(name);
            }
        }
        let operand = Box::new(self.base(operand));
        let field = field.to_owned();
        if is_test { ProgramStep::Test(operand, field) } else { ProgramStep::Select(operand, field) }
    }

    fn call(&mut self, call: &'a Expr, target: Option<&'a Expr>, arguments: &'a [Expr]) -> ProgramStep {
        let Some(resolved) = self.checked.calls.get(call.id).and_then(Option::as_ref) else {
            return ProgramStep::Broken;
        };
        let target = target.filter(|_| resolved.has_target);
        match (resolved.function.name, arguments) {
            ("_&&_", [a, b]) => return ProgramStep::And(self.pair(a, b)),
            ("_||_", [a, b]) => return ProgramStep::Or(self.pair(a, b)),
            ("_[_]", [a, b]) => return ProgramStep::Index(Box::new((self.base(a), self.branch(b)))),
            ("_[?_]", [a, b]) => return ProgramStep::IndexOptional(Box::new((self.base(a), self.branch(b)))),
            ("@not_strictly_false", [a]) => return ProgramStep::NotFalse(self.boxed(a)),
            ("dyn", [a]) => {
                let step = self.step(a);
                return if step.is_constant() { step } else { ProgramStep::Dyn(Box::new(step)) };
            }
            ("_?_:_", [a, b, c]) => {
                return ProgramStep::If(Box::new((self.step(a), self.branch(b), self.branch(c))));
            }
            ("_?._", [operand, field]) => {
                let field = match field.as_literal() {
                    Some(Literal::Text(name)) => name.clone(),
                    _ => String::new(),
                };
                return ProgramStep::SelectOptional(Box::new(self.base(operand)), field);
            }
            _ => {}
        }
        let given: Vec<&'a Expr> = target.into_iter().chain(arguments).collect();
        let cost = match resolved.costs.as_slice() {
            [one] => *one,
            // With several possible overloads, the cost is known if it is the same for all.
            [first, rest @ ..] if rest.iter().all(|other| other == first) => *first,
            _ => Cost::One,
        };
        let function = resolved.function;
        let has_pattern = matches!(function.name, "matches" | "find" | "findAll");
        let steps = given.iter().enumerate().map(|(index, one)| match one.as_literal() {
            Some(Literal::Text(text)) if has_pattern && index == 1 => self.pattern(text),
            _ => self.step(one),
        });
        let steps: Vec<ProgramStep> = steps.collect();
        match steps.as_slice() {
            [one] if one.is_constant() && CONVERSIONS.contains(&function.name) => {
                let step = ProgramStep::Call(function, cost, steps);
                if let Some(why) = eval::constant_error(&step) {
                    self.fault.get_or_insert(Fault::Instantiation(why));
                }
                ProgramStep::Constant(Box::new(step))
            }
            // Whether something is one of a few values is looked up, and costs nothing.
            [_, ProgramStep::Constant(list)] if function.name == "@in" && is_set(list) => {
                ProgramStep::Call(function, Cost::Free, steps)
            }
            _ => ProgramStep::Call(function, cost, steps),
        }
    }

    /// The step that a field or an item is taken of.
    fn base(&mut self, expression: &'a Expr) -> ProgramStep {
        let step = self.step(expression);
        if step.is_chain() { step } else { ProgramStep::Base(Box::new(step)) }
    }

    fn branch(&mut self, expression: &'a Expr) -> ProgramStep {
        let step = self.step(expression);
        if step.is_path() { ProgramStep::Branch(Box::new(step)) } else { step }
    }

    fn pattern(&mut self, text: &str) -> ProgramStep {
        match Regexp::new(text, self.patterns) {
            Ok(regexp) => ProgramStep::Pattern(Box::new(regexp)),
            Err(fault) => {
                self.fault.get_or_insert_with(|| Fault::Pattern(fault.to_string()));
                ProgramStep::Broken
            }
        }
    }

    fn comprehension(&mut self, comprehension: &'a Comprehension) -> ProgramStep {
        let is_bind = comprehension.is_bind();
        let range = self.step(&comprehension.range);
        let init = self.step(&comprehension.init);
        let count = self.locals.len();
        self.locals.push(&comprehension.accu);
        let (condition, step) = match is_bind {
            true => (None, ProgramStep::Broken),
            false => {
                self.locals.push(&comprehension.var);
                self.locals.extend(comprehension.second.as_deref());
                let is_always =
                    matches!(comprehension.condition.node, SyntaxNode::Literal(Literal::Bool(true)));
                let condition = (!is_always).then(|| self.step(&comprehension.condition));
                (condition, self.grown(&comprehension.step, count))
            }
        };
        self.locals.truncate(count + 1);
        let result = self.step(&comprehension.result);
        self.locals.truncate(count);
        let has_second = comprehension.second.is_some();
        ProgramStep::Comprehension(Box::new(ComprehensionStep {
            range,
            init,
            has_second,
            condition,
            step,
            result,
            is_bind,
        }))
    }

    /// A step of a loop that makes a list or a map larger does so in place.
    fn grown(&mut self, step: &'a Expr, accu: usize) -> ProgramStep {
        let SyntaxNode::Call { function, target: None, arguments } = &step.node else {
            return self.step(step);
        };
        let is_accu = |operand: &Expr| match &operand.node {
            SyntaxNode::Ident(name) => self.local(name) == Some(accu),
            _ => false,
        };
        match (function.as_str(), arguments.as_slice()) {
            ("_?_:_", [asked, then, otherwise]) if is_accu(otherwise) => {
                let asked = self.step(asked);
                let then = self.grown(then, accu);
                ProgramStep::If(Box::new((asked, then, self.branch(otherwise))))
            }
            ("_+_", [operand, more]) if is_accu(operand) => match &more.node {
                SyntaxNode::List(items)
                    if items.len() == 1 && items.iter().all(|(_, is_optional)| !is_optional) =>
                {
                    ProgramStep::Grow(accu, items.iter().map(|(item, _)| self.step(item)).collect())
                }
                _ => self.step(step),
            },
            ("cel.@mapInsert", [operand, rest @ ..]) if is_accu(operand) => {
                ProgramStep::Grow(accu, rest.iter().map(|part| self.step(part)).collect())
            }
            _ => self.step(step),
        }
    }
}

fn constant_if(is_constant: bool, step: ProgramStep) -> ProgramStep {
    if is_constant { ProgramStep::Constant(Box::new(step)) } else { step }
}

/// Whether a list holds nothing but simple values that are written out.
fn is_set(list: &ProgramStep) -> bool {
    let ProgramStep::List(items) = list else { return false };
    let is_simple = |item: &ProgramStep| match item {
        ProgramStep::Literal(literal) => !matches!(literal, Literal::Null | Literal::Bytes(_)),
        _ => false,
    };
    items.iter().all(|(item, _)| is_simple(item))
}
