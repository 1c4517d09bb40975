//! Expressions, accepted and refused, and their values.

use crate::{Bound, Decl, Evaluated, Scope, Type, compile, program, refusal};
use pintle_object::json;

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

/// The estimated and the actual cost of an expression over a schema and data.
fn costs(schema: &str, expression: &str, data: &str) -> (u64, u64) {
    let parse = |text: &str| json::parse(text.as_bytes()).expect("test data is JSON");
    let decl = Decl::of_schema(&parse(schema), false).expect("the schema has a type");
    let mut scope = Scope::default();
    scope.declare("self", decl.ty("selfType"));
    let compiled = program(expression, &scope, Some(&decl)).expect(expression);
    let data = parse(data);
    let (answer, cost) = compiled.program.run(&[("self", Bound::Tree(&data, &decl))], 1_000_000);
    assert_eq!(answer, Evaluated::Bool(true), "{expression}");
    (compiled.cost_max, cost)
}

#[test]
fn costs_follow_from_sizes() {
    let text = r#"{"type":"string","maxLength":10}"#;
    let list = r#"{"type":"array","maxItems":10,"items":{"type":"integer"}}"#;
    let object = r#"{"type":"object","properties":{"a":{"type":"string","maxLength":5}}}"#;
    for (schema, expression, data, expected) in [
        (text, "self == 'abc'", r#""abc""#, (2, 2)),
        (text, "self.startsWith('a')", r#""abc""#, (2, 2)),
        (text, "self.matches('^a+bc$')", r#""aabc""#, (11, 3)),
        (list, "self.all(x, x > 0)", "[1, 2]", (52, 12)),
        (list, "self.size() == 2", "[1, 2]", (3, 3)),
        (object, "has(self.a) && self.a != 'x'", r#"{"a":"b"}"#, (4, 4)),
        (object, "self.a + 'bc' == 'abc'", r#"{"a":"a"}"#, (6, 4)),
    ] {
        assert_eq!(costs(schema, expression, data), expected, "{expression}");
    }
}

#[test]
fn data_is_what_is_declared() {
    let schema = r#"{"type":"object","properties":{
        "t":{"type":"string","format":"date-time"},"d":{"type":"string","format":"duration"},
        "b":{"type":"string","format":"byte"},"n":{"type":"number"},"i":{"x-kubernetes-int-or-string":true},
        "set":{"type":"array","x-kubernetes-list-type":"set","items":{"type":"string"}},
        "m":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"],"items":{"type":"object",
            "properties":{"k":{"type":"string"},"v":{"type":"integer"}}}},
        "o":{"type":"object","properties":{"x":{"type":"integer","nullable":true},"for":{"type":"integer"}}}}}"#;
    let data = r#"{"t":"2024-01-01T00:00:00Z","d":"1h","b":"YWI=","n":2,"i":"5%","set":["a","b"],
        "m":[{"k":"a","v":1},{"k":"b","v":2}],"o":{"x":null,"for":1}}"#;
    for expression in [
        "self.t.getFullYear() == 2024 && self.d == duration('60m') && self.b == b'ab' && self.n == 2.0",
        "type(self.i) == string && self.i == '5%'",
        "self.set == ['b', 'a'] && (self.set + ['a', 'c']) == ['a', 'b', 'c']",
        "self.m == self.m && (self.m + self.m).size() == 2 && self.m.exists(e, e.k == 'b' && e.v == 2)",
        "!has(self.o.x) && self.o.?x.orValue(3) == 3 && self.o.__for__ == 1",
    ] {
        costs(schema, expression, data);
    }
}
