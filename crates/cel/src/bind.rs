//! What variables stand for when a program runs.

use crate::decl::Decl;
use crate::eval::{Variables, run};
use crate::library::{Authorizer, Permissions, Question};
use crate::program::Program;
use crate::value::{Outcome, Value};
use pintle_object::Value as Tree;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// What a variable stands for.
#[derive(Clone, Copy)]
pub enum Bound<'a> {
    Tree(&'a Tree, &'a Decl),
    /// Data that may be missing.
    Optional(Option<(&'a Tree, &'a Decl)>),
    Permissions(&'a (dyn Permissions + Sync)),
    /// A question about a resource that only lacks its verb.
    Asked(&'a (dyn Permissions + Sync), &'a Question),
    /// What another program gives, found when it is asked for.
    Program(&'a Program),
}

/// All variables while one program runs, with what was found of other programs.
pub(crate) struct Bindings<'a> {
    bound: &'a [(&'a str, Bound<'a>)],
    found: RefCell<Vec<Option<Outcome<'a>>>>,
    pub cost: Cell<u64>,
    limit: u64,
}

impl<'a> Bindings<'a> {
    pub fn new(bound: &'a [(&'a str, Bound<'a>)], limit: u64) -> Self {
        Self { bound, found: RefCell::new(vec![None; bound.len()]), cost: Cell::new(0), limit }
    }

    fn of_program(&self, place: usize, program: &'a Program) -> Outcome<'a> {
        if let Some(found) = self.found.borrow().get(place).cloned().flatten() {
            return found;
        }
        let (found, cost) = run(program, self, self.limit.saturating_sub(self.cost.get()));
        self.cost.set(self.cost.get().saturating_add(cost));
        if let Some(known) = self.found.borrow_mut().get_mut(place) {
            *known = Some(found.clone());
        }
        found
    }
}

impl<'a> Variables<'a> for Bindings<'a> {
    fn get(&self, name: &str) -> Option<Outcome<'a>> {
        let place = self.bound.iter().position(|(known, _)| *known == name)?;
        let (_, bound) = self.bound.get(place)?;
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
            Bound::Program(program) => self.of_program(place, program),
        })
    }
}
