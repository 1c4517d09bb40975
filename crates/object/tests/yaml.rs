//! Documents as go-yaml reads them: `yaml.jsonl` holds them with the answers of sigs.k8s.io/yaml.

use pintle_object::{Value, json, yaml};

/// One line: the document, its JSON, why there is none, and what strict decoding says.
#[test]
fn documents_are_read_as_by_go_yaml() {
    let mut wrong = Vec::new();
    for line in include_str!("yaml.jsonl").lines() {
        let case = json::parse(line.as_bytes()).unwrap();
        let text = |index: usize| case.as_list().unwrap().get(index).and_then(Value::as_str).unwrap_or("");
        let expected = [text(1), text(2), text(3)].map(String::from);
        let got = match yaml::to_json(text(0).as_bytes()) {
            Ok(document) => {
                let strict = match document.duplicates.is_empty() {
                    true => String::new(),
                    false => format!("yaml: unmarshal errors:\n  {}", document.duplicates.join("\n  ")),
                };
                [String::from_utf8(document.json).unwrap(), String::new(), strict]
            }
            Err(error) => [String::new(), error.0, String::new()],
        };
        if got != expected {
            wrong.push(format!("{:?}\n  expected {expected:?}\n  got      {got:?}", text(0)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Characters are found by go-yaml, too: other encodings, and what is none.
#[test]
fn bytes_become_characters() {
    let cases: [(&[u8], &str); 13] = [
        (b"\xef\xbb\xbfa: b", r#"{"a":"b"}"#),
        (b"\xff\xfea\0:\0 \0b\0", r#"{"a":"b"}"#),
        (b"\xfe\xff\0a\0:\0 \0b", r#"{"a":"b"}"#),
        (b"\xff\xfea\0:", "yaml: incomplete UTF-16 character"),
        (b"\xff\xfea\0\0\xdc", "yaml: unexpected low surrogate area"),
        (b"\xff\xfea\0\0\xd8a\0", "yaml: expected low surrogate area"),
        (b"a: \xff", "yaml: invalid leading UTF-8 octet"),
        (b"a: \xc3", "yaml: incomplete UTF-8 octet sequence"),
        (b"a: \xc3(", "yaml: invalid trailing UTF-8 octet"),
        (b"a: \xc0\x80", "yaml: invalid length of a UTF-8 sequence"),
        (b"a: \xed\xa0\x80", "yaml: invalid Unicode character"),
        (b"a: \x07", "yaml: control characters are not allowed"),
        (b"a: @\nb\x07", "yaml: control characters are not allowed"),
    ];
    for (document, expected) in cases {
        let got = match yaml::to_json(document) {
            Ok(document) => String::from_utf8(document.json).unwrap(),
            Err(error) => error.0,
        };
        assert_eq!(got, expected, "{document:?}");
    }
    let late = [b"a: @\n".to_vec(), b"b: c\n".repeat(200), vec![7]].concat();
    assert_eq!(yaml::to_json(&late).unwrap_err().0, "yaml: found character that cannot start any token");
}

#[test]
fn aliases_are_bounded() {
    let excessive = "yaml: document contains excessive aliasing";
    let long = format!("x: &x \"{}\"\nz: [{}]\n", "y".repeat(100_000), "*x,".repeat(40));
    assert_eq!(yaml::to_json(long.as_bytes()).unwrap_err().0, excessive);
    let keys = format!("x: &x {{? \"{}\" : 1}}\nz: [{}]\n", "y".repeat(100_000), "*x,".repeat(40));
    assert_eq!(yaml::to_json(keys.as_bytes()).unwrap_err().0, excessive);
    let merges = format!("x: &x {{? \"{}\" : 1}}\nz: [{}]\n", "y".repeat(100_000), "{<<: *x},".repeat(40));
    assert_eq!(yaml::to_json(merges.as_bytes()).unwrap_err().0, excessive);
    let many = format!("x: &x [{}]\nz: [{}]\n", "1,".repeat(10_000), "*x,".repeat(20));
    assert_eq!(yaml::to_json(many.as_bytes()).unwrap_err().0, excessive);
    let doubling: String = (1..40).map(|n| format!("a{n}: &a{n} [*a{}, *a{}]\n", n - 1, n - 1)).collect();
    let doubling = format!("a0: &a0 x\n{doubling}");
    assert_eq!(yaml::to_json(doubling.as_bytes()).unwrap_err().0, excessive);
    let chain: String = (1..2000).map(|n| format!("a{n}: &a{n} [*a{}]\n", n - 1)).collect();
    assert!(yaml::to_json(format!("a0: &a0 x\n{chain}").as_bytes()).is_err());
    let few = format!("x: &x [1,2]\nz: [{}]\n", "*x,".repeat(100));
    assert!(yaml::to_json(few.as_bytes()).is_ok());
}

#[test]
fn nesting_is_bounded() {
    let at = |depth: usize| yaml::to_json([b"[".repeat(depth), b"]".repeat(depth)].concat().as_slice());
    assert!(at(500).is_ok());
    assert_eq!(at(501).unwrap_err().0, "yaml: exceeded max depth");
    assert_eq!(at(10_001).unwrap_err().0, "yaml: exceeded max depth of 10000");
    let blocks = yaml::to_json(b"- ".repeat(10_002).as_slice());
    assert_eq!(blocks.unwrap_err().0, "yaml: exceeded max depth of 10000");
    let merges = ["{<<: ".repeat(600), "{}".into(), "}".repeat(600)].concat();
    assert_eq!(yaml::to_json(merges.as_bytes()).unwrap_err().0, "yaml: exceeded max depth");
}
