//! Programs: expressions that are ready to run.

use crate::cost::Cost;
use crate::library::Function;
use crate::syntax::Literal;
use pintle_regexp::Regexp;

/// An expression that can be evaluated any number of times.
#[derive(Debug)]
pub struct Program {
    pub(crate) root: Step,
    /// How deep steps stand in each other.
    pub(crate) depth: usize,
}

#[derive(Debug)]
pub(crate) enum Step {
    Literal(Literal),
    Type(String),
    Variable(String),
    Local(usize),
    Select(Box<Step>, String),
    SelectOptional(Box<Step>, String),
    Test(Box<Step>, String),
    Index(Box<(Step, Step)>),
    IndexOptional(Box<(Step, Step)>),
    And(Box<(Step, Step)>),
    Or(Box<(Step, Step)>),
    If(Box<(Step, Step, Step)>),
    NotFalse(Box<Step>),
    Pattern(Box<Regexp>),
    Call(&'static Function, Cost, Vec<Step>),
    List(Vec<(Step, bool)>),
    Map(Vec<(Step, Step, bool)>),
    Message(String, Vec<(String, Step)>),
    Comprehension(Box<ComprehensionStep>),
    /// Adds an item, an entry or a map to the accumulator in a place.
    Grow(usize, Vec<Step>),
    /// What is no variable or part of one, as the first of a chain of fields: the chain is a step of its own.
    Base(Box<Step>),
    /// A value whose type is known only when it is there.
    Dyn(Box<Step>),
    /// What is known before anything runs, and so costs nothing.
    Constant(Box<Step>),
    /// A variable or a part of one as a branch of a choice: the choice stands for the first step to it.
    Branch(Box<Step>),
    /// What cannot be run.
    Broken,
}

impl Step {
    pub(crate) fn is_constant(&self) -> bool {
        matches!(self, Step::Literal(_) | Step::Constant(_))
    }

    /// A variable, or fields and items of one.
    pub(crate) fn is_path(&self) -> bool {
        matches!(
            self,
            Step::Variable(_)
                | Step::Local(_)
                | Step::Select(..)
                | Step::SelectOptional(..)
                | Step::Index(_)
                | Step::IndexOptional(_)
        )
    }

    /// A path, or a choice of two: what fields of it are a part of.
    pub(crate) fn is_chain(&self) -> bool {
        match self {
            Step::If(parts) => matches!((&parts.1, &parts.2), (Step::Branch(_), Step::Branch(_))),
            other => other.is_path(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct ComprehensionStep {
    pub range: Step,
    pub init: Step,
    pub has_second: bool,
    /// None where the loop goes over everything.
    pub condition: Option<Step>,
    pub step: Step,
    pub result: Step,
    pub is_bind: bool,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
