//! The expressions of `x-kubernetes-validations`: compilation, and cost limits.

use super::internal;
use pintle_cel::{Compiled, Decl, Fault, Scope, Type};
use pintle_object::field::Shown;
use pintle_object::{ErrorKind, FieldError, FieldErrors, Path, Value};

/// The most that one rule may cost, in all the places where it may apply.
const COST_MAX: u64 = 10_000_000;
/// The most that all rules of a schema may cost together.
const COST_SUM_MAX: u64 = 100_000_000;
/// The number of the most expensive rules that are named.
const NAMED_MAX: usize = 4;

/// Findings about the rules of one schema.
#[derive(Default)]
pub(super) struct Expressions {
    pub errors: FieldErrors,
    /// Whether each rule has a limit of its own.
    has_limit: bool,
    sum: u64,
    expensive: Vec<(u64, String)>,
}

/// The place of rules in a schema.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    /// The number of times that this part may occur; None if nothing limits that.
    pub cardinality: Option<u64>,
    /// The nearest part above whose items cannot be matched between two versions of an object.
    pub uncorrelated: Option<&'a Path<'a>>,
}

impl Site<'_> {
    pub const ROOT: Site<'static> = Site { cardinality: Some(1), uncorrelated: None };

    /// The number of times that parts below a schema may occur.
    pub fn cardinality_below(self, props: &Value) -> Option<u64> {
        let limit = |name: &str| props.int_at(&[name]).map(|limit| u64::try_from(limit).unwrap_or(0));
        let times = match props.str_at(&["type"]) {
            "object" if props.get("additionalProperties").is_some_and(|it| !it.is_null()) => {
                limit("maxProperties")?
            }
            "array" => limit("maxItems")?,
            _ => 1,
        };
        Some(self.cardinality?.saturating_mul(times))
    }
}

/// The variables of rules about data of such a type.
pub(in crate::custom) fn scope(of: &Type, is_optional: bool) -> Scope {
    let old = if is_optional { Type::optional(of.clone()) } else { of.clone() };
    let mut scope = Scope::default();
    scope.declare("self", of.clone());
    scope.declare("oldSelf", old);
    scope
}

/// The name of the type of a rule's `self`.
pub(in crate::custom) const SELF: &str = "selfType";

impl Expressions {
    pub fn new(has_limit: bool) -> Expressions {
        Expressions { has_limit, ..Expressions::default() }
    }

    pub fn check(&mut self, props: &Value, is_root: bool, site: Site<'_>, path: &Path<'_>) {
        let rules = props.list_at(&["x-kubernetes-validations"]);
        if rules.is_empty() {
            return;
        }
        let path = path.child("x-kubernetes-validations");
        let Some(decl) = Decl::of_schema(props, is_root) else {
            let why = "internal error: failed to construct type information for x-kubernetes-validations rules: \
                       unable to convert structural schema to CEL declarations";
            self.errors.internal(&path, why);
            return;
        };
        let ty = decl.ty(SELF);
        for (index, rule) in rules.iter().enumerate() {
            self.rule(rule, &decl, &ty, site, &path.index(index));
        }
    }

    fn rule(&mut self, rule: &Value, decl: &Decl, ty: &Type, site: Site<'_>, path: &Path<'_>) {
        let scope = scope(ty, rule.bool_at(&["optionalOldSelf"]));
        let times = site.cardinality.unwrap_or_else(|| decl.cardinality_max());
        let compiled = pintle_cel::program(rule.str_at(&["rule"]), &scope, Some(decl));
        let compiled = match compiled {
            Ok(compiled) if compiled.output == Type::Bool => Ok(compiled),
            Ok(_) => Err("cel expression must evaluate to a bool".to_owned()),
            Err(fault) => Err(why(&fault, "compilation", "program")),
        };
        let uses_old = compiled.as_ref().is_ok_and(|it| it.uses.iter().any(|name| name == "oldSelf"));
        match compiled {
            Ok(compiled) => {
                let cost = compiled.cost_max.saturating_mul(times);
                self.cost(cost, "estimated rule cost", &path.child("rule"));
                self.message(rule, &scope, decl, path);
            }
            Err(why) => self.errors.invalid(&path.child("rule"), Shown(internal::rule(rule)), &why),
        }
        if uses_old {
            if let Some(uncorrelated) = site.uncorrelated {
                let why = format!(
                    "oldSelf cannot be used on the uncorrelatable portion of the schema within {uncorrelated}"
                );
                self.errors.invalid(&path.child("rule"), rule.str_at(&["rule"]), &why);
            }
        } else if let Some(flag) = rule.get("optionalOldSelf").filter(|flag| !flag.is_null()) {
            let why = "may not be set if oldSelf is not used in rule";
            self.errors.invalid(&path.child("optionalOldSelf"), flag, why);
        }
    }

    fn message(&mut self, rule: &Value, scope: &Scope, decl: &Decl, path: &Path<'_>) {
        let text = rule.str_at(&["messageExpression"]);
        if text.is_empty() {
            return;
        }
        let path = path.child("messageExpression");
        let why = match pintle_cel::program(text, scope, Some(decl)) {
            Ok(Compiled { output: Type::Text, cost_max, .. }) => {
                self.cost(cost_max, "estimated messageExpression cost", &path);
                return;
            }
            Ok(_) => "messageExpression must evaluate to a string".to_owned(),
            Err(fault) => why(&fault, "messageExpression compilation", "messageExpression"),
        };
        self.errors.invalid(&path, Shown(internal::rule(rule)), &why);
    }

    fn cost(&mut self, cost: u64, what: &str, path: &Path<'_>) {
        if self.has_limit && cost > COST_MAX {
            self.errors.forbidden(path, &too_expensive(what, cost, COST_MAX));
        }
        self.sum = self.sum.saturating_add(cost);
        if cost >= COST_SUM_MAX / 100 {
            self.expensive.push((cost, path.to_string()));
            self.expensive.sort_by_key(|(cost, _)| std::cmp::Reverse(*cost));
            self.expensive.truncate(NAMED_MAX);
        }
    }

    /// Refuses rules that cost too much together; `path` leads to the schema.
    pub fn report(self, path: &Path<'_>, errors: &mut FieldErrors) {
        if self.sum <= COST_SUM_MAX {
            return;
        }
        for (_, field) in self.expensive {
            let message = "Forbidden: contributed to estimated rule cost total exceeding cost limit for entire \
                           OpenAPIv3 schema";
            errors.push(FieldError { kind: ErrorKind::Forbidden, field, message: message.to_owned() });
        }
        let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        errors.forbidden(path, &too_expensive(what, self.sum, COST_SUM_MAX));
    }
}

fn why(fault: &Fault, compilation: &str, program: &str) -> String {
    match fault {
        Fault::Compile(why) => format!("{compilation} failed: {why}"),
        Fault::Pattern(why) | Fault::Instantiation(why) => format!("{program} instantiation failed: {why}"),
        Fault::Size => format!("{compilation} failed: the expression is too large"),
    }
}

fn too_expensive(what: &str, cost: u64, limit: u64) -> String {
    let times = cost as f64 / limit as f64;
    let factor = if times > 100.0 {
        "more than 100x".to_owned()
    } else if times < 1.5 {
        format!("{times:.6}x")
    } else {
        format!("{times:.1}x")
    };
    format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, \
         maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )
}
