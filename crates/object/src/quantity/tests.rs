//! Quantities that upstream accepts and refuses, and their canonical form.

use super::*;

#[test]
fn quantities_become_canonical() {
    let cases = [
        ("0", "0"),
        ("1", "1"),
        ("100m", "100m"),
        ("1000m", "1"),
        ("0.1", "100m"),
        ("1.5", "1500m"),
        ("1Gi", "1Gi"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("1023", "1023"),
        ("1024", "1024"),
        ("0.5Ki", "512"),
        ("0.0001Ki", "102400u"),
        ("1e3", "1e3"),
        ("1E3", "1E3"),
        ("1.500", "1.500"),
        ("1.500k", "1.500k"),
        ("1.000", "1"),
        ("1100m", "1100m"),
        ("+1Gi", "+1Gi"),
        ("8Gi", "8Gi"),
        ("1.0001Ki", "1024102400u"),
        (".", "0"),
        ("-", "0"),
        ("Gi", "0"),
        ("1000000.0000001Ti", "1099511627776109951162777600n"),
        ("1.00000000000000000000000000000000000000001", "1000000001n"),
        ("12e1", "120"),
        ("5k", "5k"),
        ("5000", "5k"),
        ("-5000m", "-5"),
        ("+3", "+3"),
        (".5", "500m"),
        ("5.", "5."),
        ("1n", "1n"),
        ("0.1n", "1n"),
        ("-0.1n", "-1n"),
        ("100E", "100E"),
        ("1000000000000000000000", "1"),
        ("1Ki", "1Ki"),
        ("100Ki", "100Ki"),
        ("00012", "00012"),
        ("1e-3", "1e-3"),
        ("0Mi", "0"),
        ("16Ei", "9223372036854775807"),
        // More digits than a mantissa holds: the rules are the same.
        ("1000000000000000000000000008023796060u", "1000000000000000000000000008023796060u"),
        ("1000000000000000000000000008023796060.5u", "1000000000000000000000000008023796060500n"),
        ("99999999999999999999999999999999999999.9999999999", "100"),
        ("-123456789012345678901234567890123456789012", "-123456789012345678901234567890123456789012"),
        ("0.0000000000000000000000000000000000000000001e40", "1e-3"),
        ("1e1000", "10e999"),
        ("0e7", "0"),
        ("100000000000000000000000000000000000000000000Ki", "9223372036854775807"),
    ];
    for (text, expected) in cases {
        assert_eq!(canonical(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_no_quantity_is_refused() {
    for text in ["", "x", "1x", "1 Gi", "1.2.3", "1Gi5x", "1e5x", "1KI", "bogus"] {
        assert_eq!(Quantity::parse(text).unwrap_err(), QuantityError::Format, "{text}");
    }
    for text in ["1i", "1mm", "1ee3", "1KM", "--1", "e", "1Gi5"] {
        assert_eq!(Quantity::parse(text).unwrap_err(), QuantityError::Suffix, "{text}");
    }
    assert_eq!(Quantity::parse("Pi").unwrap_err(), QuantityError::Numeric);
}

#[test]
fn quantities_compare_and_round_up() {
    let q = |text: &str| Quantity::parse(text).unwrap();
    assert_eq!(q("1Gi").cmp(&q("1G")), Ordering::Greater);
    assert_eq!(q("1000m").cmp(&q("1")), Ordering::Equal);
    assert_eq!(q("1500m").value(), 2);
    assert_eq!(q("1.5").milli_value(), 1500);
    assert_eq!(q("1Gi").add(&q("1Gi")).to_string(), "2Gi");
    assert_eq!(q("100E").value(), i64::MAX);
    let many_digits = q("1000000000000000000000000000000000000000000n");
    assert_eq!(many_digits.cmp(&q("1000000000000000E")), Ordering::Equal);
    assert_eq!(q("1000000000000000000000000000000000000000001n").cmp(&many_digits), Ordering::Greater);
}
