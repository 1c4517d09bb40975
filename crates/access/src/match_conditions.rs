//! Match conditions of authorization webhooks: CEL expressions over the request, all of which must be true.

use crate::authorize::aggregated;
use pintle_cel::{ANY, Bound, Compiled, Evaluated, Program, Scope, Type, program, refusal};
use pintle_object::field::Path;
use pintle_object::{FieldErrors, Map, Value};

/// Upstream's limits: the number of conditions of one webhook, and the cost of evaluating one.
const COUNT_MAX: usize = 64;
const COST_MAX: u64 = 1_000_000;
/// The attributes of a resource request that are always set, even if empty.
const ATTRIBUTES: [&str; 7] = ["namespace", "verb", "group", "version", "resource", "subresource", "name"];

/// Compiled conditions.
#[derive(Default)]
pub struct MatchConditions(Vec<(String, Program)>);

impl MatchConditions {
    /// Compiles expressions; errors name the path of the expression.
    pub fn compile(expressions: &[String], path: &Path<'_>, errors: &mut FieldErrors) -> MatchConditions {
        if expressions.len() > COUNT_MAX {
            errors.too_many(path, expressions.len(), COUNT_MAX);
            return MatchConditions::default();
        }
        let scope = scope();
        let mut compiled = Vec::new();
        for (index, text) in expressions.iter().enumerate() {
            let item = path.index(index);
            let path = item.child("expression");
            if text.trim().is_empty() {
                errors.required(&path, "");
            } else if expressions.iter().take(index).any(|earlier| earlier == text) {
                errors.duplicate(&path, text);
            } else if let (_, Some(why)) = refusal(text, &scope, &[Type::Bool]) {
                errors.invalid(&path, text, &why);
            } else {
                match program(text, &scope, None) {
                    Ok(Compiled { program, .. }) => compiled.push((text.clone(), program)),
                    Err(_) => errors.invalid(&path, text, "program instantiation failed"),
                }
            }
        }
        MatchConditions(compiled)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all conditions are true of a SubjectAccessReview's spec. A false one decides, even if others fail.
    pub fn fit(&self, spec: &Value) -> Result<bool, String> {
        let request = shown(spec);
        let mut errors = Vec::new();
        for (text, program) in &self.0 {
            match program.run(&[("request", Bound::Tree(&request, &ANY))], COST_MAX) {
                (Evaluated::Bool(true), _) => {}
                (Evaluated::Bool(false), _) => return Ok(false),
                (Evaluated::Error(why), _) => {
                    errors.push(format!("cel evaluation error: expression '{text}' resulted in error: {why}"))
                }
                (Evaluated::Text(_) | Evaluated::Null | Evaluated::Other, _) => errors.push(format!(
                    "cel evaluation error: expression '{text}' eval result type should be bool"
                )),
            }
        }
        if errors.is_empty() { Ok(true) } else { Err(aggregated(errors)) }
    }
}

/// A spec as expressions see it: fields that JSON omits when they are empty are set.
fn shown(spec: &Value) -> Value {
    let mut request = spec.clone();
    // The first version of the kind had a field of another name.
    if let Some(groups) = request.remove(&["group"]) {
        request.set(&["groups"], groups);
    }
    let mut fill = |path: &[&str], empty: Value| {
        if request.at(path).is_none() {
            request.set(path, empty);
        }
    };
    fill(&["user"], "".into());
    fill(&["uid"], "".into());
    fill(&["groups"], Value::List(Vec::new()));
    fill(&["extra"], Value::Map(Map::new()));
    if spec.get("resourceAttributes").is_some() {
        ATTRIBUTES.iter().for_each(|field| fill(&["resourceAttributes", field], "".into()));
    } else {
        ["path", "verb"].iter().for_each(|field| fill(&["nonResourceAttributes", field], "".into()));
    }
    request
}

/// `request`, a SubjectAccessReviewSpec.
fn scope() -> Scope {
    let text = || Type::Text;
    let texts = || Type::list(Type::Text);
    let requirement = Type::object(
        "kubernetes.SelectorRequirement",
        &[("key", text()), ("operator", text()), ("values", texts())],
    );
    let selector = |name: &str| {
        Type::object(name, &[("rawSelector", text()), ("requirements", Type::list(requirement.clone()))])
    };
    let mut attributes: Vec<(&str, Type)> = ATTRIBUTES.iter().map(|field| (*field, text())).collect();
    attributes.push(("fieldSelector", selector("kubernetes.FieldSelectorAttributes")));
    attributes.push(("labelSelector", selector("kubernetes.LabelSelectorAttributes")));
    let path = Type::object("kubernetes.NonResourceAttributes", &[("path", text()), ("verb", text())]);
    let spec = [
        ("resourceAttributes", Type::object("kubernetes.ResourceAttributes", &attributes)),
        ("nonResourceAttributes", path),
        ("user", text()),
        ("groups", texts()),
        ("extra", Type::map(texts())),
        ("uid", text()),
    ];
    let mut scope = Scope::default();
    scope.declare("request", Type::object("kubernetes.SubjectAccessReviewSpec", &spec));
    scope
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::json;

    fn compile(expressions: &[&str]) -> Result<MatchConditions, String> {
        let expressions: Vec<String> = expressions.iter().map(ToString::to_string).collect();
        let mut errors = FieldErrors::new();
        let path = Path::root("matchConditions");
        let compiled = MatchConditions::compile(&expressions, &path, &mut errors);
        match errors.iter().next() {
            None => Ok(compiled),
            Some(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn all_conditions_must_be_true() {
        let spec = r#"{"user":"ann","groups":["dev"],"resourceAttributes":{"namespace":"ns","verb":"list",
            "resource":"pods","fieldSelector":{"requirements":[{"key":"a","operator":"In","values":["b"]}]}}}"#;
        let spec = json::parse(spec.as_bytes()).unwrap();
        let check = |expressions: &[&str], expected: Result<bool, &str>| {
            let found = compile(expressions).unwrap().fit(&spec);
            assert_eq!(found, expected.map_err(String::from), "{expressions:?}");
        };
        check(&[], Ok(true));
        check(&["has(request.resourceAttributes)", "request.resourceAttributes.namespace == 'ns'"], Ok(true));
        check(&["!('dev' in request.groups)"], Ok(false));
        check(&["request.resourceAttributes.subresource == '' && request.uid == ''"], Ok(true));
        check(&["request.resourceAttributes.fieldSelector.requirements.exists(r, r.key == 'a')"], Ok(true));
        let missing = "request.nonResourceAttributes.path == '/'";
        let why = format!(
            "cel evaluation error: expression '{missing}' resulted in error: no such key: nonResourceAttributes"
        );
        check(&[missing], Err(&why));
        check(&[missing, "request.user == 'bob'"], Ok(false));
    }

    #[test]
    fn wrong_conditions_are_refused() {
        let check = |expressions: &[&str], expected: &str| {
            let why = compile(expressions).err().unwrap();
            assert!(why.starts_with(expected), "{why}");
        };
        check(&[" "], "matchConditions[0].expression: Required value");
        check(&["true", "true"], "matchConditions[1].expression: Duplicate value: \"true\"");
        check(
            &["request.user"],
            "matchConditions[0].expression: Invalid value: \"request.user\": must evaluate to bool but got string",
        );
        check(
            &["request.nothing"],
            "matchConditions[0].expression: Invalid value: \"request.nothing\": compilation failed: ERROR: ",
        );
        check(&["true"; 65], "matchConditions: Too many: 65: must have at most 64 items");
    }
}
