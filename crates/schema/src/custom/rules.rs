//! `x-kubernetes-validations`: the rules of a schema, run over objects.
//!
//! An expression is compiled when its rule is first asked: most rules of an installed CRD never are.

use super::definition::expressions::{SELF, scope};
use super::definition::field_path;
use crate::custom::former::Former;
use pintle_cel::{ANY, Bound, Decl, Error, Evaluated, Program};
use pintle_object::field::Shown;
use pintle_object::{ErrorKind, FieldError, FieldErrors, Path, Text, Value};
use pintle_regexp::Budget;
use std::sync::OnceLock;

/// The most that one expression may cost, and that all rules over one object may.
const COST_MAX: u64 = 1_000_000;
pub(super) const COST_SUM_MAX: u64 = 10_000_000;
/// The longest message that an expression may make.
const MESSAGE_BYTES_MAX: usize = 5 * 1024;
const BUDGET_SPENT: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";

/// The rules of a schema and of the schemas in it.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// The JSON type that the schema names.
    ty: String,
    decl: Option<Decl>,
    rules: Vec<CompiledRule>,
    properties: Vec<(Text, Rules)>,
    additional: Option<Box<Rules>>,
    items: Option<Box<Rules>>,
    /// The key fields of a list's items, if there are any.
    list_keys: Option<Vec<Text>>,
}

#[derive(Debug)]
struct CompiledRule {
    text: String,
    message: String,
    message_expression: String,
    reason: String,
    /// The path of the error, below the data.
    field_path: String,
    /// Whether the old data may be missing.
    is_optional: bool,
    patterns: Budget,
    compiled: OnceLock<Result<Compiled, String>>,
}

#[derive(Debug)]
struct Compiled {
    program: Program,
    message: Option<Program>,
    uses_old: bool,
}

impl Rules {
    /// None without any rules. `is_root`: whether the schema is of a whole resource.
    pub fn compile(props: &Value, is_root: bool, patterns: &Budget) -> Option<Rules> {
        let below = |props: &Value| Rules::compile(props, false, patterns);
        let boxed = |name: &str| {
            props.get(name).filter(|below| below.as_map().is_some()).and_then(below).map(Box::new)
        };
        let named = props.map_at(&["properties"]).into_iter().flat_map(|map| map.iter());
        let properties: Vec<(Text, Rules)> =
            named.filter_map(|(name, props)| Some((Text::from(name), below(props)?))).collect();
        let (additional, items) = (boxed("additionalProperties"), boxed("items"));
        let rules: Vec<CompiledRule> = props
            .list_at(&["x-kubernetes-validations"])
            .iter()
            .map(|rule| CompiledRule::new(rule, props, patterns))
            .collect();
        if rules.is_empty() && properties.is_empty() && additional.is_none() && items.is_none() {
            return None;
        }
        let decl = if rules.is_empty() { None } else { Decl::of_schema(props, is_root) };
        let keys = props.list_at(&["x-kubernetes-list-map-keys"]).iter();
        let keys = keys.filter_map(Value::as_str).map(Text::from).collect();
        let list_keys = (props.str_at(&["x-kubernetes-list-type"]) == "map").then_some(keys);
        let ty = props.str_at(&["type"]).to_owned();
        Some(Rules { ty, decl, rules, properties, additional, items, list_keys })
    }

    /// Runs all rules over an object, or over its next state. What was wrong in parts that stay as they are is
    /// let through with a warning.
    pub fn check(&self, new: &Value, old: Option<&Value>, errors: &mut FieldErrors) {
        let mut run = Run { errors, budget: COST_SUM_MAX };
        let correlation = Correlation { current: old.map(|old| (new, old)), nearest: None };
        // The reason for an early end was reported.
        let (Ok(()) | Err(Spent)) = run.visit(self, new, old, correlation, &Path::EMPTY);
    }

    /// Runs all rules on the value at a path, without allowances; returns the rest of the budget.
    pub fn check_at(
        &self,
        path: &Path<'_>,
        new: &Value,
        old: Option<&Value>,
        budget: u64,
        errors: &mut FieldErrors,
    ) -> u64 {
        let mut run = Run { errors, budget };
        match run.visit(self, new, old, Correlation::default(), path) {
            Ok(()) => run.budget,
            Err(Spent) => 0,
        }
    }
}

impl CompiledRule {
    fn new(rule: &Value, props: &Value, patterns: &Budget) -> CompiledRule {
        let text = |name: &str| rule.str_at(&[name]).to_owned();
        CompiledRule {
            text: text("rule"),
            message: text("message"),
            message_expression: text("messageExpression"),
            reason: text("reason"),
            field_path: field_path_shown(rule.str_at(&["fieldPath"]), props),
            is_optional: rule.bool_at(&["optionalOldSelf"]),
            patterns: patterns.clone(),
            compiled: OnceLock::new(),
        }
    }

    fn compiled(&self, decl: &Decl) -> Result<&Compiled, &String> {
        let compile = || {
            let mut scope = scope(&decl.ty(SELF), self.is_optional);
            scope.patterns = self.patterns.clone();
            let compiled = pintle_cel::program(&self.text, &scope, None).map_err(|why| format!("{why:?}"))?;
            let message = Some(&self.message_expression).filter(|text| !text.is_empty());
            let message = message.and_then(|text| pintle_cel::program(text, &scope, None).ok());
            Ok(Compiled {
                uses_old: compiled.uses.iter().any(|name| name == "oldSelf"),
                program: compiled.program,
                message: message.map(|message| message.program),
            })
        };
        self.compiled.get_or_init(compile).as_ref()
    }

    /// The name of the rule in errors.
    fn shown(&self) -> &str {
        if self.message.is_empty() { self.text.trim() } else { self.message.trim() }
    }

    fn default_message(&self) -> String {
        match self.message.is_empty() {
            true => format!("failed rule: {}", self.shown()),
            false => self.message.trim().to_owned(),
        }
    }
}

/// A path within the data as errors show it: names after dots, keys of maps in brackets.
fn field_path_shown(path: &str, props: &Value) -> String {
    let Ok(found) = field_path::find(path, props, true) else { return String::new() };
    let mut shown = String::new();
    let mut schema = props;
    for step in &found.steps {
        let properties = schema.map_at(&["properties"]).filter(|map| !map.is_empty());
        schema = match properties {
            Some(properties) => {
                if !shown.is_empty() {
                    shown.push('.');
                }
                shown.push_str(step);
                properties.get(step).unwrap_or(&Value::Null)
            }
            None => {
                shown.push_str(&format!("[{step}]"));
                schema.get("additionalProperties").unwrap_or(&Value::Null)
            }
        };
    }
    shown
}

/// The parts of the old and the new object that belong together, and the nearest such parts above.
#[derive(Clone, Copy, Default)]
struct Correlation<'a> {
    current: Option<(&'a Value, &'a Value)>,
    nearest: Option<(&'a Value, &'a Value)>,
}

impl<'a> Correlation<'a> {
    /// Whether nothing has changed here.
    fn is_unchanged(&self) -> bool {
        self.current.or(self.nearest).is_some_and(|(new, old)| new == old)
    }

    fn below(self, next: Option<(&'a Value, &'a Value)>) -> Self {
        match self.current {
            None => self,
            Some(_) => Correlation { current: next, nearest: self.current },
        }
    }

    fn field(self, name: &str) -> Self {
        let Some((new, old)) = self.current else { return self };
        // Both are in one version, so that conversion is not seen as a change.
        if self.nearest.is_none() && matches!(name, "apiVersion" | "kind") {
            return Correlation::default();
        }
        self.below(new.get(name).zip(old.get(name)))
    }
}

/// No further rules are run.
struct Spent;

struct Run<'e> {
    errors: &'e mut FieldErrors,
    budget: u64,
}

impl Run<'_> {
    fn visit(
        &mut self,
        rules: &Rules,
        value: &Value,
        old: Option<&Value>,
        correlation: Correlation<'_>,
        path: &Path<'_>,
    ) -> Result<(), Spent> {
        if value.is_null() {
            return Ok(());
        }
        let old = old.filter(|old| !old.is_null());
        if let Some(decl) = &rules.decl {
            self.own(rules, decl, value, old, correlation, path)?;
        }
        match value {
            Value::Map(map) => {
                for (name, value) in map.iter() {
                    let (old, next) = (old.and_then(|old| old.get(name)), correlation.field(name));
                    if let Some(rules) = &rules.additional {
                        self.visit(rules, value, old, next, &path.key(name))?;
                    }
                    if let Ok(place) =
                        rules.properties.binary_search_by(|(known, _)| known.as_str().cmp(name))
                        && let Some((_, rules)) = rules.properties.get(place)
                    {
                        self.visit(rules, value, old, next, &path.child(name))?;
                    }
                }
            }
            Value::List(items) => {
                let Some(below) = &rules.items else { return Ok(()) };
                let former = match (&rules.list_keys, old.and_then(Value::as_list)) {
                    (Some(keys), Some(old)) => Former::new(keys, old),
                    _ => Former::new(&[], &[]),
                };
                for (index, item) in items.iter().enumerate() {
                    let old = former.get(item);
                    let next = correlation.below(old.map(|old| (item, old)));
                    self.visit(below, item, old, next, &path.index(index))?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The rules of one place.
    fn own(
        &mut self,
        rules: &Rules,
        decl: &Decl,
        value: &Value,
        old: Option<&Value>,
        correlation: Correlation<'_>,
        path: &Path<'_>,
    ) -> Result<(), Spent> {
        for rule in &rules.rules {
            if rule.text.trim().is_empty() {
                continue;
            }
            let compiled = match rule.compiled(decl) {
                Ok(compiled) => compiled,
                Err(why) => {
                    self.invalid(rules, path, &format!("rule compile error: {why}"));
                    continue;
                }
            };
            if compiled.uses_old && old.is_none() && !rule.is_optional {
                continue;
            }
            let old_bound = match (rule.is_optional, old) {
                (true, old) => Bound::Optional(old.map(|old| (old, decl))),
                (false, Some(old)) => Bound::Tree(old, decl),
                (false, None) => Bound::Tree(&Value::Null, &ANY),
            };
            let bound = [("self", Bound::Tree(value, decl)), ("oldSelf", old_bound)];
            if self.holds(rules, rule, &compiled.program, &bound, path)? {
                continue;
            }
            let is_ratcheted = !compiled.uses_old && correlation.is_unchanged();
            let error = self.failure(rules, rule, compiled, value, &bound, path)?;
            if is_ratcheted { self.errors.warn(&error) } else { self.errors.push(error) }
        }
        Ok(())
    }

    /// Whether a rule holds; an evaluation that fails is reported here.
    fn holds(
        &mut self,
        rules: &Rules,
        rule: &CompiledRule,
        program: &Program,
        bound: &[(&str, Bound<'_>)],
        path: &Path<'_>,
    ) -> Result<bool, Spent> {
        let (answer, cost) = program.run(bound, COST_MAX);
        if cost > self.budget {
            self.invalid(rules, path, BUDGET_SPENT);
            return Err(Spent);
        }
        self.budget -= cost;
        let shown = rule.shown();
        match answer {
            Evaluated::Bool(true) => return Ok(true),
            Evaluated::Error(why @ Error::NoOverload(_)) => {
                let why = format!(
                    "'{why}': call arguments did not match a supported operator, function or macro signature for \
                     rule: {shown}"
                );
                self.invalid(rules, path, &why);
            }
            Evaluated::Error(why @ Error::OverLimit) => {
                let why = format!(
                    "'{why}': no further validation rules will be run due to call cost exceeds limit for rule: {shown}"
                );
                self.invalid(rules, path, &why);
                return Err(Spent);
            }
            Evaluated::Error(why) => self.invalid(rules, path, &format!("{why} evaluating rule: {shown}")),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn invalid(&mut self, rules: &Rules, path: &Path<'_>, why: &str) {
        let message = format!("Invalid value: {}: {why}", pintle_object::field::quote(&rules.ty));
        self.errors.push(FieldError { kind: ErrorKind::Invalid, field: field(path, ""), message });
    }

    fn failure(
        &mut self,
        rules: &Rules,
        rule: &CompiledRule,
        compiled: &Compiled,
        value: &Value,
        bound: &[(&str, Bound<'_>)],
        path: &Path<'_>,
    ) -> Result<FieldError, Spent> {
        let detail = match &compiled.message {
            Some(program) => self.message(rules, rule, program, bound, path)?,
            None => None,
        };
        let detail = detail.unwrap_or_else(|| rule.default_message());
        let is_left_out = matches!(rules.ty.as_str(), "object" | "array");
        let place = Path::EMPTY;
        let mut found = FieldErrors::new();
        match rule.reason.as_str() {
            "FieldValueForbidden" => found.forbidden(&place, &detail),
            "FieldValueRequired" => found.required(&place, &detail),
            "FieldValueDuplicate" if is_left_out => {
                let message = "Duplicate value".to_owned();
                found.push(FieldError { kind: ErrorKind::Duplicate, field: String::new(), message });
            }
            "FieldValueDuplicate" => found.duplicate(&place, value),
            _ if is_left_out => {
                let message = format!("Invalid value: {detail}");
                found.push(FieldError { kind: ErrorKind::Invalid, field: String::new(), message });
            }
            _ => match value {
                Value::Float(number) => {
                    found.invalid(&place, Shown(pintle_cel::double_text(*number)), &detail)
                }
                other => found.invalid(&place, other, &detail),
            },
        }
        let field = field(path, &rule.field_path);
        let error = found.into_vec().pop().map(|error| FieldError { field, ..error });
        Ok(error.expect("one error was made"))
    }

    /// The message that an expression gives for a failure, if it can be shown.
    fn message(
        &mut self,
        rules: &Rules,
        rule: &CompiledRule,
        program: &Program,
        bound: &[(&str, Bound<'_>)],
        path: &Path<'_>,
    ) -> Result<Option<String>, Spent> {
        let (answer, cost) = program.run(bound, COST_MAX);
        let shown = pintle_object::field::quote(&rule.message_expression);
        let why = if cost > self.budget {
            "messageExpression evaluation failed due to running out of cost budget, no further validation rules \
             will be run"
                .to_owned()
        } else if answer == Evaluated::Error(Error::OverLimit) {
            format!(
                "no further validation rules will be run due to call cost exceeds limit for messageExpression: {shown}"
            )
        } else {
            self.budget -= cost;
            let Evaluated::Text(text) = answer else { return Ok(None) };
            let text = text.trim();
            let fits = !text.is_empty() && text.len() <= MESSAGE_BYTES_MAX && !text.contains('\n');
            return Ok(fits.then(|| text.to_owned()));
        };
        self.invalid(rules, path, &why);
        Err(Spent)
    }
}

/// The name of a field in errors; `below` leads on from the path.
fn field(path: &Path<'_>, below: &str) -> String {
    let own = path.head();
    match (own.is_empty(), below.is_empty()) {
        (true, true) => "<nil>".to_owned(),
        (true, false) => below.to_owned(),
        (false, true) => own,
        (false, false) => format!("{own}.{below}"),
    }
}
