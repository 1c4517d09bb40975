//! Expressions that are refused, those that are not, and what they give.

use crate::{Scope, Type, compile, refusal};

fn problem(text: &str) -> String {
    compile(text, &Scope::admission()).expect_err(text)
}

#[test]
fn what_is_no_expression_is_shown_with_its_place() {
    let first = "ERROR: <input>:1:7: Syntax error: mismatched input 'Value' expecting <EOF>\n | Bogus Value!\n | ......^";
    assert_eq!(problem("Bogus Value!"), first);
    assert!(
        problem("a\nb").starts_with(
            "ERROR: <input>:2:1: Syntax error: extraneous input 'b' expecting <EOF>\n | b\n | ^"
        )
    );
    assert!(
        problem("1 = 1").starts_with("ERROR: <input>:1:3: Syntax error: token recognition error at: '= '")
    );
    for text in ["(", "a.", "a[", "f(", "Object{", "1 +", "'x", "a ? b", "{1: ", "\u{e9}", "-", "a.in == 1"] {
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
    assert!(problem("'a' + 1").contains("found no matching overload for '_+_' applied to '(string, int)'"));
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
            let _ =
                compile(&format!("{}{inner}{}", open.repeat(times), close.repeat(times)), &Scope::device());
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
