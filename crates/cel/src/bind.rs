//! `Bindings`: the values of variables while a program runs.

use crate::decl::Decl;
use crate::eval::{Variables, run};
use crate::permissions::{Authorizer, Permissions, Question};
use crate::program::Program;
use crate::value::{Error, Outcome, Value};
use pintle_object::Value as Tree;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The beginning of names of a policy's variables.
const COMPOSED: &str = "variables.";

/// The meaning of a variable.
#[derive(Clone, Copy)]
pub enum Bound<'a> {
    Tree(&'a Tree, &'a Decl),
    /// Data that may be missing.
    Optional(Option<(&'a Tree, &'a Decl)>),
    Permissions(&'a (dyn Permissions + Sync)),
    /// A question about a resource that only lacks its verb.
    Asked(&'a (dyn Permissions + Sync), &'a Question),
    /// The result of another program, computed on first use.
    Program(&'a Program),
    /// A variable of the policy that has no program, and why.
    Broken(&'a str),
}

/// The depth of nested steps across variables of a policy that name each other: what the stack of an evaluation holds,
/// with room to spare.
const NESTED_DEPTH_MAX: usize = 2_000;

/// All variables while programs run, with the cached results of other programs.
pub(crate) struct Bindings<'a> {
    bound: &'a [(&'a str, Bound<'a>)],
    found: RefCell<Vec<Option<Outcome<'a>>>>,
    /// The cost of the programs of variables so far.
    pub cost: Cell<u64>,
    depth: Cell<usize>,
    limit: u64,
}

impl<'a> Bindings<'a> {
    pub fn new(bound: &'a [(&'a str, Bound<'a>)], limit: u64) -> Self {
        let found = RefCell::new(vec![None; bound.len()]);
        Self { bound, found, cost: Cell::new(0), depth: Cell::new(0), limit }
    }

    fn of_program(&self, slot: usize, name: &str, program: &'a Program) -> Outcome<'a> {
        if let Some(found) = self.found.borrow().get(slot).cloned().flatten() {
            return found;
        }
        // A variable that names itself finds this.
        self.keep(slot, Err(Error::new(format!("composited variable \"{name}\" names itself"))));
        let depth = self.depth.get().saturating_add(program.depth);
        let found = if depth > NESTED_DEPTH_MAX {
            Err(Error::new("variables name each other too deeply"))
        } else {
            let before = self.depth.replace(depth);
            let (found, cost) = run(program, self, self.limit);
            self.depth.set(before);
            self.cost.set(self.cost.get().saturating_add(cost));
            found
        };
        let found = found
            .map_err(|why| Error::new(format!("composited variable \"{name}\" fails to evaluate: {why}")));
        self.keep(slot, found.clone());
        found
    }

    fn keep(&self, slot: usize, outcome: Outcome<'a>) {
        if let Some(known) = self.found.borrow_mut().get_mut(slot) {
            *known = Some(outcome);
        }
    }

    fn at(&self, slot: usize, name: &str) -> Option<Outcome<'a>> {
        let (_, bound) = self.bound.get(slot)?;
        Some(match bound {
            Bound::Tree(tree, decl) => Value::of_tree(tree, decl),
            Bound::Optional(None) => Ok(Value::Optional(None)),
            Bound::Optional(Some((tree, decl))) => {
                Value::of_tree(tree, decl).map(|value| Value::Optional(Some(Rc::new(value))))
            }
            Bound::Permissions(by) => Ok(Value::Authorizer(Authorizer::new(*by))),
            Bound::Asked(by, question) => {
                Ok(Value::Authorizer(Authorizer::of_resource(*by, (*question).clone())))
            }
            Bound::Program(program) => self.of_program(slot, name, program),
            Bound::Broken(why) => {
                Err(Error::new(format!("composited variable \"{name}\" fails to compile: {why}")))
            }
        })
    }

    fn composed(&self) -> impl Iterator<Item = (usize, &'a str)> {
        let bound: &'a [(&'a str, Bound<'a>)] = self.bound;
        bound.iter().enumerate().filter_map(|(slot, (name, _))| Some((slot, name.strip_prefix(COMPOSED)?)))
    }
}

impl<'a> Variables<'a> for Bindings<'a> {
    fn find(&self, name: &str) -> Option<Outcome<'a>> {
        if let Some(slot) = self.bound.iter().position(|(known, _)| *known == name) {
            return self.at(slot, name);
        }
        (name == "variables").then_some(Ok(Value::Variables))
    }

    fn variable(&self, name: &str) -> Option<Outcome<'a>> {
        let (slot, name) = self.composed().find(|(_, known)| *known == name)?;
        self.at(slot, name)
    }

    fn variables(&self) -> Vec<&'a str> {
        self.composed().map(|(_, name)| name).collect()
    }
}
