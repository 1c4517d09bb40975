//! JSON that Go accepts, its errors, and its output.

use super::*;
use crate::value::Value;

#[test]
fn errors_read_as_gos() {
    let cases: [(&[u8], &str); 15] = [
        (b"", "unexpected end of JSON input"),
        (b"{", "unexpected end of JSON input"),
        (b"[1,", "unexpected end of JSON input"),
        (b"\"a", "unexpected end of JSON input"),
        (b"nonsense", "invalid character 'o' in literal null (expecting 'u')"),
        (b"hello", "invalid character 'h' looking for beginning of value"),
        (b"{a}", "invalid character 'a' looking for beginning of object key string"),
        (b"{\"a\" 1}", "invalid character '1' after object key"),
        (b"{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair"),
        (b"[1 2]", "invalid character '2' after array element"),
        (b"{} x", "invalid character 'x' after top-level value"),
        (b"01", "invalid character '1' after top-level value"),
        (b"\"\\x\"", "invalid character 'x' in string escape code"),
        (b"[1e999]", "json: cannot unmarshal number 1e999 into Go value of type float64"),
        (b"1.a", "invalid character 'a' after decimal point in numeric literal"),
    ];
    for (document, expected) in cases {
        let error = parse(document).unwrap_err();
        assert_eq!(error.message, expected, "{}", String::from_utf8_lossy(document));
    }
}

#[test]
fn deep_documents_are_refused() {
    for document in ["[".repeat(20_000), format!("{}{}", "[".repeat(600), "]".repeat(600))] {
        assert!(parse(document.as_bytes()).is_err());
    }
}

#[test]
fn values_come_back_as_go_writes_them() {
    let cases = [
        (r#" { "b" : [ 1 , 2.50, -0.0 ] , "a" : "x" } "#, r#"{"a":"x","b":[1,2.5,-0]}"#),
        (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
        (r#""<a>&\u2028\ud83d\ude00\ud800""#, "\"\\u003ca\\u003e\\u0026\\u2028😀\u{fffd}\""),
        ("1e21", "1e+21"),
        ("123456789012345678901", "123456789012345680000"),
        ("9223372036854775807", "9223372036854775807"),
        ("1e-7", "1e-7"),
        ("0.000001", "0.000001"),
        ("true", "true"),
        (r#"" a ""#, r#"" a ""#),
        (r#""\b\f\n\r\t\u0001""#, r#""\b\f\n\r\t\u0001""#),
    ];
    for (document, expected) in cases {
        assert_eq!(to_string(&parse(document.as_bytes()).unwrap()), expected);
    }
}

#[test]
fn invalid_utf8_is_replaced() {
    assert_eq!(parse(b"\"a\xff\xfe\"").unwrap(), Value::from("a\u{fffd}\u{fffd}"));
}

#[test]
fn documents_are_compacted_and_laid_out() {
    assert_eq!(compact(br#"{ "b" : "<" , "a": [ ] }"#), r#"{"b":"\u003c","a":[]}"#);
    let laid_out = String::from_utf8(pretty(br#"{"a":[],"b":{"c":[1,"x:,"]}}"#)).unwrap();
    assert_eq!(laid_out, "{\n  \"a\": [],\n  \"b\": {\n    \"c\": [\n      1,\n      \"x:,\"\n    ]\n  }\n}");
}

#[test]
fn a_document_in_parts_is_laid_out_as_a_whole() {
    let document = br#"{"a":[],"b":{},"c":[{"d":"{\\\"["},[[]],1],"e":null}"#;
    for place in 0..document.len() {
        let (mut parts, mut out) = (Pretty::default(), Vec::new());
        let (first, second) = document.split_at(place);
        parts.write(first, &mut out);
        parts.write(second, &mut out);
        assert_eq!(out, pretty(document));
    }
}

#[test]
fn a_value_can_be_skipped() {
    let mut reader = JsonReader::new(br#"{"a": {"x": ["]", 1, true]}, "b": 2}"#).unwrap();
    reader.begin_map();
    assert_eq!(reader.next_key().unwrap(), "a");
    assert_eq!(reader.skip(), br#"{"x": ["]", 1, true]}"#);
    assert_eq!(reader.next_key().unwrap(), "b");
    assert_eq!(reader.number(), "2");
    assert_eq!(reader.next_key(), None);
}

/// Strings are scanned by words of eight bytes: every byte at every place in one is seen as it is.
#[test]
fn the_end_of_a_string_is_found_at_every_place() {
    for place in 0..20 {
        for byte in 0..=255_u8 {
            for other in [b'a', b'!', b'#', 0x7f, 0x80, 0xff] {
                let mut document = vec![other; 24];
                *document.first_mut().unwrap() = b'"';
                *document.get_mut(place + 1).unwrap() = byte;
                *document.last_mut().unwrap() = b'"';
                let offset = match byte {
                    b'"' => Some(place + 3),
                    b'\\' => Some(place + 3),
                    0..0x20 => Some(place + 2),
                    _ => None,
                };
                let got = read::check(&document).err().map(|error| error.offset);
                assert_eq!(got, offset, "{byte:#x} at {place} among {other:#x}");
            }
        }
    }
}

#[test]
fn a_checked_document_is_read_more_than_once() {
    let document = CheckedJson::new(&b" {\"a\": [1]}"[..]).unwrap();
    for _ in 0..2 {
        let mut reader = document.reader();
        reader.begin_map();
        assert_eq!(reader.next_name().unwrap(), "a");
        assert_eq!(reader.skip(), b"[1]");
        assert_eq!(reader.next_name(), None);
    }
    assert!(CheckedJson::new(&b"{\"a\": ]"[..]).is_err());
    let deep = "[".repeat(read::TREE_DEPTH_MAX + 1) + &"]".repeat(read::TREE_DEPTH_MAX + 1);
    assert_eq!(CheckedJson::new(deep.as_bytes()).unwrap_err().message, "exceeded max depth");
}

#[test]
fn special_bytes_are_escaped_at_every_place_of_strings_of_every_length() {
    let written = |text: &str| {
        let mut out = Vec::new();
        write_string(&mut out, text);
        String::from_utf8(out).unwrap()
    };
    for len in 0..=50 {
        let plain = "a".repeat(len);
        assert_eq!(written(&plain), format!("\"{plain}\""));
        for place in 0..len {
            let (before, after) = (&plain[..place], &plain[place + 1..]);
            for (special, escaped) in [
                ("\"", "\\\""),
                ("\\", "\\\\"),
                ("<", "\\u003c"),
                ("\u{1f}", "\\u001f"),
                ("\u{2028}", "\\u2028"),
            ] {
                let text = format!("{before}{special}{after}");
                assert_eq!(written(&text), format!("\"{before}{escaped}{after}\""), "{place} of {len}");
            }
            let others = format!("{before}é~ \u{7f}{after}");
            assert_eq!(written(&others), format!("\"{others}\""));
        }
    }
}
