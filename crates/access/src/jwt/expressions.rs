//! Expressions of an AuthenticationConfiguration: mappings of claims, and rules for claims and users.

use super::configuration::Jwt;
use pintle_cel::{ANY, Bound, Evaluated, Fault, NoTexts, Program, Scope, Type};
use pintle_object::user::User;
use pintle_object::{Map, Value};

/// The cost limit of one evaluation: upstream's limit of a call.
const COST_MAX: u64 = 1_000_000;
const CLAIMS: &str = "claims";
const USER: &str = "user";

/// All expressions of an issuer, ready to run.
#[derive(Default)]
pub struct Expressions {
    pub username: Option<Expression>,
    pub groups: Option<Expression>,
    pub uid: Option<Expression>,
    /// By key.
    pub extra: Vec<(String, Expression)>,
    /// With the message for when they are false.
    pub claim_rules: Vec<(Expression, String)>,
    pub user_rules: Vec<(Expression, String)>,
}

pub struct Expression {
    text: String,
    program: Program,
}

impl Expressions {
    /// Compiles the expressions of a valid configuration; invalid ones were refused before, and are left out here.
    pub fn compile(jwt: &Jwt) -> Result<Expressions, String> {
        let of_claims = |text: &str, is_rule| compile(text, &claims_scope(), is_rule);
        let optional = |text: &str| match text {
            "" => Ok(None),
            text => of_claims(text, false).map(Some),
        };
        let mappings = &jwt.mappings;
        let mut all = Expressions {
            username: optional(&mappings.username.expression)?,
            groups: optional(&mappings.groups.expression)?,
            uid: optional(&mappings.uid.expression)?,
            ..Expressions::default()
        };
        for (key, text) in &mappings.extra {
            all.extra.push((key.clone(), of_claims(text, false)?));
        }
        for rule in jwt.rules.iter().filter(|rule| !rule.expression.is_empty()) {
            all.claim_rules.push((of_claims(&rule.expression, true)?, rule.message.clone()));
        }
        for (text, message) in &jwt.user_rules {
            all.user_rules.push((compile(text, &user_scope(), true)?, message.clone()));
        }
        Ok(all)
    }

    /// Checks the rules for claims.
    pub fn check_claims(&self, claims: &Value) -> Result<(), String> {
        let failed = |why| format!("oidc: error evaluating claim validation expression: {why}");
        check(&self.claim_rules, CLAIMS, claims).map_err(failed)
    }

    /// Checks the rules for users.
    pub fn check_user(&self, user: &User) -> Result<(), String> {
        if self.user_rules.is_empty() {
            return Ok(());
        }
        let failed = |why| format!("oidc: error evaluating user info validation rule: {why}");
        check(&self.user_rules, USER, &shown(user)).map_err(failed)
    }
}

impl Expression {
    /// A text, which the expression must give.
    pub fn text(&self, claims: &Value) -> Result<Option<String>, String> {
        match self.answer(CLAIMS, claims)? {
            Evaluated::Text(text) => Ok(Some(text)),
            _ => Ok(None),
        }
    }

    /// Texts; none where the expression gives something else.
    pub fn texts(&self, claims: &Value) -> Result<Option<Vec<String>>, String> {
        match self.program.texts(&[(CLAIMS, Bound::Tree(claims, &ANY))], COST_MAX) {
            Ok(texts) => Ok(Some(texts)),
            Err(NoTexts::Other) => Ok(None),
            Err(NoTexts::Error(why)) => Err(self.failed(&why.to_string())),
        }
    }

    pub fn source(&self) -> &str {
        &self.text
    }

    fn answer(&self, name: &str, value: &Value) -> Result<Evaluated, String> {
        match self.program.run(&[(name, Bound::Tree(value, &ANY))], COST_MAX).0 {
            Evaluated::Error(why) => Err(self.failed(&why.to_string())),
            answer => Ok(answer),
        }
    }

    fn failed(&self, why: &str) -> String {
        format!("expression '{}' resulted in error: {why}", self.text)
    }
}

fn check(rules: &[(Expression, String)], name: &str, value: &Value) -> Result<(), String> {
    for (rule, message) in rules {
        match rule.answer(name, value)? {
            Evaluated::Bool(true) => {}
            Evaluated::Bool(false) => {
                return Err(format!("validation expression '{}' failed: {message}", rule.text));
            }
            _ => return Err("validation expression must return a boolean".into()),
        }
    }
    Ok(())
}

/// A user as rules see it.
fn shown(user: &User) -> Value {
    let texts = |texts: &[String]| {
        Value::from(texts.iter().map(|text| Value::from(text.as_str())).collect::<Vec<_>>())
    };
    let extra = user.extra.iter().map(|(key, values)| (key.as_str(), texts(values)));
    let mut shown = Value::map();
    shown.set(&["username"], user.name.as_str());
    shown.set(&["uid"], user.uid.as_str());
    shown.set(&["groups"], texts(&user.groups));
    shown.set(&["extra"], extra.collect::<Map>());
    shown
}

/// Checks that an expression over claims compiles.
pub fn refuse_over_claims(text: &str, is_rule: bool) -> Result<(), String> {
    compile(text, &claims_scope(), is_rule).map(|_| ())
}

/// Checks that a rule over users compiles.
pub fn refuse_over_user(text: &str) -> Result<(), String> {
    compile(text, &user_scope(), true).map(|_| ())
}

fn compile(text: &str, scope: &Scope, is_rule: bool) -> Result<Expression, String> {
    let compiled = match pintle_cel::program(text, scope, None) {
        Ok(compiled) => compiled,
        Err(Fault::Compile(why)) => return Err(format!("compilation failed: {why}")),
        Err(Fault::Pattern(why) | Fault::Instantiation(why)) => {
            return Err(format!("program instantiation failed: {why}"));
        }
        Err(Fault::Size) => return Err("compilation failed: the expression is too long".into()),
    };
    if is_rule && !matches!(compiled.output, Type::Bool | Type::Unknown) {
        return Err("must evaluate to bool".into());
    }
    Ok(Expression { text: text.into(), program: compiled.program })
}

fn claims_scope() -> Scope {
    let mut scope = Scope::default();
    scope.declare(CLAIMS, Type::map(Type::Dyn));
    scope
}

fn user_scope() -> Scope {
    let texts = Type::list(Type::Text);
    let fields = [
        ("username", Type::Text),
        ("uid", Type::Text),
        ("groups", texts.clone()),
        ("extra", Type::map(texts)),
    ];
    let mut scope = Scope::default();
    scope.declare(USER, Type::object("kubernetes.UserInfo", &fields));
    scope
}

/// Whether an expression reads a claim by its name, as `claims.email` or `claims.?email`.
pub fn reads_claim(text: &str, claim: &str) -> bool {
    let words = words(text);
    words.windows(3).any(|three| matches!(three, [a, b, c] if a == CLAIMS && b == "." && c == claim))
}

/// Names and signs of an expression, without its texts and spaces. The sign of an optional field does not count.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' | '\'' => {
                while let Some(inner) = chars.next() {
                    match inner {
                        '\\' => drop(chars.next()),
                        inner if inner == c => break,
                        _ => {}
                    }
                }
            }
            c if c.is_alphanumeric() || c == '_' => {
                let mut word = String::from(c);
                while let Some(next) = chars.next_if(|next| next.is_alphanumeric() || *next == '_') {
                    word.push(next);
                }
                words.push(word);
            }
            c if c.is_whitespace() => {}
            '?' if words.last().is_some_and(|last| last == ".") => {}
            c => words.push(c.into()),
        }
    }
    words
}
