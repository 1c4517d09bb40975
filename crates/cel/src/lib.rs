//! Expressions of the Common Expression Language as Kubernetes uses them: checked, priced and evaluated.
//!
//! `parser` makes trees (`macros` expands macros), `checker` finds types and overloads, `estimate` bounds the cost of
//! an expression, `program` prepares it and `eval` runs it over data that `decl` describes. Functions are in `library`.
//! Errors have the words of upstream's compiler.

mod actual_cost;
mod bind;
mod checker;
mod cost;
mod decl;
mod device;
mod estimate;
mod eval;
mod fault;
mod format_check;
mod lexer;
mod library;
mod literal;
mod macros;
mod parser;
mod permissions;
mod plan;
mod problem;
mod program;
mod scope;
mod semver;
mod stack;
mod syntax;
mod texts;
mod tree;
mod type_names;
mod types;
mod unify;
mod url;
mod validate;
mod value;

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use bind::Bound;
pub use cost::COST_MAX;
pub use decl::{ANY, Decl, Keys, ListKind, Property, Shape};
pub use fault::Fault;
pub use permissions::{Decision, Permissions, Question};
pub use program::Program;
pub use scope::Scope;
pub use syntax::is_reserved;
pub use texts::NoTexts;
pub use types::{Struct, Type};
pub use value::{Error, double_text};

use stack::{DEEP, on_stack};

/// An expression that was checked and can be run.
#[derive(Debug)]
pub struct Compiled {
    pub program: Program,
    /// The type of its value.
    pub output: Type,
    /// The most that evaluating it may cost.
    pub cost_max: u64,
    /// The variables it names.
    pub uses: Vec<String>,
}

/// The type of an expression's value.
///
/// # Errors
/// The message of a compiler, with the lines meant.
pub fn compile(text: &str, scope: &Scope) -> Result<Type, String> {
    match checked(text, scope, |_, checked| Ok(checked.root.clone())) {
        Ok(found) => Ok(found),
        Err(Fault::Compile(why)) => Err(why),
        Err(Fault::Pattern(_) | Fault::Instantiation(_) | Fault::Size) => Ok(Type::Unknown),
    }
}

/// A program of an expression. Sizes are estimated from the declaration of its data, if there is one.
///
/// # Errors
/// The fault of the expression.
pub fn program(text: &str, scope: &Scope, decl: Option<&Decl>) -> Result<Compiled, Fault> {
    checked(text, scope, |tree, checked| {
        let program = plan::plan(&tree.root, checked, &scope.patterns)?;
        let cost_max = estimate::cost(&tree.root, checked, decl).max;
        Ok(Compiled { program, output: checked.root.clone(), cost_max, uses: checked.uses.clone() })
    })
}

/// Parses and checks, and continues with the result on the same stack.
fn checked<T>(
    text: &str,
    scope: &Scope,
    then: impl FnOnce(&parser::Tree, &checker::Checked) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let source: Vec<char> = text.chars().collect();
    if source.len() > LENGTH_MAX {
        let size = source.len();
        return Err(Fault::Compile(format!(
            "ERROR: <input>:-1:0: expression code point size exceeds limit: size: {size}, limit {LENGTH_MAX}"
        )));
    }
    let is_deep = source.iter().filter(|c| "([{.+-*/%?!&|<>=:".contains(**c)).count() > DEEP;
    on_stack(is_deep, || {
        let tree = parser::parse(&source, scope.has_bind);
        let tree = tree.map_err(|problems| Fault::Compile(problem::report(problems, &source)))?;
        let Some(tree) = tree else { return Err(Fault::Size) };
        let mut checked = checker::check(&tree.root, tree.count, scope);
        let mut problems = std::mem::take(&mut checked.problems);
        if problems.is_empty() {
            problems = validate::check(&tree.root, &checked);
        }
        match problems.is_empty() {
            true => then(&tree, &checked),
            false => Err(Fault::Compile(problem::report(problems, &source))),
        }
    })
}

const LENGTH_MAX: usize = 100_000;

/// The type of an expression, and its error if that is none of the wanted types.
#[must_use]
pub fn refusal(text: &str, scope: &Scope, wanted: &[Type]) -> (Type, Option<String>) {
    let found = match program(text, scope, None) {
        Ok(compiled) => Ok(compiled.output),
        // Patterns are read when they are used.
        Err(Fault::Pattern(_) | Fault::Size) => Ok(Type::Unknown),
        Err(Fault::Compile(why)) => Err(format!("compilation failed: {why}")),
        Err(Fault::Instantiation(why)) => Err(format!("program instantiation failed: {why}")),
    };
    match found {
        Err(why) => (Type::Unknown, Some(why)),
        Ok(found) => {
            let why = unwanted(&found, wanted);
            (found, why)
        }
    }
}

/// The error of a type that is none of the wanted ones; an empty list wants any.
#[must_use]
pub fn unwanted(found: &Type, wanted: &[Type]) -> Option<String> {
    let fits = wanted.is_empty() || found.is_unknown() || wanted.iter().any(|of| of.is_same(found));
    (!fits).then(|| {
        let names: Vec<String> = wanted.iter().map(Type::runtime_name).collect();
        let wanted = match names.as_slice() {
            [one] => one.clone(),
            several => format!("one of [{}]", several.join(" ")),
        };
        format!("must evaluate to {wanted} but got {}", found.runtime_name())
    })
}

/// The outcome of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub enum Evaluated {
    Bool(bool),
    Text(String),
    Null,
    /// Something else.
    Other,
    Error(Error),
}

impl Program {
    /// Evaluates; returns the answer, and its cost.
    #[must_use]
    pub fn run(&self, bound: &[(&str, Bound<'_>)], limit: u64) -> (Evaluated, u64) {
        session(bound, self.depth, limit, |session| {
            let (answer, cost) = session.run(self);
            (answer, cost.saturating_add(session.variables_cost()))
        })
    }

    /// The depth of its nested steps.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }
}

/// Programs that run one after another over the same data, with shared results of a policy's variables.
pub struct EvaluationSession<'s, 'a> {
    bindings: &'s bind::Bindings<'a>,
    limit: u64,
}

impl<'a> EvaluationSession<'_, 'a> {
    /// The answer of a program, and its cost without the variables that it used.
    #[must_use]
    pub fn run(&self, program: &'a Program) -> (Evaluated, u64) {
        let (found, cost) = eval::run(program, self.bindings, self.limit);
        (answer(&found), cost)
    }

    /// The value of a program as a tree, and its cost without the variables that it used.
    ///
    /// # Errors
    /// The evaluation failed, or its value has no JSON.
    pub fn tree(&self, program: &'a Program) -> (Result<pintle_object::Value, Error>, u64) {
        let (found, cost) = eval::run(program, self.bindings, self.limit);
        (tree::tree(&found), cost)
    }

    /// The cost of the variables that were found since this was asked last.
    #[must_use]
    pub fn variables_cost(&self) -> u64 {
        self.bindings.cost.take()
    }
}

/// Runs programs over the same data, each within a limit of its cost. `depth` is that of the programs and of the
/// variables they may ask for, all added up.
pub fn session<'a, T>(
    bound: &'a [(&'a str, Bound<'a>)],
    depth: usize,
    limit: u64,
    run: impl FnOnce(EvaluationSession<'_, 'a>) -> T,
) -> T {
    let depth = bound.iter().fold(depth, |depth, (_, bound)| match bound {
        Bound::Program(program) => depth.saturating_add(program.depth),
        _ => depth,
    });
    on_stack(depth > DEEP, || {
        let bindings = bind::Bindings::new(bound, limit);
        run(EvaluationSession { bindings: &bindings, limit })
    })
}

fn answer(found: &value::Outcome<'_>) -> Evaluated {
    match found {
        Ok(value::Value::Bool(it)) => Evaluated::Bool(*it),
        Ok(value::Value::Text(text)) => Evaluated::Text(text.to_string()),
        Ok(value::Value::Null) => Evaluated::Null,
        Ok(_) => Evaluated::Other,
        Err(why) => Evaluated::Error(why.clone()),
    }
}
