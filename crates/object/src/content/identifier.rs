//! Names of ports, environment variables, configuration keys, headers and path segments.

use super::{Messages, dns, inclusive_range_error, is_edged, max_len_error, regex_error};

const PORT_NAME_LEN_MAX: usize = 15;

pub fn port_number(port: i64) -> Messages {
    if (1..=65_535).contains(&port) { Messages::new() } else { vec![inclusive_range_error(1, 65_535)] }
}

/// An IANA service name: at most 15 of `[-a-z0-9]`, with a letter, and hyphens only single and inside.
pub fn port_name(text: &str) -> Messages {
    let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let only_allowed = !text.is_empty() && text.bytes().all(is_allowed);
    let rules = [
        (text.len() <= PORT_NAME_LEN_MAX, max_len_error(PORT_NAME_LEN_MAX)),
        (only_allowed, "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".into()),
        (text.bytes().any(|b| b.is_ascii_lowercase()), "must contain at least one letter (a-z)".into()),
        (!text.contains("--"), "must not contain consecutive hyphens".into()),
        (!text.starts_with('-') && !text.ends_with('-'), "must not begin or end with a hyphen".into()),
    ];
    rules.into_iter().filter(|(holds, _)| !holds).map(|(_, message)| message).collect()
}

/// `25%`.
pub fn percent(text: &str) -> Messages {
    let digits = text.strip_suffix('%').unwrap_or("");
    let is_valid = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let why = "a valid percent string must be a numeric string followed by an ending '%'";
    unless(is_valid, || regex_error(why, "[0-9]+%", &["1%", "93%"]))
}

pub fn http_header_name(text: &str) -> Messages {
    let is_valid = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let why = "a valid HTTP header must consist of alphanumeric characters or '-'";
    unless(is_valid, || regex_error(why, "[-A-Za-z0-9]+", &["X-Header-Name"]))
}

pub fn c_identifier(text: &str) -> Messages {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let is_valid =
        text.bytes().all(is_word) && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let why = "a valid C identifier must start with alphabetic character or '_', followed by a string of \
               alphanumeric characters or '_'";
    unless(is_valid, || regex_error(why, "[A-Za-z_][A-Za-z0-9_]*", &["my_name", "MY_NAME", "MyName"]))
}

pub fn env_var_name(text: &str) -> Messages {
    let is_valid = is_config_key(text) && !text.starts_with(|c: char| c.is_ascii_digit());
    let why = "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', \
               and must not start with a digit";
    let examples = ["my.env-name", "MY_ENV.NAME", "MyEnvName1"];
    let mut messages = unless(is_valid, || regex_error(why, "[-._a-zA-Z][-._a-zA-Z0-9]*", &examples));
    messages.extend(leaves_directory(text));
    messages
}

/// Any printable ASCII but `=`.
pub fn relaxed_env_var_name(text: &str) -> Messages {
    if text.is_empty() {
        return vec![String::from("environment variable name must be non-empty")];
    }
    let is_valid = text.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'=');
    let why =
        "a valid environment variable name must consist only of printable ASCII characters other than '='";
    unless(is_valid, || String::from(why))
}

/// A key of a ConfigMap or Secret.
pub fn config_map_key(text: &str) -> Messages {
    let mut messages = Messages::new();
    if text.len() > dns::SUBDOMAIN_LEN_MAX {
        messages.push(max_len_error(dns::SUBDOMAIN_LEN_MAX));
    }
    if !is_config_key(text) {
        let why = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
        messages.push(regex_error(why, "[-._a-zA-Z0-9]+", &["key.name", "KEY_NAME", "key-name"]));
    }
    messages.extend(leaves_directory(text));
    messages
}

/// A name for use in a request's path.
pub fn path_segment_name(text: &str) -> Messages {
    if matches!(text, "." | "..") {
        return vec![format!("may not be '{text}'")];
    }
    path_segment_prefix(text)
}

/// The start of a name for use in a request's path.
pub fn path_segment_prefix(text: &str) -> Messages {
    let forbidden = ["/", "%"].into_iter().filter(|part| text.contains(part));
    forbidden.map(|part| format!("may not contain '{part}'")).collect()
}

/// The reason of a condition: `ReasonA:ReasonB`.
pub fn condition_reason(text: &str) -> Messages {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let is_valid = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && is_edged(text, is_word, |b| is_word(b) || matches!(b, b',' | b':'));
    let why = "a condition reason must start with alphabetic character, optionally followed by a string of \
               alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'";
    let examples = ["my_name", "MY_NAME", "MyName", "ReasonA,ReasonB", "ReasonA:ReasonB"];
    unless(is_valid, || regex_error(why, "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?", &examples))
}

fn unless(is_valid: bool, message: impl FnOnce() -> String) -> Messages {
    if is_valid { Messages::new() } else { vec![message()] }
}

fn is_config_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Keys become file names in volumes, so they must not name a parent directory.
fn leaves_directory(text: &str) -> Option<String> {
    match text {
        "." => Some("must not be '.'".into()),
        ".." => Some("must not be '..'".into()),
        _ if text.starts_with("..") => Some("must not start with '..'".into()),
        _ => None,
    }
}
