//! Expressions of the Common Expression Language: their syntax, and what of their types is certain.
//!
//! What is refused is refused in the words of upstream's compiler. A type that is not modelled here is
//! [`Type::Unknown`] and goes with everything, so nothing is refused without certainty.

mod checker;
mod lexer;
mod library;
mod parser;
mod problem;
mod scope;
mod syntax;
mod types;

pub use scope::Scope;
pub use types::{Struct, Type};

/// The type of what an expression gives, or why it is none.
///
/// # Errors
/// What a compiler says about it, with the lines meant.
pub fn compile(text: &str, scope: &Scope) -> Result<Type, String> {
    let source: Vec<char> = text.chars().collect();
    if source.len() > LENGTH_MAX {
        let size = source.len();
        return Err(format!(
            "ERROR: <input>:-1:0: expression code point size exceeds limit: size: {size}, limit {LENGTH_MAX}"
        ));
    }
    if source.len() <= SHORT_MAX {
        return compiled(&source, scope);
    }
    // Trees of long expressions may be deep.
    std::thread::scope(|threads| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        let running = thread.spawn_scoped(threads, || compiled(&source, scope));
        let found = running.ok().and_then(|running| running.join().ok());
        found.unwrap_or_else(|| Err("the expression is too large to be looked at now".to_owned()))
    })
}

const LENGTH_MAX: usize = 100_000;
const SHORT_MAX: usize = 60;
const STACK: usize = 64 << 20;

fn compiled(source: &[char], scope: &Scope) -> Result<Type, String> {
    let expression =
        parser::parse(source, scope.has_bind).map_err(|problems| problem::shown(problems, source))?;
    let Some(expression) = expression else { return Ok(Type::Unknown) };
    let (found, problems) = checker::check(&expression, scope);
    if problems.is_empty() { Ok(found) } else { Err(problem::shown(problems, source)) }
}

/// Why an expression is not one that gives one of these types.
#[must_use]
pub fn refusal(text: &str, scope: &Scope, wanted: &[Type]) -> (Type, Option<String>) {
    match compile(text, scope) {
        Err(why) => (Type::Unknown, Some(format!("compilation failed: {why}"))),
        Ok(found) => {
            let fits = wanted.is_empty() || found.is_unknown() || wanted.contains(&found);
            let why = (!fits).then(|| {
                let names: Vec<String> = wanted.iter().map(Type::runtime_name).collect();
                let wanted = match names.as_slice() {
                    [one] => one.clone(),
                    several => format!("one of [{}]", several.join(" ")),
                };
                format!("must evaluate to {wanted} but got {}", found.runtime_name())
            });
            (found, why)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Scope, Type, compile, refusal};

    fn problem(text: &str) -> String {
        compile(text, &Scope::admission()).expect_err(text)
    }

    #[test]
    fn what_is_no_expression_is_shown_with_its_place() {
        let first = "ERROR: <input>:1:7: Syntax error: mismatched input 'Value' expecting <EOF>\n | Bogus Value!\n | ......^";
        assert_eq!(problem("Bogus Value!"), first);
        assert!(problem("a\nb").starts_with(
            "ERROR: <input>:2:1: Syntax error: extraneous input 'b' expecting <EOF>\n | b\n | ^"
        ));
        assert!(
            problem("1 = 1")
                .starts_with("ERROR: <input>:1:3: Syntax error: token recognition error at: '= '")
        );
        for text in
            ["(", "a.", "a[", "f(", "Object{", "1 +", "'x", "a ? b", "{1: ", "\u{e9}", "-", "a.in == 1"]
        {
            assert!(problem(text).contains("Syntax error: "), "{text}");
        }
    }

    #[test]
    fn names_and_types_that_cannot_be_are_refused() {
        assert_eq!(
            problem("1-x"),
            "ERROR: <input>:1:3: undeclared reference to 'x' (in container '')\n | 1-x\n | ..^"
        );
        assert!(problem("request.bogus == 1").contains("undefined field 'bogus'"));
        assert!(
            problem("'a' + 1").contains("found no matching overload for '_+_' applied to '(string, int)'")
        );
        assert!(problem("f()").contains("<input>:1:2: undeclared reference to 'f'"));
    }

    #[test]
    fn what_is_good_or_unknown_is_let_through() {
        for (text, wanted) in [
            ("object.spec.replicas <= 5", Type::Bool),
            ("has(object.a) && object.a.all(k, k.startsWith('x'))", Type::Bool),
            ("request.userInfo.groups.exists(g, g in ['a', 'b'])", Type::Bool),
            ("'n=' + string(object.n)", Type::Text),
            ("authorizer.group('apps').resource('deployments').check('create').allowed()", Type::Bool),
            ("timestamp('2024-01-01T00:00:00Z') - duration('1h') < timestamp(object.t)", Type::Bool),
            ("quantity(object.q).isLessThan(quantity('1Gi'))", Type::Bool),
            ("object.?spec.?x.orValue('') == ''", Type::Bool),
            ("{'a': 1}['a'] == -1 || !(1 in [1, 2])", Type::Bool),
            ("object.l.map(x, x + 1).size() > 0", Type::Bool),
            ("object.x ? 'a' : r'b\\d'", Type::Text),
        ] {
            assert_eq!(refusal(text, &Scope::admission(), std::slice::from_ref(&wanted)).1, None, "{text}");
        }
    }

    #[test]
    fn only_selectors_of_devices_bind_names() {
        let text = "cel.bind(d, device.attributes['x'], d.a == 1)";
        assert_eq!(compile(text, &Scope::device()), Ok(Type::Bool));
        assert!(problem(text).contains("undeclared reference to 'cel'"));
        assert!(compile("cel.bind(x, 1, x == '')", &Scope::device()).is_err());
    }

    #[test]
    fn deep_and_long_expressions_take_no_more_stack_than_there_is() {
        for (open, inner, close) in
            [("(", "1", ")"), ("[", "1", "]"), ("!", "true", ""), ("-", "1", ""), ("{1:", "1", "}")]
        {
            for times in [10, 28, 59, 120, 5000] {
                let _ = compile(
                    &format!("{}{inner}{}", open.repeat(times), close.repeat(times)),
                    &Scope::device(),
                );
            }
        }
        for (part, times) in [
            ("1+", 49_999),
            ("a.", 49_999),
            ("a?b:", 20_000),
            ("[", 99_999),
            ("a[0].b(", 14_000),
            ("true||", 16_000),
        ] {
            let _ = compile(&format!("{}1", part.repeat(times)), &Scope::device());
            let _ = compile(&format!("{}1", part.repeat(59 / part.len())), &Scope::device());
        }
        assert_eq!(compile(&format!("{}1", "1+".repeat(49_999)), &Scope::device()), Ok(Type::Unknown));
        assert!(compile(&"1".repeat(100_001), &Scope::device()).is_err());
    }
}
