//! Programs: expressions that are ready to run.

use crate::cost::Cost;
use crate::library::Function;
use crate::syntax::Literal;
use pintle_regexp::Regexp;

/// An expression that can be evaluated any number of times.
#[derive(Debug)]
pub struct Program {
    pub(crate) root: ProgramStep,
    /// The depth of nested steps.
    pub(crate) depth: usize,
}

#[derive(Debug)]
pub(crate) enum ProgramStep {
    Literal(Literal),
    Type(String),
    Variable(String),
    Local(usize),
    Select(Box<ProgramStep>, String),
    SelectOptional(Box<ProgramStep>, String),
    Test(Box<ProgramStep>, String),
    Index(Box<(ProgramStep, ProgramStep)>),
    IndexOptional(Box<(ProgramStep, ProgramStep)>),
    And(Box<(ProgramStep, ProgramStep)>),
    Or(Box<(ProgramStep, ProgramStep)>),
    If(Box<(ProgramStep, ProgramStep, ProgramStep)>),
    NotFalse(Box<ProgramStep>),
    Pattern(Box<Regexp>),
    Call(&'static Function, Cost, Vec<ProgramStep>),
    List(Vec<(ProgramStep, bool)>),
    Map(Vec<(ProgramStep, ProgramStep, bool)>),
    Message(String, Vec<(String, ProgramStep)>),
    Comprehension(Box<ComprehensionStep>),
    /// Adds an item, an entry or a map to the accumulator in a place.
    Grow(usize, Vec<ProgramStep>),
    /// The first of a chain of fields that is no part of a variable: the chain is a step of its own.
    Base(Box<ProgramStep>),
    /// A value whose type is known only when it is there.
    Dyn(Box<ProgramStep>),
    /// A value that is known before anything runs, and so costs nothing.
    Constant(Box<ProgramStep>),
    /// A variable or a part of one as a branch of a choice, which is the first step of a path.
    Branch(Box<ProgramStep>),
    /// An expression that cannot be run.
    Broken,
}

impl ProgramStep {
    pub(crate) fn is_constant(&self) -> bool {
        matches!(self, ProgramStep::Literal(_) | ProgramStep::Constant(_))
    }

    /// A variable, or fields and items of one.
    pub(crate) fn is_path(&self) -> bool {
        matches!(
            self,
            ProgramStep::Variable(_)
                | ProgramStep::Local(_)
                | ProgramStep::Select(..)
                | ProgramStep::SelectOptional(..)
                | ProgramStep::Index(_)
                | ProgramStep::IndexOptional(_)
        )
    }

    /// Whether fields can be selected from it as from a path: a path, or a choice of two.
    pub(crate) fn is_chain(&self) -> bool {
        match self {
            ProgramStep::If(parts) => {
                matches!((&parts.1, &parts.2), (ProgramStep::Branch(_), ProgramStep::Branch(_)))
            }
            other => other.is_path(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct ComprehensionStep {
    pub range: ProgramStep,
    pub init: ProgramStep,
    pub has_second: bool,
    /// None where the loop goes over everything.
    pub condition: Option<ProgramStep>,
    pub step: ProgramStep,
    pub result: ProgramStep,
    pub is_bind: bool,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
