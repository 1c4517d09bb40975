//! Compiled expressions, and their evaluation within a budget.

use super::COST_MAX;
use pintle_cel::{Bound, Evaluated, EvaluationSession, Fault, Program, Scope, Type};
use pintle_object::Value;

const OUT_OF_BUDGET: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";
const NO_STACK: &str = "there is no stack to evaluate on";

/// Expressions that are evaluated over the same input, one after another.
pub struct Condition {
    expressions: Vec<Option<Expression>>,
    depth: usize,
}

struct Expression {
    text: String,
    program: Result<Program, String>,
}

/// What came of one expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Evaluation {
    Value(Evaluated),
    Error(String),
    /// There is no expression in this place.
    Absent,
}

/// The variables of a policy by the names that expressions have for them, those that do not compile with the reason.
#[derive(Default)]
pub struct Variables(Vec<(String, Result<Program, String>)>);

impl Variables {
    /// Compiles the variables of a policy in their order, and declares each for those that follow.
    pub fn compile(list: &[Value], scope: &mut Scope) -> Variables {
        scope.with_variables();
        let mut variables: Vec<(String, Result<Program, String>)> = Vec::new();
        for one in list {
            let name = one.str_at(&["name"]);
            let (program, output) = match pintle_cel::program(one.str_at(&["expression"]), scope, None) {
                Ok(compiled) => (Ok(compiled.program), compiled.output),
                Err(fault) => (Err(why(fault)), Type::Dyn),
            };
            scope.compose(name, &output);
            let name = format!("variables.{name}");
            variables.retain(|(known, _)| *known != name);
            variables.push((name, program));
        }
        Variables(variables)
    }

    pub fn bound(&self) -> impl Iterator<Item = (&str, Bound<'_>)> {
        self.0.iter().map(|(name, program)| match program {
            Ok(program) => (name.as_str(), Bound::Program(program)),
            Err(why) => (name.as_str(), Bound::Broken(why)),
        })
    }
}

impl Condition {
    /// Compiles expressions that must give one of some types; none stands for a place without one.
    pub fn new<'t>(
        texts: impl Iterator<Item = Option<&'t str>>,
        scope: &Scope,
        wanted: &[Type],
    ) -> Condition {
        let expressions: Vec<Option<Expression>> =
            texts.map(|text| text.map(|text| Expression::new(text, scope, wanted))).collect();
        let depths = expressions.iter().flatten().filter_map(|one| one.program.as_ref().ok());
        let depth = depths.map(Program::depth).max().unwrap_or(0);
        Condition { expressions, depth }
    }

    pub fn is_empty(&self) -> bool {
        self.expressions.iter().all(Option::is_none)
    }

    /// Evaluates all expressions; variables are found once for all of them.
    ///
    /// # Errors
    /// The budget is spent, and nothing that was found counts.
    pub fn for_input(
        &self,
        bound: &[(&str, Bound<'_>)],
        budget: &mut u64,
    ) -> Result<Vec<Evaluation>, String> {
        let left = *budget;
        let found = pintle_cel::session(bound, self.depth, COST_MAX, &mut |session| {
            let mut left = left;
            let all: Result<Vec<Evaluation>, String> = self
                .expressions
                .iter()
                .map(|one| one.as_ref().map_or(Ok(Evaluation::Absent), |one| one.run(&session, &mut left)))
                .collect();
            all.map(|all| (all, left))
        });
        let (all, rest) = found.unwrap_or_else(|| Err(NO_STACK.to_owned()))?;
        *budget = rest;
        Ok(all)
    }
}

impl Condition {
    /// The value of the only expression as a tree.
    ///
    /// # Errors
    /// Why there is none: it does not compile, fails, or costs too much.
    pub fn tree_for_input(&self, bound: &[(&str, Bound<'_>)], budget: u64) -> Result<Value, String> {
        let one = self.expressions.iter().flatten().next().ok_or("there is no expression")?;
        let program = one
            .program
            .as_ref()
            .map_err(|why| why.strip_prefix("compilation error: ").unwrap_or(why).to_owned())?;
        let found = pintle_cel::session(bound, self.depth, COST_MAX, &mut |session| {
            let (found, cost) = session.tree(program);
            if cost.saturating_add(session.variables_cost()) > budget {
                return Err(OUT_OF_BUDGET.to_owned());
            }
            found.map_err(|why| format!("expression '{}' resulted in error: {why}", one.text))
        });
        found.unwrap_or_else(|| Err(NO_STACK.to_owned()))
    }
}

impl Expression {
    fn new(text: &str, scope: &Scope, wanted: &[Type]) -> Expression {
        let program =
            pintle_cel::program(text, scope, None).map_err(why).and_then(
                |compiled| match pintle_cel::unwanted(&compiled.output, wanted) {
                    Some(why) => Err(why),
                    None => Ok(compiled.program),
                },
            );
        let program = program.map_err(|why| format!("compilation error: {why}"));
        Expression { text: text.to_owned(), program }
    }

    fn run<'a>(&'a self, session: &EvaluationSession<'_, 'a>, left: &mut u64) -> Result<Evaluation, String> {
        let program = match &self.program {
            Ok(program) => program,
            Err(why) => return Ok(Evaluation::Error(why.clone())),
        };
        let (answer, cost) = session.run(program);
        let cost = cost.saturating_add(session.variables_cost());
        *left = left.checked_sub(cost).ok_or_else(|| OUT_OF_BUDGET.to_owned())?;
        Ok(match answer {
            Evaluated::Error(why) => {
                Evaluation::Error(format!("expression '{}' resulted in error: {why}", self.text))
            }
            answer => Evaluation::Value(answer),
        })
    }
}

/// A fault in the words for it.
fn why(fault: Fault) -> String {
    match fault {
        Fault::Compile(why) => format!("compilation failed: {why}"),
        Fault::Pattern(why) => format!("program instantiation failed: {why}"),
        Fault::Instantiation(why) => format!("program instantiation failed: {why}"),
        Fault::Size => "compilation failed: the expression is too large".to_owned(),
    }
}
