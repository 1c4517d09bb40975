//! Expressions of admission as the reference compiles and evaluates them: each line of `reference.jsonl` is an
//! expression with its type, value, error and cost there. The first line holds the variables.

use crate::value::{Outcome, Value};
use crate::{ANY, Bound, Decision, Fault, Permissions, Question, Scope, bind, compile, eval, program};
use pintle_object::{RequestInfo, Value as Tree, json};

const FACTS: &str = include_str!("reference.jsonl");
const LIMIT: u64 = 1_000_000;

/// Allows `get`, and fails at `bad`.
struct Allowed;

impl Permissions for Allowed {
    fn check(&self, question: &Question) -> Decision {
        match question.info.verb.as_str() {
            "get" => Decision { is_allowed: true, reason: "because".to_owned(), error: String::new() },
            "bad" => Decision { error: "broken".to_owned(), ..Decision::default() },
            _ => Decision { reason: "no".to_owned(), ..Decision::default() },
        }
    }
}

/// The document of a value, with the types that the reference shows as text.
fn document(found: &Outcome<'_>) -> Option<String> {
    let found = found.as_ref().ok()?;
    let text = crate::value::as_text(found).map(|text| text.to_string());
    let text = match found {
        Value::Null => Some("null".to_owned()),
        Value::Type(name) => Some(name.to_string()),
        _ => text,
    }?;
    Some(format!("{}:{text}", &*found.type_name()))
}

struct Case<'a> {
    text: &'a str,
    object: &'a Tree,
    namespace: &'a Tree,
    request: &'a Tree,
    variables: &'a [(String, Result<crate::Program, String>)],
    scope: &'a Scope,
}

impl Case<'_> {
    /// The type, value, error and cost of the expression, or why it does not compile.
    fn found(&self) -> (String, Option<String>, String, u64) {
        let compiled = match program(self.text, self.scope, None) {
            Err(Fault::Compile(why)) => {
                return (format!("compilation failed: {why}"), None, String::new(), 0);
            }
            Err(Fault::Instantiation(why)) => {
                return (format!("program instantiation failed: {why}"), None, String::new(), 0);
            }
            Err(other) => return (format!("{other:?}"), None, String::new(), 0),
            Ok(compiled) => compiled,
        };
        let info = RequestInfo {
            is_resource: true,
            resource: "configmaps".into(),
            namespace: "default".into(),
            ..RequestInfo::default()
        };
        let question = Question { service_account: None, info };
        let tree = |of| Bound::Tree(of, &ANY);
        let mut bound = vec![
            ("object", tree(self.object)),
            ("oldObject", tree(&Tree::Null)),
            ("request", tree(self.request)),
            ("namespaceObject", tree(self.namespace)),
            ("authorizer", Bound::Permissions(&Allowed)),
            ("authorizer.requestResource", Bound::Asked(&Allowed, &question)),
        ];
        bound.extend(self.variables.iter().map(|(name, program)| match program {
            Ok(program) => (name.as_str(), Bound::Program(program)),
            Err(why) => (name.as_str(), Bound::Broken(why)),
        }));
        let bindings = bind::Bindings::new(&bound, LIMIT);
        let (found, cost) = eval::run(&compiled.program, &bindings, LIMIT);
        let error = match &found {
            Err(why) => format!("expression '{}' resulted in error: {why}", self.text),
            Ok(_) => String::new(),
        };
        (compiled.output.runtime_name(), document(&found), error, cost + bindings.cost.get())
    }
}

#[test]
fn expressions_are_what_they_are_for_the_reference() {
    let mut lines = FACTS.lines();
    let parse = |line: &str| json::parse(line.as_bytes()).expect("facts are JSON");
    let first = parse(lines.next().expect("the first line says what there is"));
    let mut scope = Scope::admission();
    scope.with_variables();
    let mut variables = Vec::new();
    for one in first.list_at(&["vars"]) {
        let (name, text) = (one.str_at(&["name"]), one.str_at(&["expression"]));
        let compiled = program(text, &scope, None);
        scope.compose(name, compiled.as_ref().map_or(&crate::Type::Dyn, |compiled| &compiled.output));
        let why = || compile(text, &scope).expect_err("it does not compile");
        let compiled = compiled.map(|compiled| compiled.program);
        let compiled = compiled.map_err(|_| format!("compilation failed: {}", why()));
        variables.push((format!("variables.{name}"), compiled));
    }
    let null = Tree::Null;
    let part = |name: &str| first.get(name).unwrap_or(&null);
    let mut wrong = Vec::new();
    for line in lines {
        let fact = parse(line);
        let text = fact.str_at(&["expr"]);
        let case = Case {
            text,
            object: part("object"),
            namespace: part("namespace"),
            request: part("request"),
            variables: &variables,
            scope: &scope,
        };
        let (ty, value, error, cost) = case.found();
        let compile = fact.str_at(&["compile"]);
        let wanted_type = if compile.is_empty() { fact.str_at(&["type"]) } else { compile };
        if ty != wanted_type {
            wrong.push(format!("{text}\n  type {ty}\n  want {wanted_type}"));
            continue;
        }
        if error != fact.str_at(&["error"]) {
            wrong.push(format!(
                "{text}\n  error {error}\n  want  {} {}",
                fact.str_at(&["error"]),
                fact.str_at(&["value"])
            ));
        } else if let Some(value) = value.filter(|value| *value != fact.str_at(&["value"])) {
            wrong.push(format!("{text}\n  value {value}\n  want  {}", fact.str_at(&["value"])));
        }
        let wanted_cost = u64::try_from(fact.int_at(&["cost"]).unwrap_or(0)).unwrap_or(0);
        if cost != wanted_cost {
            wrong.push(format!("{text}\n  cost {cost} want {wanted_cost}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}
