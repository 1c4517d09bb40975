//! A policy's expressions made ready, and what they say of a request.

use pintle_cel::{ANY, Answer, Bound, Fault, Program, Scope};
use pintle_object::{Reason, Value};

/// What one expression may cost.
const COST_MAX: u64 = 1_000_000;
/// The longest message that an expression may make.
const MESSAGE_BYTES_MAX: usize = 5 * 1024;

pub struct Compiled {
    conditions: Vec<Expression>,
    /// By the name that programs ask for.
    variables: Vec<(String, Program)>,
    validations: Vec<Validation>,
}

struct Expression {
    text: String,
    program: Result<Program, String>,
}

struct Validation {
    expression: Expression,
    message: String,
    message_expression: Option<Program>,
    reason: Reason,
}

/// Something that an expression holds against a request.
pub struct Judgement {
    pub message: String,
    pub reason: Reason,
}

impl Compiled {
    pub fn new(policy: &Value) -> Compiled {
        let spec = policy.get("spec").unwrap_or(&Value::Null);
        let mut scope = Scope::admission();
        scope.with_variables();
        if spec.get("paramKind").is_some_and(|kind| !kind.is_null()) {
            scope.declare("params", pintle_cel::Type::Dyn);
        }
        let mut variables = Vec::new();
        for one in spec.list_at(&["variables"]) {
            let name = one.str_at(&["name"]);
            if let Ok(compiled) = pintle_cel::program(one.str_at(&["expression"]), &scope, None) {
                scope.compose(name, compiled.output);
                variables.push((format!("variables.{name}"), compiled.program));
            }
        }
        let expression = |of: &Value, field: &str| Expression::new(of.str_at(&[field]), &scope);
        let validation = |of: &Value| {
            let message = Some(of.str_at(&["messageExpression"])).filter(|text| !text.is_empty());
            let message_scope = scope.without_authorizer();
            let message = message.and_then(|text| pintle_cel::program(text, &message_scope, None).ok());
            Validation {
                expression: expression(of, "expression"),
                message: of.str_at(&["message"]).to_owned(),
                message_expression: message.map(|compiled| compiled.program),
                reason: reason(of.str_at(&["reason"])),
            }
        };
        Compiled {
            conditions: spec
                .list_at(&["matchConditions"])
                .iter()
                .map(|of| expression(of, "expression"))
                .collect(),
            validations: spec.list_at(&["validations"]).iter().map(validation).collect(),
            variables,
        }
    }

    /// What the expressions hold against a request; errors count only if the policy is not lenient.
    pub fn judge<'b>(
        &'b self,
        mut bound: Vec<(&'b str, Bound<'b>)>,
        is_lenient: bool,
        budget: &mut u64,
    ) -> Vec<Judgement> {
        bound.extend(self.variables.iter().map(|(name, program)| (name.as_str(), Bound::Program(program))));
        let failed = |message: String| Judgement { message, reason: Reason::Invalid };
        match self.is_meant(&bound, budget) {
            Ok(true) => {}
            Ok(false) => return Vec::new(),
            Err(_) if is_lenient => return Vec::new(),
            Err(why) => return vec![failed(why)],
        }
        let mut found = Vec::new();
        for one in &self.validations {
            match one.expression.run(&bound, budget) {
                Ok(Answer::Bool(true)) => {}
                Ok(_) => {
                    let message = one.shown(&bound, budget);
                    found.push(Judgement { message, reason: one.reason });
                }
                Err(_) if is_lenient => {}
                Err(why) => found.push(failed(why)),
            }
        }
        found
    }

    /// Whether all conditions hold; one that does not outweighs those that fail.
    fn is_meant(&self, bound: &[(&str, Bound<'_>)], budget: &mut u64) -> Result<bool, String> {
        let mut failures = Vec::new();
        for condition in &self.conditions {
            match condition.run(bound, budget) {
                Ok(Answer::Bool(false)) => return Ok(false),
                Ok(_) => {}
                Err(why) => failures.push(why),
            }
        }
        match failures.as_slice() {
            [] => Ok(true),
            [one] => Err(one.clone()),
            several => Err(format!("[{}]", several.join(", "))),
        }
    }
}

impl Expression {
    fn new(text: &str, scope: &Scope) -> Expression {
        let program = pintle_cel::program(text, scope, None);
        let why = |fault: Fault| match fault {
            Fault::Compile(why) => format!("compilation error: compilation failed: {why}"),
            other => format!("compilation error: {other:?}"),
        };
        Expression { text: text.to_owned(), program: program.map(|compiled| compiled.program).map_err(why) }
    }

    fn run(&self, bound: &[(&str, Bound<'_>)], budget: &mut u64) -> Result<Answer, String> {
        let program = self.program.as_ref().map_err(String::clone)?;
        let (answer, cost) = program.run(bound, COST_MAX);
        if cost > *budget {
            *budget = 0;
            return Err("validation failed due to running out of cost budget, no further validation rules will be run"
                .to_owned());
        }
        *budget -= cost;
        match answer {
            Answer::Error(why) => Err(format!("expression '{}' resulted in error: {why}", self.text)),
            answer => Ok(answer),
        }
    }
}

impl Validation {
    /// What is told of a failure.
    fn shown(&self, bound: &[(&str, Bound<'_>)], budget: &mut u64) -> String {
        if let Some(program) = &self.message_expression {
            let (answer, cost) = program.run(bound, COST_MAX);
            *budget = budget.saturating_sub(cost);
            if let Answer::Text(text) = answer {
                let text = text.trim();
                if !text.is_empty() && text.len() <= MESSAGE_BYTES_MAX && !text.contains('\n') {
                    return text.to_owned();
                }
            }
        }
        match self.message.trim() {
            "" => format!("failed expression: {}", self.expression.text.trim()),
            message => message.to_owned(),
        }
    }
}

fn reason(name: &str) -> Reason {
    match name {
        "Forbidden" => Reason::Forbidden,
        "Unauthorized" => Reason::Unauthorized,
        "RequestEntityTooLarge" => Reason::RequestEntityTooLarge,
        _ => Reason::Invalid,
    }
}

/// A tree as a variable of any type.
pub fn tree<'a>(of: &'a Value) -> Bound<'a> {
    Bound::Tree(of, &ANY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::json;

    #[test]
    fn policies_judge_objects_by_their_expressions() {
        let policy = r#"{"spec":{"failurePolicy":"Fail",
            "variables":[{"name":"size","expression":"object.data.size()"},
                         {"name":"double","expression":"variables.size * 2"}],
            "matchConditions":[{"name":"a","expression":"object.kind == 'ConfigMap'"}],
            "validations":[
                {"expression":"variables.double < 5","messageExpression":"'%d is too much'.format([variables.size])"},
                {"expression":"object.data.a != 'x'","message":" no x ","reason":"Forbidden"},
                {"expression":"oldObject == null"}]}}"#;
        let parse = |text: &str| json::parse(text.as_bytes()).expect("test data is JSON");
        let compiled = Compiled::new(&parse(policy));
        let cases: [(&str, bool, &[&str]); 5] = [
            (r#"{"kind":"ConfigMap","data":{"a":"1"}}"#, false, &[]),
            (r#"{"kind":"Secret","data":{"a":"x"}}"#, false, &[]),
            (r#"{"kind":"ConfigMap","data":{"a":"x","b":"","c":""}}"#, false, &["3 is too much", "no x"]),
            (
                r#"{"kind":"ConfigMap","data":{}}"#,
                false,
                &["expression 'object.data.a != 'x'' resulted in error: no such key: a"],
            ),
            (r#"{"kind":"ConfigMap","data":{}}"#, true, &[]),
        ];
        for (object, is_lenient, expected) in cases {
            let object = parse(object);
            let bound = vec![("object", tree(&object)), ("oldObject", tree(&Value::Null))];
            let found = compiled.judge(bound, is_lenient, &mut 1_000_000);
            let found: Vec<&str> = found.iter().map(|one| one.message.as_str()).collect();
            assert_eq!(found, expected, "{object:?}");
        }
    }
}
