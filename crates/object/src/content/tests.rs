//! Texts that upstream accepts and refuses, with its messages.

use super::*;

fn check(rule: fn(&str) -> Messages, text: &str, expected: &[&str]) {
    assert_eq!(rule(text), expected, "{text:?}");
}

const LABEL_FORM: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and \
                          must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex \
                          used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const KEY_FORM: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                        alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for \
                        validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

#[test]
fn dns_names() {
    let long = "a".repeat(64);
    check(dns1123_label, "a-1", &[]);
    check(dns1123_label, "a.b", &["must not contain dots"]);
    check(dns1123_label, "A", &[LABEL_FORM]);
    check(dns1123_label, "", &[LABEL_FORM]);
    check(dns1123_label, &long, &["must be no more than 63 characters"]);
    check(dns1123_subdomain, "a.b-c.0", &[]);
    assert_eq!(dns1123_subdomain("a..b").len(), 1);
    assert_eq!(dns1123_subdomain("-a").len(), 1);
    check(dns1123_subdomain_caseless, "A.b", &[]);
    check(dns1123_subdomain_with_underscore, "_a_b.c", &[]);
    assert_eq!(dns1123_subdomain_with_underscore("a_").len(), 1);
    check(dns1035_label, "a1", &[]);
    assert_eq!(dns1035_label("1a").len(), 1);
    check(wildcard_dns1123_subdomain, "*.a.b", &[]);
    assert_eq!(wildcard_dns1123_subdomain("*").len(), 1);
}

#[test]
fn label_keys_and_values() {
    let long = "a".repeat(64);
    check(label_key, "example.com/My_Name", &[]);
    check(label_key, "", &["name part must be non-empty", &format!("name part {KEY_FORM}")]);
    check(label_key, "/a", &["prefix part must be non-empty"]);
    check(label_key, &long, &["name part must be no more than 63 bytes"]);
    check(
        label_key,
        "a/b/c",
        &[&format!(
            "a valid label key {KEY_FORM} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        )],
    );
    check(prefixed_label_key, "a", &["must include a prefix (e.g. 'example.com/key')"]);
    check(label_value, "", &[]);
    check(label_value, &long, &["must be no more than 63 bytes"]);
    check(
        label_value,
        "b;",
        &[
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
           start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for \
           validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        ],
    );
}

#[test]
fn keys_and_identifiers() {
    check(port_name, "http-1", &[]);
    check(port_name, "1", &["must contain at least one letter (a-z)"]);
    check(
        port_name,
        "",
        &[
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
            "must contain at least one letter (a-z)",
        ],
    );
    check(
        port_name,
        "a--b-",
        &["must not contain consecutive hyphens", "must not begin or end with a hyphen"],
    );
    check(config_map_key, "a.b", &[]);
    check(config_map_key, "..a", &["must not start with '..'"]);
    assert_eq!(config_map_key("").len(), 1);
    check(env_var_name, "A_b.c-1", &[]);
    assert_eq!(env_var_name("1a").len(), 1);
    check(relaxed_env_var_name, "1 a", &[]);
    assert_eq!(relaxed_env_var_name("a=b").len(), 1);
    check(path_segment_name, "..", &["may not be '..'"]);
    check(path_segment_name, "a/b%", &["may not contain '/'", "may not contain '%'"]);
    check(percent, "25%", &[]);
    assert_eq!(percent("%").len(), 1);
    check(c_identifier, "_a1", &[]);
    assert_eq!(c_identifier("").len(), 1);
    check(condition_reason, "A:B_", &[]);
    assert_eq!(condition_reason("A:").len(), 1);
    assert_eq!(port_number(0), ["must be between 1 and 65535, inclusive"]);
}
