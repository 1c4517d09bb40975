//! Compiled expressions, and their evaluation within a budget.

use super::{COST_MAX, EvaluationFailure};
use pintle_cel::{Bound, Evaluated, EvaluationSession, Fault, Program, Scope, Type};
use pintle_object::Value;

/// Expressions that are evaluated over the same input, one after another.
pub struct Condition {
    expressions: Vec<Option<Expression>>,
    depth: usize,
}

struct Expression {
    text: String,
    program: Result<Program, String>,
}

/// The result of one expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Evaluation {
    Value(Evaluated),
    Error(EvaluationFailure),
    /// There is no expression in this place.
    Absent,
}

/// The variables of a policy by name; those that do not compile with their error.
#[derive(Default)]
pub struct Variables(Vec<(String, Result<Program, String>)>);

impl Variables {
    /// Compiles the variables of a policy in order, and declares each for the following ones.
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
    /// Compiles expressions that must have one of some types; none stands for a missing expression.
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
    ) -> Result<Vec<Evaluation>, EvaluationFailure> {
        let mut left = *budget;
        let all: Result<Vec<Evaluation>, EvaluationFailure> =
            pintle_cel::session(bound, self.depth, COST_MAX, |session| {
                self.expressions
                    .iter()
                    .map(|one| {
                        one.as_ref().map_or(Ok(Evaluation::Absent), |one| one.run(&session, &mut left))
                    })
                    .collect()
            });
        *budget = if all.is_ok() { left } else { *budget };
        all
    }
}

impl Condition {
    /// The value of the only expression as a tree.
    ///
    /// # Errors
    /// The expression does not compile (the text has no words about conditions then), fails, or exceeds the budget.
    pub fn tree_for_input(
        &self,
        bound: &[(&str, Bound<'_>)],
        budget: u64,
    ) -> Result<Value, EvaluationFailure> {
        let one = self.expressions.iter().flatten().next();
        let one = one.ok_or_else(|| EvaluationFailure::from(String::from("there is no expression")))?;
        let program = one.program.as_ref().map_err(|why| EvaluationFailure::from(why.clone()))?;
        pintle_cel::session(bound, self.depth, COST_MAX, |session| {
            let (found, cost) = session.tree(program);
            if cost.saturating_add(session.variables_cost()) > budget {
                return Err(EvaluationFailure::out_of_budget());
            }
            found.map_err(|why| EvaluationFailure::of_expression(&one.text, &why))
        })
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
        Expression { text: text.to_owned(), program }
    }

    fn run<'a>(
        &'a self,
        session: &EvaluationSession<'_, 'a>,
        left: &mut u64,
    ) -> Result<Evaluation, EvaluationFailure> {
        let program = match &self.program {
            Ok(program) => program,
            Err(why) => return Ok(Evaluation::Error(EvaluationFailure::compilation(why))),
        };
        let (answer, cost) = session.run(program);
        let cost = cost.saturating_add(session.variables_cost());
        *left = left.checked_sub(cost).ok_or_else(EvaluationFailure::out_of_budget)?;
        Ok(match answer {
            Evaluated::Error(why) => Evaluation::Error(EvaluationFailure::of_expression(&self.text, &why)),
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
