//! Results of functions over no data: `check(expression, result)`.

use crate::{COST_MAX, Error, Evaluated, Fault, Scope, program};

fn answer(text: &str) -> Evaluated {
    match program(text, &Scope::default(), None) {
        Ok(compiled) => compiled.program.run(&[], COST_MAX).0,
        Err(Fault::Instantiation(why)) => Evaluated::Error(Error::new(why)),
        Err(fault) => panic!("{text}: {fault:?}"),
    }
}

fn all_hold(expressions: &[&str]) {
    for text in expressions {
        assert_eq!(answer(text), Evaluated::Bool(true), "{text}");
    }
}

fn all_fail(cases: &[(&str, &str)]) {
    for (text, why) in cases {
        let Evaluated::Error(error) = answer(text) else { panic!("{text} gives a value") };
        assert_eq!(error.to_string(), *why, "{text}");
    }
}

#[test]
fn operators_and_numbers() {
    all_hold(&[
        "1 + 2 * 3 == 7 && -7 / 2 == -3 && -7 % 2 == -1 && 0x1F == 31 && 5u / 2u == 2u",
        "1 < 2.5 && 2u > 1 && 1.0 <= 1 && 9223372036854775807 >= 1u",
        "'a' < 'b' && b'a' < b'b' && !false && (true ? 1 : 2) == 1",
        "1.0 / 0.0 > 1.0 && -(1.5) == -1.5 && dyn(1) == 1.0 && dyn(1) != 'a'",
        "true || 1 / 0 > 0",
        "1 / 0 > 0 || true",
        "!(false && 1 / 0 > 0)",
        "1 in [1, 2] && !(3 in [1, 2]) && 'a' in {'a': 1}",
        "[1, 2] + [3] == [1, 2, 3] && {'a': 1} == {'a': 1} && [1] != [2]",
        "'\\u00e9\\x41\\101\\n'.size() == 4 && r'\\n'.size() == 2 && '''a'b'''.size() == 3",
        "int('-5') == -5 && uint('5') == 5u && double('1.5') == 1.5 && int(2.9) == 2 && bool('true')",
        "type(1) == int && type([]) == list && type(type(1)) == type && type(null) == null_type",
        "google.protobuf.Timestamp{seconds: 1} == timestamp('1970-01-01T00:00:01Z')",
    ]);
    all_fail(&[
        ("1 / 0 == 1", "division by zero"),
        ("1 % 0 == 1", "modulus by zero"),
        ("9223372036854775807 + 1 == 1", "integer overflow"),
        ("1u - 2u == 1u", "unsigned integer overflow"),
        ("int('x') == 1", "type conversion error from 'string' to 'int'"),
        ("[1][3] == 1", "index out of bounds: 3"),
        ("{'a': 1}['b'] == 1", "no such key: b"),
        ("dyn('x') > 1", "no such overload"),
        ("{'a': 1, 'a': 2}.size() == 1", "insert failed: key a already exists"),
    ]);
}

#[test]
fn texts() {
    all_hold(&[
        "'tacocat'.charAt(4) == 'c' && 'abc'.charAt(3) == ''",
        "'hello mellow'.indexOf('ello', 2) == 7 && 'hello'.indexOf('x') == -1 && 'abc'.indexOf('') == 0",
        "'hello mellow'.lastIndexOf('ello') == 7 && 'hello mellow'.lastIndexOf('ello', 6) == 1",
        "['a', 'b'].join('-') == 'a-b' && [].join() == ''",
        "'ab'.replace('', '-') == '-a-b-' && 'aab'.replace('a', 'c', 1) == 'cab'",
        "'a,b,c'.split(',', 2) == ['a', 'b,c'] && 'éa'.split('') == ['é', 'a'] && 'a'.split(',', 0) == []",
        "'日本語'.substring(1, 2) == '本' && ' x '.trim() == 'x' && 'aB'.upperAscii() == 'AB'",
        "strings.quote('a\"\\n') == '\"a\\\\\"\\\\n\"'",
        "string(1e21) == '1e+21' && string(1200.0) == '1200' && string(0.00001) == '1e-05' && string(-0.0) == '-0'",
        "string(duration('90.5s')) == '90.5s' && string(b'abc') == 'abc' && string(1e6) == '1e+06'",
        "'%s %d %x %X %o %b %.2f'.format(['a', 5, 255, 255, 8, 5, 1.239]) == 'a 5 ff FF 10 101 1.24'",
        "'%f|%e'.format([1200.0, 1200.0]) == '1,200.000000|1.200000×10⁰³'",
        "'%s'.format([{'k': [1, 2.5], 'b': null}]) == '{\"b\":null, \"k\":[1, 2.500000]}'",
        "'abc'.matches('^[a-z]+$') && 'a12'.find('[0-9]+') == '12' && 'a1b2'.findAll('[0-9]', 1) == ['1']",
    ]);
    all_fail(&[
        ("'abc'.substring(5) == ''", "index out of range: 5"),
        ("'abc'.charAt(-1) == ''", "index out of range: -1"),
        (
            "'%d'.format([dyn('x')]) == ''",
            "error during formatting: decimal clause can only be used on integers, was given string",
        ),
    ]);
}

#[test]
fn lists_maps_and_loops() {
    all_hold(&[
        "[1, 2].all(x, x > 0) && [1, 2].exists(x, x == 2) && [1, 2].exists_one(x, x > 1)",
        "[1, 0].exists(x, 1 / x == 1) && ![0, 5].all(x, 1 / x == 7)",
        "[1, 2, 3].map(x, x > 1, x * 2) == [4, 6] && [1, 2].filter(x, x > 1) == [2]",
        "[1, 2].all(i, v, v == i + 1) && {'a': 1}.exists(k, v, k == 'a' && v == 1)",
        "[1, 2].transformList(i, v, i + v) == [1, 3] && {'a': 1}.transformMap(k, v, v + 1) == {'a': 2}",
        "[1, 2].transformMapEntry(i, v, {v: i}) == {1: 0, 2: 1}",
        "[1, 2, 2].isSorted() && [1, 2].sum() == 3 && ['b', 'a'].min() == 'a' && [1.0, 3.0].max() == 3.0",
        "[3, 1, 2].sort() == [1, 2, 3] && ['bb', 'a'].sortBy(e, e.size()) == ['a', 'bb']",
        "[[1], [2, 3]].flatten() == [1, 2, 3] && [1, 2, 3].slice(1, 3) == [2, 3] && lists.range(3) == [0, 1, 2]",
        "[1, 2].reverse() == [2, 1] && [1, 1].distinct() == [1] && [1, 5, 5].lastIndexOf(5) == 2",
        "sets.contains([1, 2], [2]) && sets.equivalent([1, 2], [2, 1, 1]) && sets.intersects([1], [1, 3])",
        "{'a': {'b': 1}}.a.b == 1 && has({'a': 1}.a) && !has({'a': 1}.b)",
        "{'a': 1}.?b.orValue(2) == 2 && {'a': 1}[?'a'].hasValue() && [1][?3] == optional.none()",
        "optional.of(1).optMap(x, x + 1).value() == 2 && [?optional.none(), 1].size() == 1",
        "optional.ofNonZeroValue('').or(optional.of('x')).value() == 'x' && [1].first().value() == 1",
        "optional.of({'a': 1}).optFlatMap(m, m.?b).orValue(7) == 7 && optional.of({'a': 1}).a.value() == 1",
    ]);
    all_fail(&[
        ("[0].all(x, 1 / x == 1)", "division by zero"),
        ("[1, 2].slice(0, 3).size() == 0", "cannot slice(0, 3), list is length 2"),
        ("optional.none().value() == 1", "optional.none() dereference"),
        ("[].min() == 1", "min called on empty list"),
    ]);
}

#[test]
fn times() {
    all_hold(&[
        "timestamp('2023-05-06T07:08:09.5Z').getFullYear() == 2023",
        "timestamp('2023-05-06T07:08:09.5Z').getMonth() == 4 && timestamp('2023-05-06T07:08:09Z').getDate() == 6",
        "timestamp('2023-05-06T07:08:09Z').getDayOfWeek() == 6 && timestamp('2024-12-31T00:00:00Z').getDayOfYear() == 365",
        "timestamp('2023-05-06T07:08:09Z').getHours('+02:00') == 9",
        "duration('1h30m').getMinutes() == 90 && duration('1h') > duration('59m')",
        "timestamp('2024-01-02T00:00:00Z') - timestamp('2024-01-01T00:00:00Z') == duration('24h')",
        "string(timestamp('2024-01-01T00:00:00Z') + duration('1h')) == '2024-01-01T01:00:00Z'",
        "string(timestamp('2024-01-01T00:00:00.5Z')) == '2024-01-01T00:00:00.5Z' && int(timestamp('1970-01-01T00:00:05Z')) == 5",
    ]);
}

#[test]
fn kubernetes_types() {
    all_hold(&[
        "quantity('1Gi').add(quantity('1Gi')).isGreaterThan(quantity('1.5Gi')) && isQuantity('5m') && !isQuantity('x')",
        "quantity('1Ki').asInteger() == 1024 && quantity('500m').asApproximateFloat() == 0.5",
        "!quantity('1.5').isInteger() && quantity('1').compareTo(quantity('1000m')) == 0 && sign(quantity('-1')) == -1",
        "url('https://a.b:80/p%20q?k=v&k=w').getHost() == 'a.b:80' && isURL('/x') && !isURL('x')",
        "url('https://a.b:80/p%20q?k=v&k=w').getQuery() == {'k': ['v', 'w']}",
        "url('https://[::1]:80/x').getHostname() == '::1' && url('https://[::1]:80/x').getPort() == '80'",
        "ip('::1').isLoopback() && ip('10.0.0.1').family() == 4 && !isIP('01.2.3.4') && !isIP('::ffff:1.2.3.4')",
        "ip.isCanonical('::1') && !ip.isCanonical('0::1') && ip('fe80::1').isLinkLocalUnicast()",
        "cidr('10.0.0.0/8').containsIP('10.1.2.3') && cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16')",
        "string(cidr('10.1.2.3/8').masked()) == '10.0.0.0/8' && cidr('10.0.0.1/8').ip() == ip('10.0.0.1')",
        "semver('1.2.3').isGreaterThan(semver('1.2.3-rc.1')) && semver('v1.2', true).minor() == 2",
        "isSemver('1.2.3-rc.1+b') && !isSemver('1.2') && isSemver('01.2.3', true)",
        "!format.dns1123Label().validate('ok').hasValue() && format.dns1123Label().validate('A').hasValue()",
        "format.named('uuid').value().validate('x').value()[0] == 'does not match the UUID format'",
        "!format.named('bogus').hasValue()",
    ]);
    all_fail(&[
        ("cidr('10.0.0.0/8').containsIP('bad')", "no such overload"),
        (
            "url('bad url').getHost() == ''",
            "URL parse error during conversion from string: parse \"bad url\": invalid URI for request",
        ),
        ("semver('bad').major() == 1", "No Major.Minor.Patch elements found"),
    ]);
}

#[test]
fn what_costs_too_much_ends() {
    let text = "lists.range(1000).all(x, lists.range(1000).all(y, lists.range(1000).all(z, x + y + z >= 0)))";
    let compiled = program(text, &Scope::default(), None).expect("it compiles");
    let (answer, cost) = compiled.program.run(&[], 100_000);
    assert_eq!(answer, Evaluated::Error(Error::OverLimit));
    assert!(cost > 100_000);
}

/// A generator of texts that look like expressions (a linear congruence: the same every time).
#[test]
fn nothing_that_is_written_panics() {
    const PARTS: [&str; 48] = [
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ".",
        ",",
        "?",
        ":",
        "!",
        "-",
        "+",
        "*",
        "/",
        "%",
        "==",
        "<",
        "&&",
        "||",
        " in ",
        "1",
        "2u",
        "1.5",
        "'a'",
        "b'x'",
        "r'\\d'",
        "true",
        "null",
        "x",
        "size",
        "all",
        "map",
        "x, ",
        ".map(x, x)",
        ".exists(x, true)",
        "has(",
        "[1, 2]",
        "{'a': 1}",
        ".?a",
        "[?0]",
        "optional.of(1)",
        "duration('1s')",
        ".format([1])",
        "quantity('1')",
        "type(",
        "\\",
        "é",
    ];
    let mut state: u64 = 7;
    for _ in 0..3000 {
        let mut text = String::new();
        for _ in 0..=(state >> 60) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(PARTS[(state >> 33) as usize % PARTS.len()]);
        }
        if let Ok(compiled) = program(&text, &Scope::default(), None) {
            let _ = compiled.program.run(&[], 10_000);
        }
    }
}
